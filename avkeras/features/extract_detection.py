"""From the clips of a manifest to log-mel spectrograms and visual embeddings in stores, for the 2022 system.

Spectrograms are kept rather than worked out in the input pipeline: training sees every clip some hundred times, and
decoding and resampling cost more than the 64 KiB that a clip takes. Half precision holds them: levels lie within about
-100 to 80 dB, where it rounds by at most 0.03 dB.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import store_key
from avkeras.features.clip_reading import Decoder, Embed, SoundRows
from avkeras.features.pictures import bounded_size
from avkeras.features.write_clips import Summary, write_clips
from avkeras.media.decoding_process import PATIENCE

if TYPE_CHECKING:
    from avkeras.features.cluster import ClusterPool
    from avkeras.features.embedder import Embedder

VERSION = 1  # of what this module does to media; part of every store's key
SAMPLE_RATE = 16000
HOP = 313  # samples from one log-mel frame to the next (2022, section 3.1.2)
_UNSAID_CUT = SAMPLE_RATE // 10
MAX_FRAMES = 512  # log-mel frames of 10 s, the most that the model takes
LEAST_SAMPLES = 513  # half a window and one: the fewest that a spectrogram can be made of


def picture_times(samples: int, *, max_frames: int = MAX_FRAMES, visual_frames: int = 64) -> np.ndarray:
    """Returns the times of a clip's still images in seconds: the centres of equal parts of the longest clip.

    With as many pictures as the front end gives vectors, 64, each stands at the centre of a vector. A clip that ends
    before the first of them has one picture, at its end.

    Args:
        samples: of the clip at 16 kHz.
        max_frames: log-mel frames of the longest clip, 512 for 10 s.
        visual_frames: pictures of the longest clip; a shorter one has fewer, but always one.

    Example:
        >>> picture_times(80_000, visual_frames=4).round(2).tolist()
        [1.25, 3.76]
    """
    times = (np.arange(visual_frames) + 0.5) * max_frames * HOP / SAMPLE_RATE / visual_frames
    end = samples / SAMPLE_RATE
    return np.minimum(times[: max(1, np.count_nonzero(times < end))], end)


class LogMelReader:
    """Makes a log-mel spectrogram of a clip's sound, and embeds its still images (2022, section 3.1.2).

    A longer clip is cut after `max_frames`. The notes say so, but not that less than 0.1 s was cut: encoders add that
    much silence at the end of a clip.

    Args:
        visual: embedders by name.
        bands: of the spectrogram.
        max_frames: most log-mel frames.
        visual_frames: pictures for `max_frames`.
        whole: nothing is cut: a longer clip has a spectrogram, and pictures, of each part of `max_frames`, one after
            the other.
    """

    def __init__(
        self,
        visual: Mapping[str, "Embedder"],
        *,
        bands: int = 64,
        max_frames: int = MAX_FRAMES,
        visual_frames: int = 64,
        whole: bool = False,
    ) -> None:
        self.visual = dict(visual)
        self.networks = self.visual
        self.bands = bands
        self.max_frames = max_frames
        self.visual_frames = visual_frames
        self.whole = whole

    def read_sound(self, path: str | Path, embed: Embed, decoder: Decoder) -> SoundRows:
        """Decodes the sound to its end, which tells whether the file is whole, and keeps what is not cut off."""
        from avkeras.features.log_mel import log_mel

        longest = self.max_frames * HOP - 1
        kept, samples, notes = [], 0, []
        for block in decoder.iter_audio(path, sample_rate=SAMPLE_RATE, notes=notes):
            if self.whole or samples < longest:
                kept.append(block if self.whole else block[: longest - samples])
            samples += len(block)
        waveform = np.concatenate(kept)
        length = len(waveform)
        if not self.whole and samples > longest + _UNSAID_CUT:
            notes.append(f"cut from {samples / SAMPLE_RATE:.2f} to {longest / SAMPLE_RATE:.2f} s")
        if samples < LEAST_SAMPLES:
            notes.append(f"audio padded by {LEAST_SAMPLES - samples} samples to one window")
            waveform = np.pad(waveform, (0, LEAST_SAMPLES - samples))
        parts = []
        for start in self._window_starts(length):
            parts.append(Future())
            parts[-1].set_result(log_mel(waveform[start : start + longest], bands=self.bands).numpy())
        return SoundRows(parts, length / SAMPLE_RATE, notes)

    def picture_times(self, sound: SoundRows) -> np.ndarray:
        """Returns the times of the still images in seconds."""
        longest, shape = self.max_frames * HOP - 1, {"max_frames": self.max_frames, "visual_frames": self.visual_frames}
        samples = round(sound.seconds * SAMPLE_RATE)
        return np.concatenate(
            [
                start / SAMPLE_RATE + picture_times(min(longest, samples - start), **shape)
                for start in self._window_starts(samples)
            ]
        )

    def _window_starts(self, samples: int) -> range:
        """Returns the first sample of each part of `max_frames` frames; one, where the clip is cut."""
        return range(0, max(1, samples - LEAST_SAMPLES + 1), self.max_frames * HOP)


def detection_stores(
    folder: str | Path,
    *,
    visual: Mapping[str, "Embedder"],
    bands: int = 64,
    max_frames: int = MAX_FRAMES,
    visual_frames: int = 64,
) -> dict[str, tuple[Path, dict]]:
    """Returns folder and description of the store of each input: `audio`, then one per visual embedder."""
    common = {"version": VERSION, "hop": HOP, "max_frames": max_frames}
    metas = {"audio": {"features": "log_mel", "dim": bands, **common}}
    for name, embedder in visual.items():
        metas[name] = {
            "embedder": embedder.spec.name,
            "stand_in": embedder.spec.stand_in,
            "fingerprint": embedder.fingerprint,
            "dim": embedder.spec.dim,
            "visual_frames": visual_frames,
            **common,
            **bounded_size(embedder),
        }
    titles = {name: "log_mel" if name == "audio" else f"pictures-{visual_frames}-{name}" for name in metas}
    return {name: (Path(folder) / f"{titles[name]}-{store_key(meta)}", meta) for name, meta in metas.items()}


def extract_detection(
    clips: Iterable[Clip],
    folder: str | Path,
    *,
    visual: Mapping[str, "Embedder"],
    bands: int = 64,
    max_frames: int = MAX_FRAMES,
    visual_frames: int = 64,
    workers: int = 2,
    pool: "ClusterPool | None" = None,
    patience: float = PATIENCE,
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], Summary]:
    """Reads every clip once and keeps its log-mel spectrogram and visual embeddings in a store per input.

    Processes decode clips side by side while the networks embed what is decoded; what comes of it is written in the
    order of `clips`, so the stores hold the same bytes whatever the number of workers and however often the run was
    interrupted.

    A file at which decoding hangs, crashes or takes 4 GiB is one that cannot be used, like a damaged one. Each visual
    embedding is aligned to the same still images.

    Args:
        clips: what to read.
        folder: where the stores are.
        visual: embedders of the pictures by name; empty: sound only.
        bands: of the spectrogram.
        max_frames: most log-mel frames; what a clip has beyond is cut off.
        visual_frames: still images for `max_frames`.
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
    shape = {"bands": bands, "max_frames": max_frames, "visual_frames": visual_frames}
    places = detection_stores(folder, visual=visual, **shape)
    options = {"workers": workers, "pool": pool, "patience": patience, "retry_errors": retry_errors}
    summary = write_clips(tuple(clips), places, LogMelReader(visual, **shape), progress=progress, **options)
    return {name: place for name, (place, _) in places.items()}, summary
