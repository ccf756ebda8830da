"""From the clips of a manifest to embeddings in stores: once, resumable, a clip that fails stops nothing."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordWriter, media_digest, store_key
from avkeras.errors import AvkerasError, MediaError
from avkeras.features.pictures import bounded_size, embed_pictures, load_pictures

if TYPE_CHECKING:
    from avkeras.features.cluster import ClusterPool
    from avkeras.features.embedders import Embedder

logger = logging.getLogger(__name__)

VERSION = 1  # of what this module does to media before the embedder; part of every store's key


@dataclass
class Media:
    """A clip before its pictures are embedded.

    Args:
        waveform: `(samples,)` at 16 kHz.
        audio: its embeddings `(frames, dim)`.
        pictures: `(frames, height, width, 3)` uint8, or None.
        seen: which of them show something, `(frames,)`, or None.
        notes: what was padded, replaced or missing, a line each.
    """

    waveform: np.ndarray
    audio: np.ndarray
    pictures: np.ndarray | None = None
    seen: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class ClipEmbeddings:
    """A clip as embeddings.

    Args:
        audio: `(frames, dim)` float32.
        video: `(frames, dim)` float32, or None: no video.
        video_mask: which video frames were seen, `(frames,)`.
        times: centres of the frames in seconds, `(frames,)`.
        notes: what was padded, replaced or missing, a line each.
    """

    audio: np.ndarray
    video: np.ndarray | None
    video_mask: np.ndarray | None
    times: np.ndarray
    notes: list[str]


@dataclass
class Summary:
    """What an extraction did.

    Args:
        clips: in the manifest.
        reused: were in the store already.
        without_video: have no video file, or none that could be used.
        notes: clip id and what was padded, replaced or missing.
        errors: clip id and why it has no embeddings; such clips are left out.
    """

    clips: int = 0
    reused: int = 0
    without_video: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)


def decode_clip(
    audio: str | Path, video: str | Path | None, *, audio_embedder: "Embedder", video_embedder: "Embedder | None"
) -> Media:
    """Reads a clip's sound, embeds it, and reads a picture at the centre of each of its frames (2019, section 3.2.1).

    Only the embedder knows how many frames a sound gives (YAMNet pads the end to a whole hop), so the sound is
    embedded before the pictures are read. Video that cannot be used makes the clip one without video, and `notes`
    says so.

    Raises:
        MediaError: when the sound cannot be used.
    """
    from avkeras.features.audio import load_audio

    waveform = load_audio(audio)
    media = Media(waveform, audio_embedder(waveform))
    if padding := audio_embedder.padding(len(waveform)):
        media.notes.append(f"audio padded by {padding} samples to one window of {audio_embedder.spec.name}")
    if video is None or video_embedder is None:
        return media
    times = audio_embedder.frame_times(len(media.audio))
    try:
        media.pictures, media.seen = load_pictures(video, times, video_embedder.spec)
    except MediaError as error:
        media.notes.append(f"video not used: {error.reason}")
        return media
    if not media.seen.any():
        media.pictures = media.seen = None
        media.notes.append("video not used: it shows nothing at the times of the audio frames")
    elif not media.seen.all():
        media.notes.append(f"video missing in {np.count_nonzero(~media.seen)} of {len(times)} frames")
    return media


def embed_media(media: Media, *, audio_embedder: "Embedder", video_embedder: "Embedder | None") -> ClipEmbeddings:
    """Embeds the pictures of a clip, and brings all of it together."""
    video = None if media.pictures is None else embed_pictures(media.pictures, media.seen, video_embedder)
    times = audio_embedder.frame_times(len(media.audio))
    return ClipEmbeddings(media.audio, video, media.seen, times, list(media.notes))


def embed_clip(
    audio: str | Path, video: str | Path | None, *, audio_embedder: "Embedder", video_embedder: "Embedder | None"
) -> ClipEmbeddings:
    """Reads and embeds one clip: `decode_clip`, then `embed_media`."""
    media = decode_clip(audio, video, audio_embedder=audio_embedder, video_embedder=video_embedder)
    return embed_media(media, audio_embedder=audio_embedder, video_embedder=video_embedder)


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
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], Summary]:
    """Embeds every clip once and keeps the embeddings in a store per modality.

    Threads decode and embed clips side by side; what they give is written in the order of `clips`, so the stores hold
    the same bytes whatever the number of workers and however often the run was interrupted.

    Args:
        clips: what to embed.
        folder: where the stores are.
        audio_embedder: for the sound.
        video_embedder: for the pictures; None: sound only.
        workers: threads that decode and embed.
        pool: what runs the calls; default: so many threads.
        retry_errors: whether clips that failed before are tried again.
        progress: called with (clips done, clips in all).

    Returns:
        The store of each modality, and a `Summary`.
    """
    clips = tuple(clips)
    embedders = {"audio_embedder": audio_embedder, "video_embedder": video_embedder}
    folders = store_folders(folder, **embedders)
    stores = {modality: RecordWriter(*place) for modality, place in folders.items()}
    summary = Summary(clips=len(clips))
    try:
        with nullcontext(pool) if pool else ThreadPoolExecutor(workers) as running:
            for number, (clip, digest, found) in enumerate(
                _embedded(clips, stores, running, workers, retry_errors, embedders), start=1
            ):
                if found is None:
                    summary.reused += 1
                else:
                    _write(clip, digest, found, stores)
                _count(clip, stores, summary)
                if progress:
                    progress(number, len(clips))
    finally:
        for store in stores.values():
            store.close()
    return {modality: place for modality, (place, _) in folders.items()}, summary


def _embedded(clips, stores, pool, workers, retry_errors, embedders) -> Iterator[tuple[Clip, str, Future | None]]:
    """Yields clips in order, each with its digest and its embedding under way; None: it is in the stores already."""

    def start(clip):
        try:
            digest = media_digest(clip.audio, clip.video)
        except OSError as error:
            digest = f"unreadable: {error.strerror}"
        if all(store.done(clip.id, digest, retry_errors=retry_errors) for store in stores.values()):
            return clip, digest, None
        return clip, digest, pool.submit(embed_clip, clip.audio, clip.video, **embedders)

    waiting = iter(clips)
    ahead = [start(clip) for clip in islice(waiting, 2 * workers)]
    while ahead:
        yield ahead.pop(0)
        ahead.extend(start(clip) for clip in islice(waiting, 1))


def _write(clip: Clip, digest: str, embedded: Future, stores: dict[str, RecordWriter]) -> None:
    try:
        found = embedded.result()
    except Exception as error:  # a decoder's surprise on one clip must not stop the others
        return _fail(clip, digest, failure_reason(clip, error), stores)
    # The audio record carries the notes; it is written last, so that a kill between the two repeats the clip.
    try:
        if "video" in stores and not stores["video"].done(clip.id, digest, retry_errors=True):
            video = np.zeros((0, stores["video"].meta["dim"])) if found.video is None else found.video
            stores["video"].write(clip.id, digest, video, mask=found.video_mask)
        stores["audio"].write(clip.id, digest, found.audio, notes=tuple(found.notes))
    except ValueError as error:  # embeddings that a store refuses
        _fail(clip, digest, str(error), stores)


def failure_reason(clip: Clip, error: Exception) -> str:
    """Returns in one line why a clip has no features; an error that nobody foresaw is logged with its traceback."""
    if isinstance(error, MediaError):
        return error.reason
    if not isinstance(error, AvkerasError):
        logger.error("clip %s", clip.id, exc_info=error)
        return " ".join(f"{type(error).__name__}: {error}".split())
    return " ".join(str(error).split())


def _fail(clip: Clip, digest: str, reason: str, stores: dict[str, RecordWriter]) -> None:
    for store in stores.values():
        store.fail(clip.id, digest, reason)


def _count(clip: Clip, stores: dict[str, RecordWriter], summary: Summary) -> None:
    record = stores["audio"].records[clip.id]
    summary.notes.extend((clip.id, note) for note in record.notes)
    if record.error:
        summary.errors.append((clip.id, record.error))
    elif "video" in stores and stores["video"].records[clip.id].frames == 0:
        summary.without_video += 1
