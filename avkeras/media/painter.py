"""Decoded pictures as upright RGB arrays with square pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

# A picture of a bounded short side may be this many times as long; a ribbon of pixels would not be bounded else.
_MOST_RATIO = 4
# Pixels longer than this times their width, or the other way round, are taken for damage.
_MOST_ASPECT = 8


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often the stored picture is turned by 90 degrees counter-clockwise to stand upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


def shown_size(
    track: av.video.stream.VideoStream, stored: av.VideoFrame | av.video.stream.VideoStream, turns: int
) -> tuple[int, int]:
    """`(height, width)` of a track's pictures as they are meant to be shown: upright, with square pixels.

    The width is scaled by the pixels' aspect ratio; one beyond 1:8 is ignored.

    Args:
        track: of video, whose container may say the aspect ratio.
        stored: what has the height and the width as stored.
        turns: see `quarter_turns`.
    """
    height, width = stored.height, stored.width
    aspect = float(track.sample_aspect_ratio or 1)
    if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT:
        width = max(1, round(width * aspect))
    return (width, height) if turns % 2 else (height, width)


class Painter:
    """Turns decoded frames into upright RGB arrays of one size; only frames that are kept pay for it.

    Args:
        track: of video.
        frame: one of its frames.
        size: `(height, width)` of the result; None: as they are shown.
        short_side: as for `avkeras.media.video.load_frames`.
    """

    def __init__(
        self,
        track: av.video.stream.VideoStream,
        frame: av.VideoFrame,
        size: tuple[int, int] | None,
        short_side: int | None,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.turns = quarter_turns(frame)
        scaled = size or shown_size(track, frame, self.turns)
        self.size = scaled
        if short_side is not None:
            least = min(scaled)
            if least > short_side:
                scaled = tuple(side * short_side // least for side in scaled)
            self.size = tuple(min(side, _MOST_RATIO * min(scaled)) for side in scaled)
        self.corner = tuple((whole - kept) // 2 for whole, kept in zip(scaled, self.size, strict=True))
        self.stored_size = scaled[::-1] if self.turns % 2 else scaled
        # One reformatter keeps its tables from frame to frame.
        self.reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Returns the picture, `(height, width, 3)` uint8."""
        height, width = self.stored_size
        scaled = self.reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="BILINEAR", threads=1
        )
        (top, left), (height, width) = self.corner, self.size
        return np.rot90(scaled.to_ndarray(), self.turns)[top : top + height, left : left + width]
