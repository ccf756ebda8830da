"""The sound of a clip as one mono waveform, in step with the clip's video."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.audio_track import mono_chunks
from avkeras.media.wav import read_wav_header

if TYPE_CHECKING:
    import tensorflow as tf

# A slice is cut from a decode that begins and ends this much further out, so that neither the codec's nor the
# resampler's start-up is heard (seconds).
_MARGIN = 0.1


def load_audio(
    path: str | Path, *, sample_rate: int = 16000, start: float = 0.0, duration: float | None = None
) -> np.ndarray:
    """Read a clip's sound: channels averaged to mono, resampled by soxr (HQ).

    Time 0 is the clip's start, the earliest start among its tracks: sound that starts late, and gaps in its time
    stamps, are filled with zeros, so the waveform lines up with `avkeras.media.video.load_frames`.

    A slice equals that part of the whole, but one that begins beyond 20 s is reached by a seek and lies as exactly
    as the file's time stamps (1 ms in Matroska).

    A file is truncated if its sound ends earlier than declared by more than 5 % and by more than 0.5 s; that is
    an error and not a shorter waveform, because labels of the missing part would stand for silence. Ogg, and MP3
    without a Xing or VBRI header, declare no length, so a cut there cannot be told from an end.

    Args:
        path: a wav, flac, mp3, ogg, mp4 (m4a, mov) or matroska (webm) file, whatever its extension.
        sample_rate: of the result, in Hz.
        start: first second wanted.
        duration: seconds wanted, or None for all that follows. Sound that ends earlier gives fewer samples.

    Returns:
        float32 of shape `(samples,)`, in [-1, 1] but for float files and codecs that overshoot.

    Raises:
        MediaError: unreadable file, no audio track, no samples in it or after `start`, truncated, or samples that
            are not finite.

    Example:
        >>> load_audio("clip.mp4", duration=1.0).shape
        (16000,)
    """
    blocks = iter_audio(path, sample_rate=sample_rate, start=start, duration=duration)
    return np.concatenate(list(blocks))


def iter_audio(
    path: str | Path,
    *,
    sample_rate: int = 16000,
    block_seconds: float = 10.0,
    start: float = 0.0,
    duration: float | None = None,
) -> Iterator[np.ndarray]:
    """Read a clip's sound in blocks, for recordings of hours: the memory in use is that of one block.

    Args:
        path: as for `load_audio`, like `sample_rate`, `start`, `duration` and the errors.
        block_seconds: length of a block.

    Yields:
        float32 of shape `(samples,)`: `round(block_seconds * sample_rate)` samples, fewer in the last block. Their
        concatenation is what `load_audio` returns.

    Example:
        >>> for block in iter_audio("clip.wav", block_seconds=4.0):
        ...     block.shape
        (64000,)
        (64000,)
        (32000,)
    """
    length = round(block_seconds * sample_rate)
    if sample_rate < 1 or length < 1:
        raise ValueError(f"a block needs at least one sample: {block_seconds} s at {sample_rate} Hz")
    if not 0 <= start < math.inf or (duration is not None and not 0 < duration < math.inf):
        raise ValueError(f"start must be >= 0 and duration > 0 seconds, not {start} and {duration}")
    # Decoding begins on a whole second, which is a whole sample at every rate: a slice equals that of the whole.
    begin = max(0, math.floor(start - _MARGIN))
    skip = round(start * sample_rate) - begin * sample_rate
    left = math.inf if duration is None else round(duration * sample_rate)
    end = None if duration is None else start + duration + _MARGIN
    pending: list[np.ndarray] = []
    held = 0
    yielded = False
    for chunk in _resampled(path, sample_rate, begin, end):
        skipped = min(skip, len(chunk))
        skip -= skipped
        chunk = chunk[skipped : skipped + min(left, len(chunk))]
        left -= len(chunk)
        pending.append(chunk)
        held += len(chunk)
        while held >= length:
            whole = np.concatenate(pending)
            yielded = True
            yield whole[:length]
            pending, held = [whole[length:].copy()], held - length
    if held:
        yield np.concatenate(pending)
    elif not yielded:
        raise MediaError(path, f"its sound ends before {start:g} s" if start else "its audio track holds no samples")


def _resampled(path: str | Path, sample_rate: int, begin: int, end: float | None) -> Iterator[np.ndarray]:
    import soxr

    stream = None
    same = False
    for rate, chunk in mono_chunks(path, begin=begin, end=end):
        if stream is None:
            same = rate == sample_rate
            stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        yield chunk if same else stream.resample_chunk(chunk)
    if stream is not None and not same:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def decode_audio(path: tf.Tensor, *, sample_rate: int = 16000) -> tuple[tf.Tensor, tf.Tensor]:
    """Read a clip's sound inside a tf.data pipeline; a clip that cannot be read does not stop the data set.

    A whole, plainly laid out wav file (8, 16 or 24 bit, or 32-bit float) is read and decoded by TensorFlow and
    tensorflow-io in the graph: a 10 s stereo clip in 0.5 ms where PyAV takes 27 ms. Everything else goes to
    `load_audio`, and so do wav files whose header does not fit their bytes, because an error in tensorflow-io
    cannot be caught in a graph and ends the data set. Its flac, mp3 and vorbis decoders are not used for that
    reason, because they are slower than PyAV (73, 47 and 130 ms against 8, 14 and 13 ms for that clip), and
    because the vorbis decoder ends the process on an empty file.

    PyAV is Python inside the data set. Let its iterators run to their end: one that is dropped before may hang, as
    TensorFlow then waits for Python and keeps the interpreter locked. (Training reads stores, where this cannot be.)

    Args:
        path: a string scalar.
        sample_rate: of the result, in Hz; soxr resamples files of another rate.

    Returns:
        `(waveform, error)`: float32 of shape `(samples,)` and a string scalar, empty if all went well. On an
        error the waveform is empty and the string is the text of the `MediaError`.

    Example:
        >>> paths = tf.data.Dataset.from_tensor_slices(["a.wav", "b.mp4"])
        >>> clips = paths.map(functools.partial(decode_audio, sample_rate=16000))
    """
    import tensorflow as tf
    import tensorflow_io as tfio

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

    branch, rate = tf.numpy_function(_native_wav, [path], (tf.int32, tf.int32))
    branches = [through_pyav, *(lambda dtype=dtype: native(dtype) for dtype in dtypes)]
    waveform, error = tf.switch_case(branch, branches)
    return tf.ensure_shape(waveform, [None]), tf.ensure_shape(error, [])


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
