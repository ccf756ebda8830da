"""The decoded samples of a file's audio track, laid on the clip's time line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.containers import id3_length
from avkeras.media.media import best_track, decode, open_media, packets, start_seconds
from avkeras.media.wav import read_wav_header

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

# Containers round time stamps (Matroska to 1 ms) and codecs have lead-ins; less than this is not a gap (seconds).
_JITTER = 0.02
# Time stamps that run back further than this are broken, not a lead-in (seconds).
_BACK = 1.0
# A beginning later than this is reached by a seek (seconds).
_SEEK_BEYOND = 20.0


def mono_chunks(path: str | Path, *, begin: int = 0, end: float | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a file's audio track to mono, piece by piece, with zeros where its time stamps leave gaps.

    Args:
        path: the media file.
        begin: first second, a whole number.
        end: last second wanted; the last piece may reach beyond it.

    Yields:
        `(rate, samples)`: the file's sample rate in Hz and float32 of shape `(samples,)`, a second or less.

    Raises:
        MediaError: as `avkeras.media.audio.load_audio`.

    Example:
        >>> sum(len(samples) for rate, samples in mono_chunks("clip.wav"))
        160000
    """
    group: list[np.ndarray] = []
    for rate, samples in _placed(path, begin, end):
        # Frames are short (23 ms in AAC): what follows pays per call, so a second's worth goes at once.
        alike = not group or (group[0].dtype == samples.dtype and len(group[0]) == len(samples))
        if group and not (alike and sum(part.shape[1] for part in group) < rate):
            yield rate, _mono(path, np.concatenate(group, axis=1))
            group = []
        group.append(samples)
    if group:
        yield rate, _mono(path, np.concatenate(group, axis=1))


def _placed(path: str | Path, begin: int, end: float | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `(rate, samples)`, samples `(channels, n)` of the file's own type, that follow each other from `begin`."""
    import av

    with open_media(path) as container:
        track = best_track(container, "audio")
        if track is None:
            raise MediaError(path, "it has no audio track")
        if track.codec_context is None:
            raise MediaError(path, "no decoder for its audio track")
        origin = start_seconds(container)
        sought = begin > _SEEK_BEYOND
        if sought:
            try:
                container.seek(int((origin + begin - 1) * 1e6))
            except av.FFmpegError:
                sought = False
                _log.info("%s: has no index; read from its start", path)
        declared, own_clock = _declared_seconds(path, container, track)
        tick = float(track.time_base)
        rate, position, first = 0, 0, 0  # samples a second; samples so far; the first one wanted
        reached = 0.0  # seconds of the clip up to which packets (of this track, or of any) were there
        damaged, started = 0, False
        try:
            for packet in packets(container, path):
                mine = packet.stream.index == track.index
                if packet.size and packet.pts is not None and (mine or not own_clock):
                    packet_tick = tick if mine else float(packet.time_base)
                    reached = max(reached, (packet.pts + (packet.duration or 0)) * packet_tick - origin)
                frames = decode(packet) if mine else []
                if frames is None:
                    damaged += 1
                for frame in frames or ():
                    at = position if frame.pts is None else round((frame.pts * tick - origin) * frame.sample_rate)
                    if not rate:
                        rate, first = frame.sample_rate, begin * frame.sample_rate
                        # Counting from the start is exact; after a seek only the time stamp tells the place.
                        position = min(at, first) if sought else 0
                    elif rate != frame.sample_rate:
                        change = f"from {rate} to {frame.sample_rate} Hz"
                        raise MediaError(path, f"its sample rate changes midway {change}: re-encode it")
                    samples = _planar(frame)
                    gap = at - position
                    if gap > _JITTER * rate:
                        if declared is not None and at > (declared + 1) * rate:
                            raise MediaError(path, f"a time stamp of {at / rate:.1f} s in {declared:.1f} s of sound")
                        for filled in range(max(position, first), at, rate):
                            yield rate, np.zeros((1, min(rate, at - filled)), np.float32)
                        position = at
                    elif gap < -_JITTER * rate:
                        if gap < -_BACK * rate:
                            jump = f"from {position / rate:.1f} to {at / rate:.1f} s"
                            raise MediaError(path, f"its time stamps jump back {jump}: re-encode it")
                        samples = samples[:, -gap:]  # what overlaps
                    started = True
                    wanted = samples[:, max(0, first - position) :]
                    position += samples.shape[1]
                    if wanted.shape[1]:
                        yield rate, wanted
                    if end is not None and position >= end * rate:
                        return
        finally:
            if damaged:
                _log.warning("%s: %d damaged audio packets became silence", path, damaged)
        if not started and not sought:
            raise MediaError(path, "its audio track holds no samples")
        if declared is not None and declared - reached > max(0.5, 0.05 * declared):
            raise MediaError(path, f"truncated: {reached:.2f} s of the {declared:.2f} s that it declares are there")


def _planar(frame: av.AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def _mono(path: str | Path, samples: np.ndarray) -> np.ndarray:
    """The mean of the channels, float32. (FFmpeg's own mono layout has gain sqrt(2) on stereo.)"""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            mono = samples.mean(0, dtype=np.float32)
        if not np.isfinite(mono).all():
            raise MediaError(path, "its audio holds samples that are not finite (NaN or infinity)")
        return mono
    zero, full = (128.0, 128.0) if samples.dtype == np.uint8 else (0.0, -float(np.iinfo(samples.dtype).min))
    return (samples.mean(0, dtype=np.float32) - np.float32(zero)) / np.float32(full)


def _declared_seconds(
    path: str | Path, container: av.container.InputContainer, track: av.AudioStream
) -> tuple[float | None, bool]:
    """The clip's second at which its sound should end, and whether that is the track's own (or the file's) end."""
    kind = container.format.name
    if kind == "ogg" or (kind == "mp3" and not _mp3_declares_length(path)):
        return None, True
    if kind == "wav" and (header := read_wav_header(path)) is not None:
        # FFmpeg trims the declared length to what is there.
        return header.seconds, True
    if track.duration is not None:
        begin = track.start_time or 0
        return float((begin + track.duration) * track.time_base) - start_seconds(container), True
    return (None, True) if container.duration is None else (container.duration / 1e6, False)


def _mp3_declares_length(path: str | Path) -> bool:
    with open(path, "rb") as file:
        file.seek(id3_length(file.read(10)))
        first_frame = file.read(256)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
