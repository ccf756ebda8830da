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
# Sound that nowhere exceeds this (-80 dB; 16-bit dither reaches 6e-5) is silent.
_SILENT = 1e-4


def load_audio(
    path: str | Path,
    *,
    sample_rate: int = 16000,
    start: float = 0.0,
    duration: float | None = None,
    notes: list[str] | None = None,
) -> np.ndarray:
    """Read a clip's sound: channels averaged to mono, resampled by soxr (HQ).

    Time 0 is the clip's start, the earliest start among its tracks: sound that starts late, and gaps in its time
    stamps, are filled with zeros, so the waveform lines up with `avkeras.media.video.load_frames`. Stamps that would
    take more zeros than there is sound, and 600 s, are an error: what a clip costs is bounded by what is in it.

    Where channels cancel each other in their mean (stereo whose sides are each other's negative), the loudest one is
    taken instead, a second at a time.

    A slice equals that part of the whole, but one that begins beyond 20 s is reached by a seek and lies as exactly
    as the file's time stamps (1 ms in Matroska).

    A file is truncated if its sound ends earlier than declared by more than 5 % and by more than 0.5 s; that is
    an error and not a shorter waveform, because labels of the missing part would stand for silence. Ogg, MPEG-TS,
    MPEG-PS, AAC, AC-3 and AMR, and MP3 without a Xing or VBRI header, declare no length, so a cut there cannot be told
    from an end. Wav and AVI are judged by the bytes that they declare.

    Args:
        path: a file of one of `avkeras.media.containers.CONTAINERS`, whatever its extension.
        sample_rate: of the result, in Hz.
        start: first second wanted.
        duration: seconds wanted, or None for all that follows. Sound that ends earlier gives fewer samples.
        notes: gets a line for each thing that was replaced, and one if all of it is silent.

    Returns:
        float32 of shape `(samples,)`, in [-1, 1] but for float files and codecs that overshoot.

    Raises:
        MediaError: unreadable file, no audio track, no samples in it or after `start`, truncated, broken time stamps,
            a rate beyond 1 kHz to 1 MHz, or samples that are not finite or exceed 32.

    Example:
        >>> load_audio("clip.mp4", duration=1.0).shape
        (16000,)
    """
    blocks = iter_audio(path, sample_rate=sample_rate, start=start, duration=duration, notes=notes)
    return np.concatenate(list(blocks))


def iter_audio(
    path: str | Path,
    *,
    sample_rate: int = 16000,
    block_seconds: float = 10.0,
    start: float = 0.0,
    duration: float | None = None,
    notes: list[str] | None = None,
) -> Iterator[np.ndarray]:
    """Read a clip's sound in blocks, for recordings of hours: the memory in use is that of one block.

    Args:
        path: as for `load_audio`, like `sample_rate`, `start`, `duration`, `notes` and the errors.
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
    notes = [] if notes is None else notes
    held, peak = 0, 0.0
    yielded = False
    for chunk in _resampled(path, sample_rate, begin, end, notes):
        skipped = min(skip, len(chunk))
        skip -= skipped
        chunk = chunk[skipped : skipped + min(left, len(chunk))]
        left -= len(chunk)
        peak = max(peak, float(np.abs(chunk).max(initial=0)))
        pending.append(chunk)
        held += len(chunk)
        while held >= length:
            whole = np.concatenate(pending)
            yielded = True
            yield whole[:length]
            pending, held = [whole[length:].copy()], held - length
    if not held and not yielded:
        raise MediaError(path, f"its sound ends before {start:g} s" if start else "its audio track holds no samples")
    if peak <= _SILENT:
        notes.append(f"its sound is silent: it stays below {_SILENT:g} of full scale")
    if held:
        yield np.concatenate(pending)


def _resampled(
    path: str | Path, sample_rate: int, begin: int, end: float | None, notes: list[str]
) -> Iterator[np.ndarray]:
    import soxr

    stream = None
    same = False
    for rate, chunk in mono_chunks(path, begin=begin, end=end, notes=notes):
        if stream is None:
            same = rate == sample_rate
            stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        yield chunk if same else stream.resample_chunk(chunk)
    if stream is not None and not same:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
