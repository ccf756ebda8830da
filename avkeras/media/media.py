"""What a media file is and holds, read from its bytes and never from its name."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from avkeras.errors import MediaError
from avkeras.media.containers import demuxer, open_regular, sniff, sniff_open
from avkeras.media.painter import quarter_turns, shown_size

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

# A picture of more pixels than this (8K video has half as many) is refused: each takes 100 MB.
MOST_PIXELS = 1 << 26


@dataclass(frozen=True)
class MediaInfo:
    """What `probe` found in a media file.

    Args:
        container: one of `avkeras.media.containers.CONTAINERS`.
        duration: declared length in seconds; None where the file declares none.
        has_audio: an audio track with at least one packet.
        has_video: a video track, other than a cover picture, with at least one packet.
        sample_rate: of the audio, in Hz, or None.
        video_size: `(height, width)` of the upright picture as it is meant to be shown, or None.
        rotation: degrees counter-clockwise by which stored pictures are turned to stand upright: 0, 90, 180, 270.
    """

    container: str
    duration: float | None
    has_audio: bool
    has_video: bool
    sample_rate: int | None = None
    video_size: tuple[int, int] | None = None
    rotation: int = 0


@contextlib.contextmanager
def open_media(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a media file with PyAV; FFmpeg's errors become a `MediaError` that names the file.

    Example:
        >>> with open_media("clip.mp4") as container:
        ...     container.duration / 1e6
        2.0...
    """
    import av

    with open_regular(path) as file:
        kind = sniff_open(path, file)
        try:
            with av.open(
                _Bytes(file),
                format=demuxer(kind),
                options={"max_pixels": str(MOST_PIXELS)},
                io_open=_refuse_to_open,
                **metadata_options(),
            ) as container:
                yield container
        except av.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            raise MediaError(path, f"cannot be read as {kind}: truncated or damaged ({reason})") from None
        except OSError as error:  # of the disk
            raise MediaError(path, f"cannot be read ({error.strerror or error})") from None


class _Bytes:
    """What FFmpeg gets of a file: bytes, and no name from which it could conclude anything."""

    name = ""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _refuse_to_open(url: str, flags: int, options: dict) -> None:
    """Whatever a file refers to, FFmpeg gets nothing but the file."""
    raise PermissionError(f"a media file may not open others: {url}")


def metadata_options() -> dict[str, str]:
    """Arguments of `av.open` that keep titles in odd encodings from being an error; PyAV 19 does so by itself.

    Example:
        >>> set(metadata_options()) <= {"metadata_errors"}
        True
    """
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


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


def probe(path: str | Path) -> MediaInfo:
    """Find out which tracks of a media file hold anything, by reading up to the first packet of each.

    Raises:
        MediaError: as `avkeras.media.containers.sniff`, and for a file that is damaged before its tracks are described.

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
        duration = None if container.duration is None else container.duration / 1e6
        return MediaInfo(
            container=sniff(path),
            duration=duration if duration is not None and math.isfinite(duration) else None,
            has_audio=has_audio,
            has_video=has_video,
            sample_rate=audio.rate if has_audio else None,
            video_size=shown_size(video, frame or video, turns) if has_video else None,
            rotation=90 * turns,
        )
