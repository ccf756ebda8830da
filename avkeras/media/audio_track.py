"""The decoded samples of a file's audio track, laid on the clip's time line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.containers import sniff
from avkeras.media.declared_length import declared_length
from avkeras.media.media import best_track, decode, open_media, packets, start_seconds

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

# Containers round time stamps (Matroska to 1 ms) and codecs have lead-ins; less than this is not a gap (seconds).
_JITTER = 0.02
# Time stamps that run back further than this are broken, not a lead-in (seconds).
_BACK = 1.0
# A beginning later than this is reached by a seek (seconds).
_SEEK_BEYOND = 20.0
# Gaps in the time stamps become silence: as much as there is sound so far, and this much more (seconds). Beyond, the
# stamps are taken for broken, so that what a clip costs is bounded by what is really in it.
MOST_SILENCE = 600.0
# Silence in gaps of less, all together, is not worth a note (seconds).
_UNSAID_GAP = 0.25
# Rates of sound (Hz); at 1 Hz a file of 1 MB would last 11 days.
_RATES = 1000, 1_000_000
_ZEROS = 1 << 16
# Floats of sound lie in [-1, 1], a little more where it was not limited; beyond this it has another scale.
LOUDEST = 32.0
# Channels whose mean holds less than this of the loudest one's energy cancel each other; 31 channels of which one
# sounds hold 1e-3.
_CANCELLED = 1e-3
_AUDIBLE = 1e-8  # of energy: -80 dB


def mono_chunks(
    path: str | Path, *, begin: int = 0, end: float | None = None, notes: list[str] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a file's audio track to mono, piece by piece, with zeros where its time stamps leave gaps.

    Where channels cancel each other in their mean (stereo whose sides are each other's negative), the loudest one is
    taken, a second at a time.

    Args:
        path: the media file.
        begin: first second, a whole number.
        end: last second wanted; the last piece may reach beyond it.
        notes: gets a line for each thing that was replaced, when the sound has ended.

    Yields:
        `(rate, samples)`: the file's sample rate in Hz and float32 of shape `(samples,)`, a second or less.

    Raises:
        MediaError: as `avkeras.media.audio.load_audio`.

    Example:
        >>> sum(len(samples) for rate, samples in mono_chunks("clip.wav"))
        160000
    """
    notes = [] if notes is None else notes
    group: list[np.ndarray] = []
    rate = cancelled = 0

    def mixed() -> np.ndarray:
        nonlocal cancelled
        mono, cancel = _mono(path, np.concatenate(group, axis=1))
        cancelled += len(mono) if cancel else 0
        return mono

    for rate, samples in _placed(path, begin, end, notes):
        # Frames are short (23 ms in AAC): what follows pays per call, so a second's worth goes at once.
        alike = not group or (group[0].dtype == samples.dtype and len(group[0]) == len(samples))
        if group and not (alike and sum(part.shape[1] for part in group) < rate):
            yield rate, mixed()
            group = []
        group.append(samples)
    if group:
        yield rate, mixed()
    if cancelled:
        notes.append(f"its channels cancel each other for {cancelled / rate:.2f} s: the loudest was taken there")


def _placed(path: str | Path, begin: int, end: float | None, notes: list[str]) -> Iterator[tuple[int, np.ndarray]]:
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
        declared = declared_length(path, sniff(path), container, track)
        tick = float(track.time_base)
        line = None
        reached = 0.0  # seconds of the clip up to which packets (of this track, or of any) were there
        damaged = 0
        try:
            for packet in packets(container, path):
                mine = packet.stream.index == track.index
                frames = decode(packet) if mine else []
                damaged += frames is None
                if packet.size and packet.pts is not None and frames is not None and (mine or not declared.own_track):
                    packet_tick = tick if mine else float(packet.time_base)
                    reached = max(reached, (packet.pts + (packet.duration or 0)) * packet_tick - origin)
                for frame in frames or ():
                    at = None if frame.pts is None else frame.pts * tick - origin
                    line = line or _TimeLine(path, frame.sample_rate, begin, at if sought else 0.0, declared.seconds)
                    for samples in line.lay(frame, at):
                        yield line.rate, samples
                    if end is not None and line.position >= end * line.rate:
                        return
        finally:
            if damaged:
                notes.append(f"{damaged} damaged audio packets became silence")
                _log.warning("%s: %s", path, notes[-1])
        if line is not None and line.silence > _UNSAID_GAP * line.rate:
            notes.append(f"{line.silence / line.rate:.2f} s without sound in its time stamps became silence")
        if line is None and not sought:
            raise MediaError(path, "its audio track holds no samples")
        whole = declared.seconds if declared.share == 1 or not reached else reached / declared.share
        if whole is not None and whole - reached > max(0.5, 0.05 * whole):
            raise MediaError(path, f"truncated: {reached:.2f} s of the {whole:.2f} s that it declares are there")


class _TimeLine:
    """Lays frames one after the other by their time stamps: gaps become zeros, overlaps are cut off."""

    def __init__(self, path: str | Path, rate: int, begin: int, at: float | None, declared: float | None) -> None:
        if not _RATES[0] <= rate <= _RATES[1]:
            raise MediaError(path, f"a sample rate of {rate} Hz; sound has {_RATES[0]} to {_RATES[1]} Hz")
        self.path = path
        self.rate = rate
        self.declared = declared  # seconds
        self.first = begin * rate  # the first sample wanted
        # Counting from the start is exact; after a seek only the time stamp tells the place.
        self.position = self.first if at is None else min(round(at * rate), self.first)
        self.silence = 0  # samples that gaps became

    def lay(self, frame: av.AudioFrame, at: float | None) -> Iterator[np.ndarray]:
        """Yields what is wanted of a frame that begins at so many seconds, and the silence before it."""
        if frame.sample_rate != self.rate:
            change = f"from {self.rate} to {frame.sample_rate} Hz"
            raise MediaError(self.path, f"its sample rate changes midway {change}: re-encode it")
        samples = _planar(frame)
        gap = 0 if at is None else round(at * self.rate) - self.position
        if gap > _JITTER * self.rate:
            yield from self._fill(gap)
        elif gap < -_BACK * self.rate:
            raise MediaError(self.path, f"its time stamps jump back {self._jump(gap)}: re-encode it")
        elif gap < -_JITTER * self.rate:
            samples = samples[:, -gap:]  # what overlaps
        wanted = samples[:, max(0, self.first - self.position) :]
        self.position += samples.shape[1]
        if wanted.shape[1]:
            yield wanted

    def _fill(self, gap: int) -> Iterator[np.ndarray]:
        end = self.position + gap
        if self.declared is not None and end > (self.declared + 1) * self.rate:
            seconds = f"{end / self.rate:.1f} s in {self.declared:.1f} s of sound"
            raise MediaError(self.path, f"a time stamp of {seconds}")
        sound = self.position - self.silence
        self.silence += gap
        if self.silence > MOST_SILENCE * self.rate + sound:
            raise MediaError(self.path, f"its time stamps leave out too much, {self._jump(gap)}: re-encode it")
        for filled in range(max(self.position, self.first), end, _ZEROS):
            yield np.zeros((1, min(_ZEROS, end - filled)), np.float32)
        self.position = end

    def _jump(self, gap: int) -> str:
        return f"from {self.position / self.rate:.1f} to {(self.position + gap) / self.rate:.1f} s"


def _planar(frame: av.AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def _mono(path: str | Path, samples: np.ndarray) -> tuple[np.ndarray, bool]:
    """The mean of the channels, float32, or the loudest one where they cancel; and whether they do.

    (FFmpeg's own mono layout has gain sqrt(2) on stereo.)
    """
    zero, full = 0.0, 1.0
    if samples.dtype == np.uint8:
        zero, full = 128.0, 128.0
    elif samples.dtype.kind == "i":
        full = -float(np.iinfo(samples.dtype).min)
    else:
        _check_floats(path, samples)
    mono = (samples.mean(0, dtype=np.float32) - np.float32(zero)) / np.float32(full)
    energy = float(np.dot(mono, mono)) / len(mono)
    if len(samples) == 1 or energy >= _CANCELLED:
        return mono, False
    channels = (samples.astype(np.float32) - np.float32(zero)) / np.float32(full)
    energies = np.einsum("ij,ij->i", channels, channels) / len(mono)
    loudest = int(energies.argmax())
    if energies[loudest] < _AUDIBLE or energy >= _CANCELLED * energies[loudest]:
        return mono, False
    return channels[loudest], True


def _check_floats(path: str | Path, samples: np.ndarray) -> None:
    peak = max(-float(samples.min()), float(samples.max()))  # NaN passes through
    if not np.isfinite(peak):
        raise MediaError(path, "its audio holds samples that are not finite (NaN or infinity)")
    if peak > LOUDEST:
        raise MediaError(path, f"its samples reach {peak:.4g}, but floats of sound lie in [-1, 1]: scale them")
