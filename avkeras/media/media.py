"""What a media file is and holds, read from its bytes and never from its name."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import MediaError

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

# FFmpeg's demuxer for each container. It is named rather than guessed, so that a playlist that calls itself
# clip.mp4 cannot make FFmpeg open other files.
_DEMUXERS = {"wav": "wav", "flac": "flac", "mp3": "mp3", "ogg": "ogg", "mp4": "mov", "matroska": "matroska"}
CONTAINERS = tuple(_DEMUXERS)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


@dataclass(frozen=True)
class MediaInfo:
    """What `probe` found in a media file.

    Args:
        container: one of `CONTAINERS`.
        duration: declared length in seconds; None where the file declares none.
        has_audio: an audio track with at least one packet.
        has_video: a video track, other than a cover picture, with at least one packet.
        sample_rate: of the audio, in Hz, or None.
        video_size: `(height, width)` of the upright picture, or None.
        rotation: degrees counter-clockwise by which stored pictures are turned to stand upright: 0, 90, 180, 270.
    """

    container: str
    duration: float | None
    has_audio: bool
    has_video: bool
    sample_rate: int | None = None
    video_size: tuple[int, int] | None = None
    rotation: int = 0


def sniff(path: str | Path) -> str:
    """Name a file's container by its first bytes; the extension is not looked at.

    Returns:
        One of `CONTAINERS`: "wav", "flac", "mp3", "ogg", "mp4" (with m4a and mov) or "matroska" (with webm).

    Raises:
        MediaError: the file is missing, unreadable, empty, text or of another kind.

    Example:
        >>> sniff("clip.mp4")
        'mp4'
    """
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            kind = _kind(head)
            if kind == "id3":
                # What follows the tag tells FLAC from MP3.
                file.seek(id3_length(head))
                kind = "flac" if file.read(4) == b"fLaC" else "mp3"
    except FileNotFoundError:
        raise MediaError(path, "no such file") from None
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror or error})") from None
    if kind is None:
        raise MediaError(path, _why_unknown(head))
    return kind


def _kind(head: bytes) -> str | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:3] == b"ID3" and len(head) >= 10:
        return "id3"
    if len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # An MPEG audio frame: its version, layer, bit rate and sample rate must not be the reserved values.
        version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
        if version != 1 and layer != 0 and bit_rate not in (0, 15) and rate != 3:
            return "mp3"
    return None


def id3_length(head: bytes) -> int:
    """Bytes that an ID3 tag at a file's start takes, from its first 10 bytes; 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:  # four digits of 7 bits
        size = size << 7 | byte & 0x7F
    return 10 + size


def _why_unknown(head: bytes) -> str:
    if not head:
        return "the file is empty (0 bytes)"
    if not head.strip(b"\0"):
        return "the file starts with zeros only: an unfinished download?"
    if all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head):
        return "this is text, not media"
    return f"not a supported container: convert it to one of {', '.join(CONTAINERS)}"


@contextlib.contextmanager
def open_media(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a media file with PyAV; FFmpeg's errors become a `MediaError` that names the file.

    Example:
        >>> with open_media("clip.mp4") as container:
        ...     container.duration / 1e6
        2.0...
    """
    import av

    kind = sniff(path)
    try:
        # "file:" keeps FFmpeg from reading a colon in the path as a protocol.
        with av.open(f"file:{path}", format=_DEMUXERS[kind], metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise MediaError(path, f"cannot be read as {kind}: truncated or damaged ({reason})") from None


def best_track(container: av.container.InputContainer, kind: str) -> av.stream.Stream | None:
    """The track of `kind` ("audio" or "video") that players choose, or None; a cover picture is not a video."""
    import av

    track = container.streams.best(kind)
    if track is None or track.disposition & av.stream.Disposition.attached_pic:
        return None
    return track


def start_seconds(container: av.container.InputContainer) -> float:
    """Where the clip's time 0 lies on its own clock: the earliest start among its tracks."""
    return 0.0 if container.start_time is None else container.start_time / 1e6


def packets(container: av.container.InputContainer, path: str | Path, *tracks: av.stream.Stream) -> Iterator[av.Packet]:
    """Packets of the tracks (of all when none is named) up to the first that cannot be read, which is logged."""
    import av

    try:
        yield from container.demux(*tracks)
    except av.FFmpegError as error:
        _log.warning("%s: reading stopped at a damaged place (%s)", path, error.strerror)


def decode(packet: av.Packet) -> list[av.Frame] | None:
    """Frames of one packet, or None if it is damaged."""
    import av

    try:
        return packet.decode()
    except av.FFmpegError:
        return None


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often the stored picture is turned by 90 degrees counter-clockwise to stand upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


def probe(path: str | Path) -> MediaInfo:
    """Find out which tracks of a media file hold anything, by reading up to the first packet of each.

    Raises:
        MediaError: as `sniff`, and for a file that is damaged before its tracks are described.

    Example:
        >>> info = probe("clip.mp4")
        >>> info.has_audio, info.has_video, info.video_size
        (True, True, (240, 320))
    """
    with open_media(path) as container:
        audio, video = best_track(container, "audio"), best_track(container, "video")
        wanted = {track.index for track in (audio, video) if track is not None}
        seen: set[int] = set()
        frame = None
        for packet in packets(container, path):
            index = packet.stream.index
            if packet.size and index in wanted:
                seen.add(index)
                if video is not None and index == video.index and frame is None:
                    frame = next(iter(decode(packet) or ()), None)
            if seen == wanted and (frame is not None or video is None):
                break
        has_audio = audio is not None and audio.index in seen
        has_video = video is not None and video.index in seen
        turns = quarter_turns(frame) if frame is not None else 0
        size = (video.height, video.width) if has_video else None
        duration = None if container.duration is None else container.duration / 1e6
        return MediaInfo(
            container=sniff(path),
            duration=duration if duration is not None and math.isfinite(duration) else None,
            has_audio=has_audio,
            has_video=has_video,
            sample_rate=audio.rate if has_audio else None,
            video_size=size[::-1] if size and turns % 2 else size,
            rotation=90 * turns,
        )
