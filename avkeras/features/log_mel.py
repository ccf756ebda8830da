"""Log-mel spectrograms as the 2022 system takes them, and as others do, in TensorFlow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

LOG_MEL = "log_mel"  # names it among the embedders that encoders take


def log_mel(
    waveform,
    *,
    sample_rate: int = 16000,
    frame_length: int = 1024,
    hop: int = 313,
    bands: int = 64,
    low: float = 0.0,
    high: float | None = None,
    window: str = "hamming",
    centered: bool = True,
    peak: float | None = 1.0,
    power: int = 1,
    density: bool = False,
    area_norm: bool = False,
    least: float = 1e-5,
    offset: float | None = None,
    relative: bool = False,
    top_db: float | None = 80.0,
) -> tf.Tensor:
    """Computes the log-mel magnitude spectrogram of a clip (2022, section 3.1.2).

    The waveform is scaled to a peak of 1. The spectrum is centred with reflected ends, so 10 s give 512 frames; the
    bands are on Slaney's scale, not normalised by their width; the level is 20 log10(max(magnitude, 1e-5)) dB, at most
    `top_db` below the clip's loudest value. What the paper leaves open is as in the DCASE 2020 baseline: its values are
    those of `librosa.amplitude_to_db`, of `librosa.feature.melspectrogram(..., norm=None)` and of `np.hamming`.

    It runs eagerly and inside `tf.data.Dataset.map`.

    Args:
        waveform: `(samples,)` or `(clips, samples)`, more than `frame_length / 2` samples, or `frame_length` of them if
            not `centered`.
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
        area_norm: the filters of all bands have the same area (librosa's default), not the same height.
        least: smallest value whose level is told apart.
        offset: natural logarithm of value plus this, in place of decibels; None: decibels.
        relative: the loudest level of a clip is 0.
        top_db: range of levels below a clip's loudest; None: no limit.

    Returns:
        float32 levels, `(frames, bands)` or `(clips, frames, bands)` with `frames = 1 + samples // hop`, or
        `1 + (samples - frame_length) // hop` if not `centered`.

    Raises:
        ValueError: the window is unknown, the waveform too short (`tf.errors.InvalidArgumentError` in a graph) or not
            finite (if called eagerly).

    Example:
        >>> log_mel(np.sin(np.arange(160000, dtype="float32"))).shape
        TensorShape([512, 64])
    """
    import tensorflow as tf

    waveform = tf.convert_to_tensor(waveform, tf.float32)
    half = frame_length // 2 if centered else 0
    shortest = half + 1 if centered else frame_length
    message = f"the waveform has fewer than {shortest} samples, the least that one window can be centred on"
    samples = waveform.shape[-1]
    if samples is not None and samples < shortest:
        raise ValueError(message)
    if samples is None:
        check = tf.debugging.assert_greater_equal(tf.shape(waveform)[-1], shortest, message)
        with tf.control_dependencies([check] if check is not None else []):
            waveform = tf.identity(waveform)
    loudest = tf.reduce_max(tf.abs(waveform), axis=-1, keepdims=True)
    if tf.executing_eagerly() and not np.isfinite(tf.reduce_sum(tf.abs(waveform)).numpy()):  # a maximum may skip NaN
        raise ValueError("the waveform holds samples that are not finite (NaN or infinity)")
    if peak is not None:
        waveform = tf.math.divide_no_nan(waveform, loudest / np.float32(peak))
    padded = tf.pad(waveform, [[0, 0]] * (waveform.shape.rank - 1) + [[half, half]], "REFLECT")
    weights = _window(window, frame_length)
    spectrum = tf.signal.rfft(_frames(padded, frame_length, hop) * weights)
    values = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
    if density:
        values = values / np.float32(sample_rate * np.sum(weights.astype("float64") ** 2))
    if power == 1:  # the magnitude of a complex tensor takes care of overflow, and three times as long
        values = tf.sqrt(values)
    mel = tf.matmul(values, _mel_filters(sample_rate, frame_length, bands, low, high, area_norm))
    if offset is not None:
        level = tf.math.log(mel + np.float32(offset))
    else:
        level = tf.math.log(tf.maximum(mel, least)) * np.float32(20 / power / np.log(10))
    if relative:
        level = level - tf.reduce_max(level, axis=[-2, -1], keepdims=True)
    if top_db is not None:
        level = tf.maximum(level, tf.reduce_max(level, axis=[-2, -1], keepdims=True) - top_db)
    return level


def _frames(waveform: tf.Tensor, frame_length: int, hop: int) -> tf.Tensor:
    """Returns the windows `(..., frames, frame_length)` of `(..., samples)`.

    A window is a few rows of the waveform cut into hops, so large blocks are copied; `tf.signal.frame` gathers blocks
    of the greatest common divisor of window and hop, which is a single sample for 1024 and 313.
    """
    import tensorflow as tf

    rows = -(-frame_length // hop)
    samples = waveform.shape[-1] if waveform.shape[-1] is not None else tf.shape(waveform)[-1]
    count = 1 + (samples - frame_length) // hop
    needed = (count + rows - 1) * hop
    missing = tf.maximum(needed - samples, 0)
    waveform = tf.pad(waveform, [[0, 0]] * (waveform.shape.rank - 1) + [[0, missing]])[..., :needed]
    hops = tf.reshape(waveform, tf.concat([tf.shape(waveform)[:-1], [count + rows - 1, hop]], 0))
    parts = [hops[..., row : row + count, : min(hop, frame_length - row * hop)] for row in range(rows)]
    return tf.concat(parts, -1)


def _window(name: str, length: int) -> np.ndarray:
    if name == "hamming":
        return np.hamming(length).astype("float32")
    if name == "hann":
        return np.hanning(length + 1)[:-1].astype("float32")
    raise ValueError(f"window must be 'hamming' or 'hann', not '{name}'")


@functools.cache
def _mel_filters(
    sample_rate: int, frame_length: int, bands: int, low: float, high: float | None, area_norm: bool
) -> np.ndarray:
    """Returns `(1 + frame_length / 2, bands)`."""
    import librosa

    norm = "slaney" if area_norm else None
    return librosa.filters.mel(sr=sample_rate, n_fft=frame_length, n_mels=bands, fmin=low, fmax=high, norm=norm).T
