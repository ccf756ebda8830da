"""Building blocks of the demo sounds: oscillators, shaped noise, clicks and envelopes, mono float32."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft

_TABLE = 2048  # samples of a wavetable: one period


def ramp(values: Sequence[float], n: int) -> np.ndarray:
    """Returns `n` samples of straight lines through equally spaced values."""
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values).astype(np.float32)


def wander(rng: np.random.Generator, n: int, rate: int, *, speed: float = 2.0) -> np.ndarray:
    """Returns a smooth random curve in [-1, 1] that turns about `speed` times per second."""
    return ramp(rng.uniform(-1, 1, max(2, int(n / rate * speed) + 2)), n)


def phase(frequency: float | np.ndarray, n: int, rate: int) -> np.ndarray:
    """Returns the phase, in periods, of an oscillator with a constant or varying frequency in Hz."""
    return np.cumsum(np.broadcast_to(np.asarray(frequency, np.float64), (n,))) / rate


def tone(
    frequency: float | np.ndarray, n: int, rate: int, harmonics: Sequence[float] | np.ndarray = (1.0,)
) -> np.ndarray:
    """Returns a sum of harmonics, with their amplitudes given; those above the Nyquist frequency are left out."""
    room = max(1, int(0.5 * rate / max(float(np.max(frequency)), 1.0)))
    amplitudes = np.asarray(harmonics, np.float64)[: min(room, _TABLE // 2 - 1)]
    spectrum = np.zeros(_TABLE // 2 + 1, complex)
    # Fixed scattered phases keep the peak low.
    spectrum[1 : len(amplitudes) + 1] = amplitudes * np.exp(1j * 2.4 * np.arange(len(amplitudes)) ** 2)
    table = (np.fft.irfft(spectrum) * _TABLE / 2).astype(np.float32)
    return table[(phase(frequency, n, rate) * _TABLE).astype(np.int64) % _TABLE]


def pulse(frequency: float | np.ndarray, n: int, rate: int, *, duty: float = 0.5) -> np.ndarray:
    """Returns an on/off envelope (1 for a share `duty` of each period, with edges of about 5 ms)."""
    return smooth(((phase(frequency, n, rate) % 1.0) < duty).astype(np.float32), int(0.005 * rate))


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Returns the moving average of an envelope over `width` samples, of the same length."""
    width = max(1, min(width, len(values)))
    sums = np.cumsum(np.concatenate((np.full(width, values[0]), values)), dtype=np.float64)
    return ((sums[width:] - sums[:-width]) / width).astype(np.float32)


def rolloff(count: int, slope: float) -> np.ndarray:
    """Returns `count` harmonic amplitudes that fall as 1/k^slope."""
    return np.arange(1, count + 1) ** -float(slope)


def formants(fundamental: float, peaks: Sequence[tuple[float, float]], *, highest: float = 5000.0) -> np.ndarray:
    """Returns harmonic amplitudes below resonances given as (centre, width) in Hz."""
    frequencies = fundamental * np.arange(1, max(2, int(highest / fundamental)) + 1)
    return sum(1 / (1 + ((frequencies - centre) / width) ** 2) for centre, width in peaks) + 0.01


def noise(
    rng: np.random.Generator, n: int, rate: int, shape: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Returns Gaussian noise of unit RMS whose amplitude spectrum follows `shape(frequencies in Hz)`."""
    # Lengths with small factors keep the transform fast; the surplus is cut off.
    size = min(factor << max(2, (max(n - 1, 1) // factor).bit_length()) for factor in (4, 5, 6, 7))
    bins = size // 2 + 1
    spectrum = rng.standard_normal((bins, 2), np.float32).view(np.complex64)[:, 0]
    if shape is not None:
        spectrum = spectrum * shape(np.fft.rfftfreq(size, 1 / rate)).astype(np.float32)
    spectrum[0] = 0
    return unit(fft.irfft(spectrum)[:n])  # in single precision, which numpy's does not keep


def band(low: float, high: float, *, slope: float = 2.0) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a noise shape that is flat between two frequencies in Hz and falls off outside them."""

    def shape(frequencies: np.ndarray) -> np.ndarray:
        safe = np.maximum(frequencies, 1.0)
        return np.minimum(1.0, safe / low) ** slope * np.minimum(1.0, high / safe) ** slope

    return shape


def coloured(exponent: float) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a noise shape with power 1/f^exponent above 30 Hz (1: pink, 2: brown)."""
    return lambda frequencies: np.maximum(frequencies, 30.0) ** (-exponent / 2)


def strikes(
    rng: np.random.Generator, n: int, rate: int, starts: np.ndarray, sound: np.ndarray, *, spread: float = 0.3
) -> np.ndarray:
    """Returns copies of a short sound at the given times in seconds, each with a level within +-`spread`."""
    out = np.zeros(n + len(sound), np.float32)
    for start in starts:
        at = int(start * rate)
        if 0 <= at < n:
            out[at : at + len(sound)] += sound * (1 + spread * rng.uniform(-1, 1))
    return out[:n]


def decay(n: int, rate: int, seconds: float) -> np.ndarray:
    """Returns an exponential decay that falls by 60 dB in `seconds`."""
    return np.exp(-6.9 * np.arange(n) / (seconds * rate)).astype(np.float32)


def click(rng: np.random.Generator, rate: int, *, low: float, high: float, seconds: float) -> np.ndarray:
    """Returns one decaying burst of band noise."""
    n = max(16, int(seconds * rate))
    return noise(rng, n, rate, band(low, high)) * decay(n, rate, seconds)


def bell(rate: int, frequency: float, partials: Sequence[float], *, seconds: float) -> np.ndarray:
    """Returns one stroke of a bell: decaying partials at ratios of `frequency`; higher ones die sooner."""
    n = int(seconds * rate)
    out = np.zeros(n, np.float32)
    for ratio in partials:
        if frequency * ratio < 0.45 * rate:
            out += tone(frequency * ratio, n, rate) * decay(n, rate, seconds / ratio) / ratio**0.5
    return out


def regular(rng: np.random.Generator, seconds: float, per_second: float, *, jitter: float = 0.1) -> np.ndarray:
    """Returns nearly regular times from 0 to `seconds`, shifted by a random part of the period."""
    count = int(seconds * per_second) + 2
    steps = np.arange(count) + rng.uniform(0, 0.5) + jitter * rng.uniform(-1, 1, count)
    return np.clip(steps / per_second, 0, None)


def unit(sound: np.ndarray) -> np.ndarray:
    """Returns a sound scaled to an RMS of 1 (silence stays as it is)."""
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    return (sound / rms).astype(np.float32) if rms > 1e-9 else sound.astype(np.float32)
