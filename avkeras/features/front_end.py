"""How a system turns sound into levels of mel bands, as values that a trained model asks for again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

# Fields that are no arguments of `log_mel`: they say how much of a clip is taken.
_EXTENT = ("frames", "samples", "padding")


@dataclass(frozen=True)
class FrontEnd:
    """The values of `avkeras.features.log_mel.log_mel`, and how much of a clip a system takes.

    The defaults are the 2022 system's (section 3.1.2).

    Args:
        sample_rate: in Hz.
        frame_length: samples of one window.
        hop: samples from one frame to the next.
        bands: mel bands.
        low: lowest frequency of the bands in Hz.
        high: highest; None: half the sample rate.
        window: `"hamming"`, symmetric; or `"hann"`, periodic.
        centered: frames stand around their time, with reflected ends; otherwise they begin there.
        peak: that the waveform is scaled to; None: it stays as it is.
        power: 1 for magnitudes, 2 for powers.
        density: magnitudes are divided by sqrt(sample_rate * sum of the squared window), as SciPy's are.
        area_norm: the filters of all bands have the same area.
        least: smallest value whose level is told apart.
        offset: natural logarithm of value plus this, in place of decibels; None: decibels.
        relative: the loudest level of a clip is 0.
        top_db: range of levels below a clip's loudest; None: no limit.
        frames: most frames of a clip; what is beyond is cut off, or begins another window.
        samples: most samples that they are made of.
        padding: what makes a shorter clip as long: `"levels"`, zeros behind its levels; `"sound"`, zeros behind its
            sound; None: it stays shorter.

    Example:
        >>> front_end = FrontEnd()
        >>> front_end.window_hop, round(front_end.seconds(512), 3)
        (160256, 10.016)
    """

    sample_rate: int = 16000
    frame_length: int = 1024
    hop: int = 313
    bands: int = 64
    low: float = 0.0
    high: float | None = None
    window: str = "hamming"
    centered: bool = True
    peak: float | None = 1.0
    power: int = 1
    density: bool = False
    area_norm: bool = False
    least: float = 1e-5
    offset: float | None = None
    relative: bool = False
    top_db: float | None = 80.0
    frames: int = 512
    samples: int = 512 * 313 - 1
    padding: str | None = None

    def __post_init__(self) -> None:
        if self.padding not in (None, "levels", "sound"):
            raise ValueError(f"padding must be 'levels', 'sound' or None, not {self.padding!r}")

    @property
    def least_samples(self) -> int:
        """The fewest samples that a spectrogram can be made of."""
        return self.frame_length // 2 + 1 if self.centered else self.frame_length

    @property
    def window_hop(self) -> int:
        """Samples from the first of a window of `frames` to that of the next, where a clip is longer."""
        return self.frames * self.hop

    def seconds(self, frames: int) -> float:
        """Returns the time that frames span."""
        return frames * self.hop / self.sample_rate

    def log_mel(self, waveform) -> tf.Tensor:
        """Returns the levels of a waveform by these values, see `avkeras.features.log_mel.log_mel`.

        Args:
            waveform: `(samples,)`, at least `least_samples`.
        """
        from avkeras.features.log_mel import log_mel

        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in _EXTENT}
        return log_mel(waveform, **values)

    def levels(self, waveform: np.ndarray, *, log_mel: Callable | None = None) -> np.ndarray:
        """Returns the levels of a clip, or of one window of it.

        Args:
            waveform: `(samples,)`, at least `least_samples`; what is beyond `samples` is cut off.
            log_mel: works out what `self.log_mel` does, by other means.

        Returns:
            float32 `(frames, bands)`.

        Raises:
            ValueError: the waveform is too short or not finite.
        """
        waveform = waveform[: self.samples]
        if not np.isfinite(waveform).all():
            raise ValueError("the waveform holds samples that are not finite (NaN or infinity)")
        if self.padding == "sound":
            waveform = np.pad(waveform, (0, self.samples - len(waveform)))
        rows = np.asarray((log_mel or self.log_mel)(waveform))[: self.frames]
        return np.pad(rows, ((0, self.frames - len(rows)), (0, 0))) if self.padding == "levels" else rows
