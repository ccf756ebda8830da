"""Still images of a clip at given times."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.media.media import MOST_PIXELS, best_track, decode, open_media, packets, start_seconds
from avkeras.media.painter import Painter

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

# A picture stands for times up to this far from it (seconds), or up to one frame interval if that is longer.
REACH = 0.25
# A first time beyond this (seconds) is reached by a seek; before it, decoding from the start is as fast.
_SEEK_BEYOND = 20.0
# Threads side by side on pictures, and not on parts of one, took 0.7 of the time for VP8 and 1.2 for H.264.
_FRAME_THREADED = ("vp8", "vp9")


def load_frames(
    path: str | Path,
    times: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    short_side: int | None = None,
    notes: list[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read the video frames nearest to the given times, upright, in one pass that ends at the last of them.

    Times are counted from the clip's start, which is the earliest start among its tracks, so they line up with
    `avkeras.media.audio.load_audio`. Anamorphic pictures are widened or narrowed to square pixels. Rotation metadata is
    applied to the nearest quarter turn; mirroring metadata is ignored. Damaged packets are skipped and counted.

    Args:
        path: a media file with a video track; a cover picture is not one.
        times: seconds, >= 0, in any order, repeats allowed: shape `(n,)`.
        size: `(height, width)` of the upright output, to which the whole picture is scaled; None keeps the size that
            it is shown in.
        short_side: with `size` None, the most that the short side may have: larger pictures are scaled down to it in
            shape, smaller ones are kept, and of pictures longer than 4 times their short side only the middle is kept.
        notes: gets a line if packets were damaged.

    Returns:
        `(frames, seen)`: uint8 RGB of shape `(n, height, width, 3)` and bool of shape `(n,)`. `seen` is False
        where the video has nothing to show: the time lies before the first frame or after the last by more
        than one frame interval or 0.25 s, whichever is longer. Such frames are zeros.

    Raises:
        MediaError: no video track, none of its frames can be decoded, or its pictures have more than 67 million pixels.
        ValueError: a time is negative or not finite, or a size is not positive.

    Example:
        >>> frames, seen = load_frames("clip.mp4", [0.48, 1.44], size=(224, 224))
        >>> frames.shape
        (2, 224, 224, 3)
    """
    targets = np.asarray(times, dtype=np.float64).reshape(-1)
    order = np.argsort(targets, kind="stable")
    frames, seen, done = None, np.zeros(len(targets), bool), 0
    for some, shown in iter_frames(path, targets[order], size=size, short_side=short_side, threads=0, notes=notes):
        if frames is None:
            frames = np.zeros((len(targets), *some.shape[1:]), np.uint8)
        places = order[done : done + len(some)]
        frames[places], seen[places] = some, shown
        done += len(some)
    return frames, seen


def iter_frames(
    path: str | Path,
    times: Sequence[float],
    *,
    size: tuple[int, int] | None = None,
    short_side: int | None = None,
    block: int = 16,
    threads: int = 1,
    notes: list[str] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read video frames as `load_frames` does, a few at a time, for recordings of hours.

    Args:
        path: as for `load_frames`, like `size`, `short_side`, `notes` and the errors.
        times: seconds, >= 0, ascending: shape `(n,)`.
        block: frames at a time.
        threads: that decode; 0: one per core. More than one holds so many pictures more, and gains nothing where
            other clips keep the cores busy.

    Yields:
        `(frames, seen)` of so many times, fewer in the last block, in their order; one empty block for no times.
    """
    targets = np.asarray(times, dtype=np.float64).reshape(-1)
    if not np.isfinite(targets).all() or (targets < 0).any():
        raise ValueError(f"times must be finite seconds >= 0, not {list(times)}")
    if (np.diff(targets) < 0).any() or block < 1:
        raise ValueError(f"times must be ascending and block >= 1, not {list(times)} and {block}")
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be (height, width), both >= 1, not {size}")
    if short_side is not None and (short_side < 1 or size is not None):
        raise ValueError(f"short_side must be >= 1 and stand without size, not {short_side}")
    notes = [] if notes is None else notes
    if len(targets) and targets[0] > _SEEK_BEYOND:
        # Where a seek lands after the first time (or nowhere), the file's index is of no use: read it all.
        with contextlib.suppress(_Overshot):
            yield from _read(path, targets, size, short_side, block, threads, notes, seek=float(targets[0]))
            return
    yield from _read(path, targets, size, short_side, block, threads, notes, seek=None)


class _Overshot(Exception):
    """A seek landed after the first time; nothing was read yet."""


def _read(
    path: str | Path,
    targets: np.ndarray,
    size: tuple[int, int] | None,
    short_side: int | None,
    block: int,
    threads: int,
    notes: list[str],
    *,
    seek: float | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One pass over the video, in blocks."""
    import av

    with open_media(path) as container:
        track = best_track(container, "video")
        if track is None:
            raise MediaError(path, "it has no video track")
        if track.codec_context is None:
            raise MediaError(path, "no decoder for its video track")
        if track.width * track.height > MOST_PIXELS:
            raise MediaError(path, f"its pictures of {track.width} x {track.height} pixels are too large: scale them")
        track.codec_context.thread_count = threads
        if track.codec_context.name in _FRAME_THREADED:
            track.thread_type = "FRAME"
        origin = start_seconds(container)
        if seek is not None:
            try:
                container.seek(int((origin + seek) * 1e6))
            except av.FFmpegError:
                raise _Overshot from None
        frames = _timed_frames(container, path, track, origin, notes)
        first = next(frames, None)
        if seek is not None and (first is None or first[0] > seek):
            raise _Overshot
        if first is None:
            raise MediaError(path, "no frame of its video track can be decoded")
        painter = Painter(track, first[1], size, short_side)
        begin, pictures, seen = 0, *_blank(painter, min(block, len(targets)))
        painted, picture = None, None
        for place, frame in enumerate(_nearest(first, frames, targets)):
            if place - begin == block:
                yield pictures, seen
                begin, pictures, seen = place, *_blank(painter, min(block, len(targets) - place))
            if frame is not None:
                if frame is not painted:  # a slow video shows one frame at several times
                    painted, picture = frame, painter(frame)
                pictures[place - begin], seen[place - begin] = picture, True
        yield pictures, seen


def _blank(painter: Painter, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, *painter.size, 3), np.uint8), np.zeros(count, bool)


def _nearest(
    first: tuple[float, av.VideoFrame, float], frames: Iterator[tuple[float, av.VideoFrame, float]], targets: np.ndarray
) -> Iterator[av.VideoFrame | None]:
    """Yield for each of the ascending times the frame that is shown then, or None."""
    time, frame, interval = first
    following = next(frames, None) if len(targets) else None
    for target in targets:
        while following is not None and target > (time + following[0]) / 2:
            time, frame, interval = following
            following = next(frames, None)
        # Before the first frame and after the last there is nothing to show, unless it is near.
        reach = max(interval, REACH)
        before = frame is first[1] and target < time - reach
        after = following is None and target > time + reach
        yield None if before or after else frame


def _timed_frames(
    container: av.container.InputContainer,
    path: str | Path,
    track: av.video.stream.VideoStream,
    origin: float,
    notes: list[str],
) -> Iterator[tuple[float, av.VideoFrame, float]]:
    """Yield `(seconds, frame, seconds to the next)` in order of presentation; count what is damaged."""
    rate = track.average_rate or track.guessed_rate
    usual = float(1 / rate) if rate else REACH
    damaged, time = 0, None
    try:
        for packet in packets(container, path, track):
            frames = decode(packet)
            if frames is None:
                damaged += 1
            for frame in frames or ():
                stamp = frame.pts if frame.pts is not None else frame.dts
                # A frame without a time stamp follows the one before it.
                own = float(stamp * frame.time_base) - origin if stamp is not None else None
                own = own if own is not None else (0.0 if time is None else time + usual)
                if time is not None and own <= time:
                    continue
                time = own
                yield time, frame, float(frame.duration * frame.time_base) if frame.duration else usual
    finally:
        if damaged:
            notes.append(f"{damaged} damaged video packets were skipped")
            _log.warning("%s: %s", path, notes[-1])
