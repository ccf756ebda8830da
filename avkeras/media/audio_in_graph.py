"""The sound of clips inside a tf.data pipeline."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.audio import load_audio
from avkeras.media.wav import read_wav_header

if TYPE_CHECKING:
    import tensorflow as tf

_log = logging.getLogger(__name__)


def decode_audio(path: tf.Tensor, *, sample_rate: int = 16000) -> tuple[tf.Tensor, tf.Tensor]:
    """Read a clip's sound inside a tf.data pipeline; a clip that cannot be read does not stop the data set.

    Where tensorflow-io is installed (the extra `io`) and its operations load, a whole, plainly laid out wav file (8, 16
    or 24 bit, or 32-bit float) is read and decoded by it in the graph: a 10 s stereo clip in 0.5 ms where PyAV takes
    27 ms. Everything else goes to `load_audio`, and so do wav files whose header does not fit their bytes, because an
    error in tensorflow-io cannot be caught in a graph and ends the data set. Its flac, mp3 and vorbis decoders are not
    used for that reason, because they are slower than PyAV (73, 47 and 130 ms against 8, 14 and 13 ms for that clip),
    and because the vorbis decoder ends the process on an empty file. Without tensorflow-io all go to `load_audio`,
    and the log says so.

    PyAV is Python inside the data set. Let its iterators run to their end: one that is dropped before may hang, as
    TensorFlow then waits for Python and keeps the interpreter locked. (Training reads stores, where this cannot be.)

    Args:
        path: a string scalar.
        sample_rate: of the result, in Hz; soxr resamples files of another rate.

    Returns:
        `(waveform, error)`: float32 of shape `(samples,)` and a string scalar, empty if all went well. On an
        error the waveform is empty and the string is the text of the `MediaError`.

    Example:
        >>> paths = tf.data.Dataset.from_tensor_slices(["clip.wav", "clip2.wav"])
        >>> [waveform.shape for waveform, error in paths.map(decode_audio).as_numpy_iterator()]
        [(160000,), (160000,)]
    """
    import tensorflow as tf

    tfio = _native_decoders()
    dtypes = (tf.uint8, tf.int16, tf.int32, tf.float32)

    def native(dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        samples = tf.cast(tfio.audio.decode_wav(tf.io.read_file(path), dtype=dtype), tf.float32)
        if dtype == tf.uint8:
            samples = (samples - 128.0) / 128.0
        elif dtype.is_integer:
            samples = samples / -float(dtype.min)
        mono = tf.reduce_mean(samples, axis=1)
        waveform = tf.cond(
            tf.equal(rate, sample_rate),
            lambda: mono,
            lambda: tf.numpy_function(_resample, [mono, rate, sample_rate], tf.float32),
        )
        finite = tf.reduce_all(tf.math.is_finite(mono))
        error = tf.where(finite, "", tf.strings.join([path, ": its audio holds samples that are not finite"]))
        return waveform[: tf.where(finite, tf.size(waveform), 0)], error

    def through_pyav() -> tuple[tf.Tensor, tf.Tensor]:
        waveform, error = tf.numpy_function(_load_or_reason, [path, sample_rate], (tf.float32, tf.string))
        return waveform, error

    if tfio is None:
        waveform, error = through_pyav()
        return tf.ensure_shape(waveform, [None]), tf.ensure_shape(error, [])
    branch, rate = tf.numpy_function(_native_wav, [path], (tf.int32, tf.int32))
    branches = [through_pyav, *(lambda dtype=dtype: native(dtype) for dtype in dtypes)]
    waveform, error = tf.switch_case(branch, branches)
    return tf.ensure_shape(waveform, [None]), tf.ensure_shape(error, [])


def _native_decoders() -> Any:
    """tensorflow-io, or None where it is not installed or its operations were built for another TensorFlow."""
    import tensorflow as tf

    try:
        import tensorflow_io as tfio

        with tf.init_scope():
            tfio.audio.decode_wav(tf.audio.encode_wav(np.zeros((1, 1), np.float32), 16_000), dtype=tf.int16)
    except Exception as error:  # what a library of another build raises is not said anywhere
        _log.info("tensorflow-io is not used, wav files are decoded by PyAV: %s", error)
        return None
    return tfio


def _load_or_reason(path: bytes, sample_rate: int) -> tuple[np.ndarray, bytes]:
    try:
        return load_audio(os.fsdecode(np.asarray(path).item()), sample_rate=int(sample_rate)), b""
    except MediaError as error:
        return np.zeros(0, np.float32), str(error).encode()


def _resample(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    import soxr

    return soxr.resample(mono, int(rate), int(sample_rate), quality="HQ")


def _native_wav(path: bytes) -> tuple[np.int32, np.int32]:
    """`(branch, rate)` of a wav file that tensorflow-io reads: 1 uint8, 2 int16, 3 24 bit, 4 float32; else 0."""
    nothing = np.int32(0), np.int32(0)
    try:
        header = read_wav_header(np.asarray(path).item())
    except OSError:
        return nothing
    if header is None or not header.plain or not 0 < header.present == header.declared:
        return nothing
    branch = {(1, 8): 1, (1, 16): 2, (1, 24): 3, (3, 32): 4}.get((header.encoding, header.bits), 0)
    return np.int32(branch), np.int32(header.rate)
