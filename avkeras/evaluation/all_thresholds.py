"""Detections at every threshold at once, from scores that are constant over segments of time (Ebbers et al., 2022).

As the threshold falls, a detection appears at the lowest score within it and stays until it grows into a larger one at
the higher of the two scores beside it. A clip of n segments has n such detections of a class at most, whatever the
number of thresholds; each holds for a range of thresholds. Everything that depends on a threshold can be summed over
these ranges, and is then known at all thresholds exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.evaluation.postprocess import check_filters, check_scores, frame_times, median_filter_scores


@dataclass(frozen=True)
class SegmentScores:
    """Scores of segments of time, those of a clip one after the other, clip by clip.

    Frames of equal length are such segments, and so are the uneven ones of sound event bounding boxes.

    Args:
        clip: of each segment, rising, `(segments,)`.
        onset: of each segment, seconds, `(segments,)`.
        offset: likewise; where the next segment of the clip begins.
        scores: `(segments, classes)`; minus infinity is detected at no threshold.
        clips: number of clips, those without segments included.
    """

    clip: NDArray[np.int64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]
    scores: NDArray[np.float64]
    clips: int

    def __post_init__(self) -> None:
        """Refuse what is no sequence of segments."""
        if np.isnan(self.scores).any():
            segment, index = np.argwhere(np.isnan(self.scores))[0]
            raise ValueError(f"scores hold NaN, first for clip {self.clip[segment]}, class {index}")
        together = self.clip[1:] == self.clip[:-1]
        wrong = (self.clip[1:] < self.clip[:-1]) | (together & (self.onset[1:] != self.offset[:-1]))
        if wrong.any() or (self.onset >= self.offset).any():
            empty = np.append(self.onset >= self.offset, False)[:-1]
            clip = self.clip[1:][wrong][0] if wrong.any() else self.clip[empty][0]
            raise ValueError(f"clip {clip}: segments must follow each other without gaps, none of them empty")

    def take(self, clips: ArrayLike) -> "SegmentScores":
        """The segments of some clips in the given order; their numbers are those of the order."""
        clips = np.asarray(clips, np.int64)
        first = np.searchsorted(self.clip, clips)
        count = np.searchsorted(self.clip, clips, side="right") - first
        place = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
        number = np.repeat(np.arange(len(clips)), count)
        return SegmentScores(number, self.onset[place], self.offset[place], self.scores[place], len(clips))


def frame_segments(
    scores: ArrayLike,
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    durations: ArrayLike | None = None,
    filters: int | ArrayLike = 1,
) -> SegmentScores:
    """Frame scores as segments, each class median-filtered before.

    The decisions on filtered scores are the filtered decisions on scores, for every threshold.

    Args:
        scores: `(clips, frames, classes)`.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        durations: lengths of the clips in seconds, `(clips,)`; by default all frames belong to the clip.
        filters: sizes of the median filters in frames (odd), one for all classes or `(classes,)`.

    Raises:
        ValueError: shapes do not fit, a score is NaN, or a filter size is not odd.

    Example:
        >>> segments = frame_segments([[[0.9], [0.2], [0.8]]], classes=["Dog"], seconds_per_frame=0.5, filters=3)
        >>> segments.offset.tolist(), segments.scores.ravel().tolist()
        ([0.5, 1.0, 1.5], [0.9, 0.8, 0.8])
    """
    scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
    filters = check_filters(np.broadcast_to(filters, (len(classes),)))
    starts, ends, lengths = frame_times(scores.shape[1], seconds_per_frame=seconds_per_frame, durations=durations)
    inside = np.arange(scores.shape[1]) < lengths[:, None]
    values = np.empty((int(lengths.sum()), len(classes)))
    for index, size in enumerate(filters):
        own = scores[:, :, index]
        if size > 1:
            own = own.astype(np.float64)
            for length in np.unique(lengths):
                chosen = lengths == length
                own[chosen, :length] = median_filter_scores(own[chosen, :length], size)
        values[:, index] = own[inside]
    return SegmentScores(
        np.repeat(np.arange(len(scores)), lengths),
        np.broadcast_to(starts, inside.shape)[inside],
        ends[inside],
        values,
        len(scores),
    )


@dataclass(frozen=True)
class ThresholdDetections:
    """Detections of one class at all thresholds: each where `low` < threshold <= `high`.

    Args:
        clip: of each detection, rising.
        onset: seconds.
        offset: seconds.
        high: the highest threshold that detects it, the lowest score within it.
        parent: the detection that it is part of at lower thresholds, -1 for the longest ones.
    """

    clip: NDArray[np.int64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]
    high: NDArray[np.float64]
    parent: NDArray[np.int64]

    @property
    def low(self) -> NDArray[np.float64]:
        """The threshold at and below which each is part of its parent; minus infinity for the longest."""
        return np.append(self.high, -np.inf)[self.parent]

    def changes(self, detection: NDArray[np.int64]) -> NDArray[np.float64]:
        """How the number of some detections (each named once) changes at the `high` of every detection."""
        parent = self.parent[detection]
        gone = np.bincount(parent[parent >= 0], minlength=len(self.high))
        return np.bincount(detection, minlength=len(self.high)) - gone.astype(np.float64)

    def changes_by_column(
        self, detection: NDArray[np.int64], column: NDArray[np.int64], columns: int
    ) -> NDArray[np.float64]:
        """As `changes`, each named detection in a column (or several): `(detections, columns)`."""
        parent = self.parent[detection]
        inner = parent >= 0
        shape = (len(self.high), columns)
        come = np.bincount(detection * columns + column, minlength=shape[0] * columns)
        gone = np.bincount(parent[inner] * columns + column[inner], minlength=shape[0] * columns)
        return (come - gone).reshape(shape).astype(np.float64)


def detections_at_all_thresholds(segments: SegmentScores) -> list[ThresholdDetections]:
    """All detections of every class.

    Args:
        segments: scores of all clips.

    Returns:
        For each class its detections, clip by clip, in the order of the lowest scores within them.

    Example:
        >>> segments = frame_segments([[[0.4], [0.9], [0.6], [0.8]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> (found,) = detections_at_all_thresholds(segments)
        >>> for row in zip(*(getattr(found, name).tolist() for name in ("onset", "offset", "low", "high"))):
        ...     print(*row)
        0.0 4.0 -inf 0.4
        1.0 2.0 0.6 0.9
        1.0 4.0 0.4 0.6
        3.0 4.0 0.6 0.8
    """
    # One sequence of all clips, with a score below all others before each clip and after the last
    place = np.arange(len(segments.clip)) + segments.clip + 1
    values = np.full(len(segments.clip) + segments.clips + 1, -np.inf)
    clip_of = np.zeros(len(values), np.int64)
    clip_of[place] = segments.clip
    found = []
    for index in range(segments.scores.shape[1]):
        values[place] = segments.scores[:, index]
        before, after = _nearest_lower(values)
        # Of equal scores within one detection the first stands for it
        nodes = np.flatnonzero(values[before] < values)
        stand_in = _first_of_equals(values, before)
        clip = clip_of[nodes]
        before, after = before[nodes], after[nodes]
        number = np.full(len(values), -1)
        number[nodes] = np.arange(len(nodes))
        found.append(
            ThresholdDetections(
                clip,
                segments.onset[before - clip],
                segments.offset[after - clip - 2],
                values[nodes],
                number[stand_in[np.where(values[before] >= values[after], before, after)]],
            )
        )
    return found


def _first_of_equals(values, before):
    """For each place the one that stands for its detection."""
    stand_in = np.where(values[before] == values, before, np.arange(len(values), dtype=np.int32))
    while True:
        further = stand_in[stand_in]
        if (further == stand_in).all():
            return stand_in
        stand_in = further


def _nearest_lower(values):
    """For each value the place of the nearest one before that is not higher, and after that is lower.

    Every place points at its neighbour first; as long as it points at too high a value, it takes over where that one
    points to. Everything between a place and where it points is known to be too high.
    """
    before = np.arange(-1, len(values) - 1, dtype=np.int32)
    after = np.arange(1, len(values) + 1, dtype=np.int32)
    before[0], after[-1] = 0, len(values) - 1
    for pointer, too_high in ((before, np.greater), (after, np.greater_equal)):
        active = np.flatnonzero(too_high(values[pointer], values) & (values > -np.inf)).astype(np.int32)
        while len(active):
            target = pointer[pointer[active]]
            pointer[active] = target
            active = active[too_high(values[target], values[active])]
    return before, after
