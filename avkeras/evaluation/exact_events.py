"""Event-based (collar) counts at all thresholds, equal to those of sed_scores_eval 0.0.4.

They are the counts of `avkeras.evaluation.clip_counts.event_counts` at every threshold, but that seconds are rounded to
`TIME_DECIMALS` before they are compared with a tolerance.
"""

from collections.abc import Sequence

import numpy as np

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores, ThresholdDetections, detections_at_all_thresholds
from avkeras.evaluation.clip_counts import OFFSET_RULES
from avkeras.evaluation.event_counts import OFFSET_SHARE, ONSET_COLLAR, reference_arrays
from avkeras.evaluation.exact_psds import TIME_DECIMALS
from avkeras.evaluation.matching import matching_size
from avkeras.evaluation.threshold_changes import ClassChanges, changes_of, in_order, sums_at_levels


def event_changes(
    segments: SegmentScores,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    collar: float = ONSET_COLLAR,
    share: float = OFFSET_SHARE,
    offset_rule: str = "larger",
    detections: Sequence[ThresholdDetections] | None = None,
) -> ClassChanges:
    """All changes of the event-based counts from the highest threshold to the lowest.

    Args:
        segments: scores of all clips.
        ground_truth: the events of each clip.
        classes: class names in the order of the scores; those without reference events are left out.
        collar: tolerance of the onset, seconds.
        share: tolerance of the offset as a share of the reference's length.
        offset_rule: the offset may miss by the `"larger"` of collar and share, or by the `"smaller"`.
        detections: from `detections_at_all_thresholds`, where they are there already.

    Raises:
        ValueError: lengths do not fit, an event is of an unknown class, or the rule is unknown.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> from avkeras.evaluation.threshold_changes import best_f1
        >>> segments = frame_segments([[[0.2], [0.9], [0.8], [0.3]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> best_f1(event_changes(segments, [[Event(1.0, 3.0, "Dog")]], classes=["Dog"])).thresholds
        {'Dog': 0.55}
    """
    if offset_rule not in OFFSET_RULES:
        raise ValueError(f"unknown offset_rule {offset_rule!r}: choose from {', '.join(OFFSET_RULES)}")
    if len(ground_truth) != segments.clips:
        raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {segments.clips}")
    label, clip, onset, offset = reference_arrays(ground_truth, classes)
    if detections is None:
        detections = detections_at_all_thresholds(segments)
    tolerance = (np.maximum if offset_rule == "larger" else np.minimum)(collar, share * (offset - onset))
    counts = np.bincount(clip * len(classes) + label, minlength=segments.clips * len(classes))
    counts = counts.reshape(segments.clips, len(classes)).astype(np.float64)
    present = np.flatnonzero(counts.sum(axis=0))
    changes = []
    for index in present:
        own, found = label == index, detections[index]
        event, reference = _hits(found, clip[own], onset[own], offset[own], collar, tolerance[own])
        level, threshold, change = _matched(found, event, reference, clip[own])
        predicted = found.changes(np.arange(len(found.high)))
        some = predicted != 0
        nothing = np.zeros(np.count_nonzero(some))
        changes.append(
            in_order(
                np.concatenate([found.high[some], threshold]),
                np.concatenate([found.clip[some], level]),
                np.concatenate([nothing, change]),
                np.concatenate([predicted[some], -change]),
            )
        )
    return ClassChanges(tuple(classes[index] for index in present), tuple(changes), counts[:, present])


def _hits(found, clip, onset, offset, collar, tolerance):
    """Pairs of detections and references that could be matched, by reference."""
    edges = np.searchsorted(found.clip, [clip, clip + 1])
    count = edges[1] - edges[0]
    reference = np.repeat(np.arange(len(clip)), count)
    event = np.arange(len(reference)) + np.repeat(edges[0] - (np.cumsum(count) - count), count)
    near = np.round(np.abs(found.onset[event] - onset[reference]) - collar, TIME_DECIMALS) <= 0
    miss = np.abs(found.offset[event] - offset[reference]) - tolerance[reference]
    near &= np.round(miss, TIME_DECIMALS) <= 0
    return event[near], reference[near]


def _matched(found, event, reference, clip):
    """Changes of the size of the largest matching in each clip: clip, threshold and change."""
    shared = np.bincount(event, minlength=1)[event] > 1
    # Where no detection hits two references, each reference that has a hit is matched
    rivals = np.unique(clip[reference[shared]])
    plain = ~np.isin(clip[reference], rivals)
    owner, threshold, hits = sums_at_levels(
        reference[plain], found.low[event[plain]], found.high[event[plain]], np.ones(np.count_nonzero(plain))
    )
    owner, threshold, change = changes_of(owner, threshold, hits > 0)
    parts = [(clip[owner], threshold, change)]
    for rival in rivals:
        own = clip[reference] == rival
        low, high = found.low[event[own]], found.high[event[own]]
        levels = np.unique(np.concatenate([low[low > -np.inf], high]))[::-1]
        sizes = []
        for level in levels:
            graph: dict[int, list[int]] = {}
            alive = (low < level) & (level <= high)
            for one, other in zip(event[own][alive].tolist(), reference[own][alive].tolist(), strict=True):
                graph.setdefault(one, []).append(other)
            sizes.append(matching_size(graph))
        parts.append(changes_of(np.full(len(levels), rival), levels, np.array(sizes)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
