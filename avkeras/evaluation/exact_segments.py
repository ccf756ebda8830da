"""Segment-based counts at all thresholds, ROC and the areas under it (DCASE 2024), equal to sed_scores_eval 0.0.4.

A segment's score is the highest score of any part of it. Unlike sed_eval, which scores as many segments as events
reach, this takes all segments of a clip: rates of false positives need the silent ones too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores
from avkeras.evaluation.event_counts import SEGMENT, reference_arrays
from avkeras.evaluation.exact_psds import TIME_DECIMALS
from avkeras.evaluation.threshold_changes import ClassChanges, in_order

MAX_FPR = 0.1


@dataclass(frozen=True)
class SegmentChanges(ClassChanges):
    """Changes of the segment-based counts; `references` are active segments.

    Args:
        silent: segments in which the class is not active, `(clips, classes)`.
    """

    silent: NDArray[np.float64]


def segment_changes(
    segments: SegmentScores,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    length: float = SEGMENT,
) -> SegmentChanges:
    """All changes of the segment-based counts from the highest threshold to the lowest.

    Args:
        segments: scores of all clips.
        ground_truth: the events of each clip.
        classes: class names in the order of the scores; those that are active in no segment are left out.
        durations: lengths of the clips in seconds, `(clips,)`.
        length: of a segment, seconds.

    Raises:
        ValueError: lengths do not fit, or an event is of an unknown class.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> scores = frame_segments([[[0.2], [0.9], [0.8], [0.3]]], classes=["Dog"], seconds_per_frame=0.5)
        >>> found = segment_changes(scores, [[Event(0.0, 0.6, "Dog")]], classes=["Dog"], durations=[2.0])
        >>> found.changes[0].threshold.tolist(), found.references.tolist(), found.silent.tolist()
        ([0.9, 0.8], [[1.0]], [[1.0]])
    """
    durations = np.asarray(durations, np.float64)
    if len(ground_truth) != segments.clips or len(durations) != segments.clips:
        raise ValueError(
            f"ground truth of {len(ground_truth)} clips and {len(durations)} durations for scores of {segments.clips}"
        )
    label, owner, onset, offset = reference_arrays(ground_truth, classes)
    count = np.ceil(durations / length).astype(np.int64)
    edges = np.append(0, np.cumsum(count))
    clip = np.repeat(np.arange(len(count)), count)
    place = np.arange(edges[-1]) - edges[clip]
    begin, end = (np.round((place + step) * length, TIME_DECIMALS) for step in (0, 1))
    scores = _highest(segments, clip, begin, end)
    active = np.zeros((len(clip), len(classes)), bool)
    for number in range(int(count.max(initial=0))):
        # Each event beside the segment of this number in its clip
        there = number < count[owner]
        row = edges[owner[there]] + number
        touched = (begin[row] < offset[there]) & (end[row] > onset[there])
        active[row[touched], label[there][touched]] = True
    present = np.flatnonzero(active.any(axis=0))
    changes = tuple(
        in_order(scores[:, index], clip, *(on.astype(np.float64) for on in (active[:, index], ~active[:, index])))
        for index in present
    )
    references = np.stack(
        [np.bincount(clip, active[:, index], minlength=len(count)) for index in range(len(classes))], axis=1
    )[:, present]
    return SegmentChanges(tuple(classes[index] for index in present), changes, references, count[:, None] - references)


def roc(found: SegmentChanges, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ROC of a class: false positive rate, rising from 0, and true positive rate at each, both `(points,)`."""
    _, correct, false = found.changes[index].counts()
    silent = found.silent[:, index].sum()
    rate = false / silent if silent else np.zeros(len(false))
    return rate, correct / found.references[:, index].sum()


def auroc(found: SegmentChanges, *, max_fpr: float = 1.0) -> dict[str, float]:
    """Area under each class's ROC, a staircase, up to a false positive rate; as a share of the whole.

    DCASE 2024 reports the mean over classes with `max_fpr` 1 (mAUC) and 0.1 (mpAUC).

    Args:
        found: from `segment_changes`.
        max_fpr: in (0, 1].

    Raises:
        ValueError: `max_fpr` is out of range.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> scores = frame_segments([[[0.9], [0.5], [0.7], [0.1]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> truth = [[Event(0.0, 2.0, "Dog")]]
        >>> auroc(segment_changes(scores, truth, classes=["Dog"], durations=[4.0]))
        {'Dog': 0.75}
    """
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must lie in (0, 1], not {max_fpr}")
    areas = {}
    for index, name in enumerate(found.classes):
        rate, height = roc(found, index)
        edges = np.append(np.minimum(rate, max_fpr), max_fpr)
        areas[name] = float(np.sum(np.diff(edges) * height) / max_fpr)
    return areas


def _highest(segments, clip, begin, end):
    """The highest score within each stretch of a clip, `(stretches, classes)`; 0 where the clip has no score."""
    offset = np.round(segments.offset, TIME_DECIMALS)
    edges = np.searchsorted(segments.clip, np.arange(segments.clips + 1))
    # Clips one after the other on one line of time, so that one search finds all
    far = max(float(offset.max(initial=0.0)), float(end.max(initial=0.0))) + 1.0
    # By where scores end: a stretch behind the last of them holds none
    first = np.searchsorted(offset + segments.clip * far, begin + clip * far, side="right")
    after = np.searchsorted(offset + segments.clip * far, end + clip * far, side="left") + 1
    first = np.maximum(first, edges[clip])
    after = np.minimum(after, edges[clip + 1])
    some = np.flatnonzero(after > first)
    highest = np.zeros((len(clip), segments.scores.shape[1]))
    for step in range(int((after - first)[some].max(initial=0))):
        row = np.minimum(first[some] + step, after[some] - 1)
        highest[some] = segments.scores[row] if step == 0 else np.maximum(highest[some], segments.scores[row])
    return highest
