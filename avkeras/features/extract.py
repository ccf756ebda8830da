"""From the clips of a manifest to embeddings in stores, for the 2019 system."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import store_key
from avkeras.features.clip_reading import Decoder, Embed, SoundRows, read_clip
from avkeras.features.pictures import bounded_size
from avkeras.features.write_clips import Summary, write_clips
from avkeras.media.decoding_process import PATIENCE

if TYPE_CHECKING:
    from avkeras.features.cluster import ClusterPool
    from avkeras.features.embedder import Embedder

__all__ = ["ClipEmbeddings", "Summary", "WindowReader", "embed_clip", "extract", "store_folders"]

VERSION = 1  # of what this module does to media before the embedder; part of every store's key


@dataclass
class ClipEmbeddings:
    """A clip as embeddings.

    Args:
        audio: `(frames, dim)` float32.
        video: `(frames, dim)` float32, or None: no video.
        seen: which video frames show something, `(frames,)`, or None: no video.
        times: centres of the frames in seconds, `(frames,)`.
        notes: what was padded, replaced or missing, a line each.
    """

    audio: np.ndarray
    video: np.ndarray | None
    seen: np.ndarray | None
    times: np.ndarray
    notes: list[str]


class WindowReader:
    """Embeds the windows of a clip's sound, and a picture at the centre of each (2019, section 3.2.1).

    Only the embedder knows how many frames a sound gives (YAMNet pads the end to a whole hop), so the sound is
    embedded before the pictures are read.

    Args:
        audio_embedder: for the sound.
        video_embedder: for the pictures; None: sound only.
    """

    def __init__(self, audio_embedder: "Embedder", video_embedder: "Embedder | None") -> None:
        self.visual = {} if video_embedder is None else {"video": video_embedder}
        self.networks = {"audio": audio_embedder, **self.visual}

    def read_sound(self, path: str | Path, embed: Embed, decoder: Decoder) -> SoundRows:
        """Decodes the sound at the embedder's rate and has it embedded, 64 frames at a time."""
        embedder, samples, notes = self.networks["audio"], 0, []

        def counted() -> Iterator[np.ndarray]:
            nonlocal samples
            for block in decoder.iter_audio(path, sample_rate=embedder.spec.sample_rate, notes=notes):
                samples += len(block)
                yield block

        parts = [embed("audio", piece) for piece in embedder.pieces(counted())]
        if padding := embedder.padding(samples):
            notes.append(f"audio padded by {padding} samples to one window of {embedder.spec.name}")
        return SoundRows(parts, samples / embedder.spec.sample_rate, notes)

    def picture_times(self, sound: SoundRows) -> np.ndarray:
        """Returns the centres of the sound's frames in seconds; of a clip that ends before the first, its end."""
        times = self.networks["audio"].frame_times(len(sound.rows()))
        times[0] = min(times[0], sound.seconds)
        return times


def embed_clip(
    audio: str | Path, video: str | Path | None, *, audio_embedder: "Embedder", video_embedder: "Embedder | None"
) -> ClipEmbeddings:
    """Reads and embeds one clip (2019, section 3.2.1).

    Video that cannot be used makes the clip one without video, and `notes` says so. Neither the waveform nor the
    pictures are held whole.

    Raises:
        MediaError: when the sound cannot be used.
    """
    found = read_clip(WindowReader(audio_embedder, video_embedder), audio, video)
    times = audio_embedder.frame_times(len(found.audio))
    return ClipEmbeddings(found.audio, found.visual.get("video"), found.seen, times, found.notes)


def store_folders(
    folder: str | Path, *, audio_embedder: "Embedder", video_embedder: "Embedder | None"
) -> dict[str, tuple[Path, dict]]:
    """Returns the folder and the description of the store of each modality, named by what makes the embeddings."""
    spec = audio_embedder.spec
    frames = {"window": spec.window, "hop": spec.hop}
    stores = {}
    for modality, embedder in (("audio", audio_embedder), ("video", video_embedder)):
        if embedder is None:
            continue
        meta = {
            "modality": modality,
            "embedder": embedder.spec.name,
            "stand_in": embedder.spec.stand_in,
            "fingerprint": embedder.fingerprint,
            "dim": embedder.spec.dim,
            "frames": frames,
            "version": VERSION,
        } | bounded_size(embedder)
        stores[modality] = (Path(folder) / f"{modality}-{embedder.spec.name}-{store_key(meta)}", meta)
    return stores


def extract(
    clips: Iterable[Clip],
    folder: str | Path,
    *,
    audio_embedder: "Embedder",
    video_embedder: "Embedder | None" = None,
    workers: int = 2,
    pool: "ClusterPool | None" = None,
    patience: float = PATIENCE,
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], Summary]:
    """Embeds every clip once and keeps the embeddings in a store per modality.

    Processes decode clips side by side while the networks embed what is decoded; what comes of it is written in the
    order of `clips`, so the stores hold the same bytes whatever the number of workers and however often the run was
    interrupted.

    A file at which decoding hangs, crashes or takes 4 GiB is one that cannot be used, like a damaged one. Memory does
    not grow with the length of a clip, but for its embeddings in half precision.

    Args:
        clips: what to embed.
        folder: where the stores are.
        audio_embedder: for the sound.
        video_embedder: for the pictures; None: sound only.
        workers: clips decoded at a time.
        pool: the cluster that does it; default: this machine.
        patience: seconds for which nothing may come of decoding a file before it is given up.
        retry_errors: whether clips that failed before are tried again.
        progress: called with (clips done, clips in all).

    Returns:
        The store of each modality, and a `Summary`.

    Raises:
        ClusterLost: the cluster is gone; what was written stays, and the rest is left for the next call.
        DecoderUnavailable: the processes that decode cannot be started; likewise.
    """
    places = store_folders(folder, audio_embedder=audio_embedder, video_embedder=video_embedder)
    reader = WindowReader(audio_embedder, video_embedder)
    options = {"workers": workers, "pool": pool, "patience": patience, "retry_errors": retry_errors}
    summary = write_clips(tuple(clips), places, reader, progress=progress, **options)
    return {modality: place for modality, (place, _) in places.items()}, summary
