"""A clip that somebody has as arrays, given to its reader as if it were decoded from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.media.audio_track import LOUDEST

if TYPE_CHECKING:
    from avkeras.media.decoding_process import DecodingProcess, ThisProcess

SILENT = 1e-4  # of full scale, as in `avkeras.media.audio`
REACH = 0.25  # seconds that a picture stands for, or the time to the next, as in `avkeras.media.video`
_BLOCK = 160_000


@dataclass(frozen=True)
class Waveform:
    """Sound as an array.

    Args:
        samples: `(samples,)` or `(samples, channels)`; floats in [-1, 1], or integers, whose type says their scale.
        rate: in Hz.

    Raises:
        AvkerasError: not such an array, or its values are not finite or on another scale.

    Example:
        >>> Waveform(np.array([0, -16384], "int16"), 8000).samples
        array([ 0. , -0.5], dtype=float32)
    """

    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        given = np.asarray(self.samples)
        if given.dtype.kind not in "iuf" or given.ndim not in (1, 2) or not given.size:
            raise AvkerasError(
                f"waveform: (samples,) or (samples, channels) of numbers wanted, not {given.shape} of {given.dtype}"
            )
        if given.ndim == 2 and given.shape[1] > given.shape[0]:
            raise AvkerasError(f"waveform: (samples, channels) wanted, {given.shape} seems to be its transpose")
        if not 0 < self.rate == int(self.rate):
            raise AvkerasError(f"rate: a whole number of Hz wanted, not {self.rate}")
        if given.dtype.kind == "f":
            if not np.isfinite(given).all():
                raise AvkerasError("waveform: holds values that are not finite (NaN or infinity)")
            if (peak := np.abs(given).max()) > LOUDEST:
                raise AvkerasError(
                    f"waveform: floats in [-1, 1] wanted, its loudest sample is {peak:.4g}; divide by full scale "
                    "(32768 for 16 bits)"
                )
            scaled = given.astype(np.float32)
        else:
            zero, full = (128, 128) if given.dtype == np.uint8 else (0, -float(np.iinfo(given.dtype).min))
            if full == 0:
                raise AvkerasError(f"waveform: {given.dtype} is no type of samples")
            scaled = (given.astype(np.float32) - np.float32(zero)) / np.float32(full)
        object.__setattr__(self, "samples", scaled if scaled.ndim == 1 else scaled.mean(axis=1))

    def blocks(self, sample_rate: int, *, notes: list[str]) -> Iterator[np.ndarray]:
        """Yields the sound as mono blocks `(samples,)` of 10 s, resampled as the sound of files is.

        Args:
            sample_rate: wanted, in Hz.
            notes: gets a line for what is remarkable.
        """
        samples, peak = self.samples, float(np.abs(self.samples).max())
        if peak <= SILENT:
            notes.append(f"its sound is silent: it stays below {SILENT:g} of full scale")
        if peak > 2:
            notes.append(f"its sound reaches {peak:.2f} times full scale")
        if self.rate != sample_rate:
            import soxr

            stream = soxr.ResampleStream(int(self.rate), sample_rate, 1, dtype="float32", quality="HQ")
            samples = stream.resample_chunk(samples, last=True)
        if not len(samples):
            raise AvkerasError(f"waveform: {len(self.samples)} samples at {self.rate} Hz are too few")
        yield from (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))


@dataclass(frozen=True)
class Pictures:
    """Pictures as arrays.

    Args:
        frames: `(pictures, height, width, 3)` uint8 RGB, upright.
        times: of each in seconds from the start of the sound, ascending, `(pictures,)`.

    Raises:
        AvkerasError: not such arrays.
    """

    frames: np.ndarray
    times: np.ndarray

    def __post_init__(self) -> None:
        frames, times = np.asarray(self.frames), np.asarray(self.times, np.float64)
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
            raise AvkerasError(
                f"pictures: (pictures, height, width, 3) of uint8 wanted, not {frames.shape} of {frames.dtype}"
            )
        if times.shape != frames.shape[:1] or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise AvkerasError(f"picture_times: {len(frames)} ascending times in seconds wanted, one per picture")
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "times", times)

    def at(
        self, times: Sequence[float], *, size: tuple[int, int] | None = None, short_side: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the pictures nearest to times, as `avkeras.media.video.iter_frames` does of a file, all at once."""
        times = np.asarray(times, np.float64)
        after = np.searchsorted((self.times[1:] + self.times[:-1]) / 2, times)
        usual = np.diff(self.times, append=self.times[-1] + (np.diff(self.times)[-1:].sum() or REACH))
        reach = np.maximum(usual[after], REACH)
        outside = (times < self.times[0] - reach) | (times > self.times[-1] + reach)
        painted = {place: _painted(self.frames[place], size, short_side) for place in dict.fromkeys(after.tolist())}
        yield np.stack([painted[place] for place in after.tolist()]), ~outside


def _painted(picture: np.ndarray, size: tuple[int, int] | None, short_side: int | None) -> np.ndarray:
    """Returns a picture of some size, or with a bounded short side, scaled as the pictures of files are."""
    import av

    height, width = picture.shape[:2]
    least = min(height, width)
    if size is None and short_side is not None and least > short_side:
        size = (height * short_side // least, width * short_side // least)
    if size in (None, (height, width)):
        return picture
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(width=size[1], height=size[0], format="rgb24", interpolation="BILINEAR").to_ndarray()


class Arrays:
    """Gives a clip's arrays as `avkeras.media.decoding_process.ThisProcess` gives what it decodes.

    Args:
        sound: of the clip.
        pictures: of the clip; or what decodes them from a file.
    """

    def __init__(self, sound: Waveform, pictures: Pictures | ThisProcess | DecodingProcess) -> None:
        self.sound = sound
        self.pictures = pictures

    def iter_audio(
        self, path: str | Path, *, sample_rate: int = 16_000, notes: list[str] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields mono blocks `(samples,)`; `path` is not looked at."""
        yield from self.sound.blocks(sample_rate, notes=[] if notes is None else notes)

    def iter_frames(
        self, path: str | Path, times: Sequence[float], *, size=None, short_side: int | None = None, notes=None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the pictures nearest to times; of the file at `path`, if there are no arrays."""
        if isinstance(self.pictures, Pictures):
            return self.pictures.at(times, size=size, short_side=short_side)
        return self.pictures.iter_frames(path, times, size=size, short_side=short_side, notes=notes)
