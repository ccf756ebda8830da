"""From the clips of a manifest to log-mel spectrograms and embeddings in stores, for the 2022 system and others.

Spectrograms are kept rather than worked out in the input pipeline: training sees every clip some hundred times, and
decoding and resampling cost more than the 64 KiB that a clip takes. Half precision holds them: levels lie within about
-100 to 80 dB, where it rounds by at most 0.03 dB.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import store_key
from avkeras.errors import AvkerasError
from avkeras.features.clip_reading import Decoder, Embed, SoundRows
from avkeras.features.front_end import FrontEnd
from avkeras.features.pictures import bounded_size
from avkeras.features.write_clips import Summary, write_clips
from avkeras.media.decoding_process import PATIENCE

if TYPE_CHECKING:
    from avkeras.features.cluster import ClusterPool
    from avkeras.features.embedder import Embedder
    from avkeras.features.embedder_specs import EmbedderSpec

VERSION = 1  # of what this module does to media; part of every store's key
MULTI_ENCODER = FrontEnd()  # 512 frames of 313 samples for 10 s at 16 kHz (2022, section 3.1.2)
MOST_HEARD = 64  # frames of an embedder of sound, which takes so many at a time
_UNSAID_CUT = 0.1  # seconds


def picture_times(samples: int, *, front_end: FrontEnd = MULTI_ENCODER, visual_frames: int = 64) -> np.ndarray:
    """Returns the times of a clip's still images in seconds: the centres of equal parts of the longest clip.

    With as many pictures as the front end gives vectors, 64, each stands at the centre of a vector. A clip that ends
    before the first of them has one picture, at its end.

    Args:
        samples: of the clip.
        front_end: of the sound, which says how long the longest clip is.
        visual_frames: pictures of the longest clip; a shorter one has fewer, but always one.

    Example:
        >>> picture_times(80_000, visual_frames=4).round(2).tolist()
        [1.25, 3.76]
    """
    times = (np.arange(visual_frames) + 0.5) * front_end.frames * front_end.hop / front_end.sample_rate / visual_frames
    end = samples / front_end.sample_rate
    return np.minimum(times[: max(1, np.count_nonzero(times < end))], end)


def most_frames(spec: "EmbedderSpec", *, front_end: FrontEnd = MULTI_ENCODER, visual_frames: int = 64) -> int:
    """Returns how many frames an embedder gives at most of the longest clip.

    Args:
        spec: of the embedder, of sound or of pictures.
        front_end: of the sound, which says how long the longest clip is.
        visual_frames: pictures of the longest clip.

    Example:
        >>> from avkeras.features.registry import KNOWN
        >>> [most_frames(KNOWN[name]) for name in ("vgg16", "vggish", "efficientat")]
        [64, 11, 32]
    """
    if spec.modality == "video":
        return visual_frames
    return math.ceil(front_end.seconds(front_end.frames) / spec.hop)


class LogMelReader:
    """Makes a log-mel spectrogram of a clip's sound, and embeds its still images (2022, section 3.1.2).

    Embedders of sound get the same seconds of it, at their own rate. That they may help is the paper's own suggestion.

    A longer clip is cut after the front end's `frames`. The notes say so, but not that less than 0.1 s was cut:
    encoders add that much silence at the end of a clip.

    Args:
        embedders: of the pictures or of the sound, by name.
        front_end: of the sound.
        visual_frames: pictures for the front end's `frames`.
        whole: nothing but an end of less than 0.1 s is cut: a longer clip has a spectrogram, and pictures, of each part
            of `frames`, one after the other; so have embedders of sound.
        log_mel: works out what the front end's own `log_mel` does, by other means.
    """

    def __init__(
        self,
        embedders: Mapping[str, "Embedder"],
        *,
        front_end: FrontEnd = MULTI_ENCODER,
        visual_frames: int = 64,
        whole: bool = False,
        log_mel: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.networks = dict(embedders)
        self.visual = {name: one for name, one in self.networks.items() if one.spec.modality == "video"}
        self.auditory = {name: one for name, one in self.networks.items() if one.spec.modality == "audio"}
        for name, embedder in self.auditory.items():
            if (count := most_frames(embedder.spec, front_end=front_end)) > MOST_HEARD:
                raise AvkerasError(
                    f"{name}: gives {count} frames of the longest clip, at most {MOST_HEARD} can be used"
                )
        self.front_end = front_end
        self.visual_frames = visual_frames
        self.whole = whole
        self.log_mel = log_mel

    def read_sound(self, path: str | Path, embed: Embed, decoder: Decoder) -> SoundRows:
        """Decodes the sound to its end, which tells whether the file is whole, and keeps what is not cut off."""
        front_end, notes = self.front_end, []
        rate, longest, least = front_end.sample_rate, front_end.samples, front_end.least_samples
        waveform, samples = self._waveform(path, rate, decoder, notes)
        length = len(waveform)
        if not self.whole and samples > longest + self._unsaid_cut:
            notes.append(f"cut from {samples / rate:.2f} to {longest / rate:.2f} s")
        if samples < least:
            notes.append(f"audio padded by {least - samples} samples to one window")
            waveform = np.pad(waveform, (0, least - samples))
        parts = []
        for start in self._window_starts(length):
            parts.append(Future())
            parts[-1].set_result(front_end.levels(waveform[start:], log_mel=self.log_mel))
        waveforms, heard = {rate: waveform[:length]}, {}
        for name, embedder in self.auditory.items():
            own = embedder.spec.sample_rate
            if own not in waveforms:
                waveforms[own] = self._waveform(path, own, decoder, [])[0]  # the notes are those of the first time
            heard[name] = self._hear(name, waveforms[own], self._window_starts(length), embed, notes)
        return SoundRows(parts, length / rate, notes, heard)

    def _waveform(self, path: str | Path, rate: int, decoder: Decoder, notes: list[str]) -> tuple[np.ndarray, int]:
        """Returns what is used of the sound, and of how many samples."""
        longest = self.front_end.samples * rate // self.front_end.sample_rate
        kept, samples = [], 0
        for block in decoder.iter_audio(path, sample_rate=rate, notes=notes):
            if self.whole or samples < longest:
                kept.append(block if self.whole else block[: longest - samples])
            samples += len(block)
        return np.concatenate(kept), samples

    def _hear(self, name: str, waveform: np.ndarray, starts: Iterable[int], embed: Embed, notes: list[str]) -> list:
        """Has each window of the sound embedded by itself, as clips are in training."""
        embedder, rows = self.auditory[name], []
        rate, of_levels = embedder.spec.sample_rate, self.front_end.sample_rate
        for start in starts:
            window = waveform[start * rate // of_levels :][: self.front_end.samples * rate // of_levels]
            if padding := embedder.padding(len(window)):
                notes.append(f"audio padded by {padding} samples to one window of {embedder.spec.name}")
            (piece,) = embedder.pieces([window])
            rows.append(embed(name, piece))
        return rows

    @property
    def _unsaid_cut(self) -> int:
        return round(_UNSAID_CUT * self.front_end.sample_rate)

    def picture_times(self, sound: SoundRows) -> np.ndarray:
        """Returns the times of the still images in seconds."""
        front_end = self.front_end
        samples = round(sound.seconds * front_end.sample_rate)
        return np.concatenate(
            [
                start / front_end.sample_rate
                + picture_times(
                    min(front_end.samples, samples - start),
                    front_end=front_end,
                    visual_frames=self.visual_frames,
                )
                for start in self._window_starts(samples)
            ]
        )

    def _window_starts(self, samples: int) -> range:
        """Returns the first sample of each part of the front end's `frames`; one, where the clip is cut."""
        front_end = self.front_end
        # What the part before has heard, and an end that is too short to say that it was cut.
        heard = max(front_end.least_samples - 1, front_end.samples - front_end.window_hop + self._unsaid_cut)
        return range(0, max(1, samples - heard), front_end.window_hop)


def detection_stores(
    folder: str | Path,
    *,
    embedders: Mapping[str, "Embedder"],
    front_end: FrontEnd = MULTI_ENCODER,
    visual_frames: int = 64,
) -> dict[str, tuple[Path, dict]]:
    """Returns folder and description of the store of each input: `audio`, then one per embedder."""
    common = {"version": VERSION, "hop": front_end.hop, "max_frames": front_end.frames}
    metas = {"audio": {"features": "log_mel", "dim": front_end.bands, **common}}
    if front_end != MULTI_ENCODER:
        metas["audio"]["front_end"] = dataclasses.asdict(front_end)
    if front_end.sample_rate != MULTI_ENCODER.sample_rate:  # else the hop says when pictures are taken
        common["sample_rate"] = front_end.sample_rate
    titles = {"audio": "log_mel"}
    for name, embedder in embedders.items():
        metas[name] = {
            "embedder": embedder.spec.name,
            "stand_in": embedder.spec.stand_in,
            "fingerprint": embedder.fingerprint,
            "dim": embedder.spec.dim,
            **common,
        }
        titles[name] = f"sound-{name}"
        if embedder.spec.modality == "video":
            metas[name] |= {"visual_frames": visual_frames, **bounded_size(embedder)}
            titles[name] = f"pictures-{visual_frames}-{name}"
    return {name: (Path(folder) / f"{titles[name]}-{store_key(meta)}", meta) for name, meta in metas.items()}


def extract_detection(
    clips: Iterable[Clip],
    folder: str | Path,
    *,
    embedders: Mapping[str, "Embedder"],
    front_end: FrontEnd = MULTI_ENCODER,
    visual_frames: int = 64,
    workers: int = 2,
    pool: "ClusterPool | None" = None,
    patience: float = PATIENCE,
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], Summary]:
    """Reads every clip once and keeps its log-mel spectrogram and embeddings in a store per input.

    Processes decode clips side by side while the networks embed what is decoded; what comes of it is written in the
    order of `clips`, so the stores hold the same bytes whatever the number of workers and however often the run was
    interrupted.

    A file at which decoding hangs, crashes or takes 4 GiB is one that cannot be used, like a damaged one. Each visual
    embedding is aligned to the same still images.

    Args:
        clips: what to read.
        folder: where the stores are.
        embedders: of the pictures or of the sound, by name; empty: spectrograms only.
        front_end: of the sound; what a clip has beyond its `frames` is cut off.
        visual_frames: still images for the front end's `frames`.
        workers: clips decoded at a time.
        pool: the cluster that does it; default: this machine.
        patience: seconds for which nothing may come of decoding a file before it is given up.
        retry_errors: whether clips that failed before are tried again.
        progress: called with (clips done, clips in all).

    Returns:
        The store of each input, `audio` first, and a `Summary`.

    Raises:
        ClusterLost: the cluster is gone; what was written stays, and the rest is left for the next call.
        DecoderUnavailable: the processes that decode cannot be started; likewise.
    """
    shape = {"front_end": front_end, "visual_frames": visual_frames}
    places = detection_stores(folder, embedders=embedders, **shape)
    options = {"workers": workers, "pool": pool, "patience": patience, "retry_errors": retry_errors}
    summary = write_clips(tuple(clips), places, LogMelReader(embedders, **shape), progress=progress, **options)
    return {name: place for name, (place, _) in places.items()}, summary
