"""The sound of a clip as one mono waveform, in step with the clip's video."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.audio_track import mono_chunks

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
