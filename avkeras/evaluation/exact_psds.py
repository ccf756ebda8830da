"""The polyphonic sound detection score over all thresholds, equal to sed_scores_eval 0.0.4 (Ebbers et al., 2022).

The definitions are those of `avkeras.evaluation.psds`, which takes 50 thresholds and underestimates the score. Two more
things differ from psds-eval, as in sed_scores_eval: seconds are rounded to `TIME_DECIMALS` before they are compared
with a tolerance, and a detection counts as false wherever it lies, past the end of the clip too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores, ThresholdDetections, detections_at_all_thresholds
from avkeras.evaluation.intersections import References
from avkeras.evaluation.psds import SECONDS_PER_HOUR, PsdRoc, PsdsSettings, join_stairs, rising_stairs
from avkeras.evaluation.threshold_changes import Changes, ClassChanges, changes_of, in_order, sums_at_levels

TIME_DECIMALS = 6


@dataclass(frozen=True)
class IntersectionChanges(ClassChanges):
    """Changes of all classes that have reference events, with what rates are taken of.

    Args:
        event_seconds: sums of the lengths of reference events, `(clips, classes)`.
        durations: of the clips, seconds, `(clips,)`.
    """

    event_seconds: NDArray[np.float64]
    durations: NDArray[np.float64]


def intersection_changes(
    segments: SegmentScores,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    dtc: float,
    gtc: float,
    cttc: float | None,
    detections: Sequence[ThresholdDetections] | None = None,
) -> IntersectionChanges:
    """All changes of the intersection-based counts from the highest threshold to the lowest.

    Args:
        segments: scores of all clips, from `frame_segments` for frames of equal length.
        ground_truth: the events of each clip; those of one class must not overlap.
        classes: class names in the order of the scores.
        durations: lengths of the clips in seconds, `(clips,)`.
        dtc: share of a detection that must lie in reference events of its class.
        gtc: share of a reference event that passing detections must cover.
        cttc: share of a failing detection in events of another class that makes a cross trigger; None: not counted.
        detections: from `detections_at_all_thresholds`, where they are there already.

    Raises:
        ValueError: lengths do not fit, an event is of an unknown class, or events of one class overlap.
    """
    durations = np.asarray(durations, np.float64)
    if len(ground_truth) != segments.clips:
        raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {segments.clips}")
    if segments.scores.shape[1] != len(classes):
        raise ValueError(f"scores of {segments.scores.shape[1]} classes, but {len(classes)} names")
    references = References(ground_truth, classes, durations)
    present = references.present
    if not len(present):
        raise ValueError("PSDS needs reference events of one class at least")
    if detections is None:
        detections = detections_at_all_thresholds(segments)
    shape = (len(durations), len(classes))
    key = references.clip * len(classes) + references.label
    size = shape[0] * shape[1]
    counts = np.bincount(key, minlength=size).reshape(shape)[:, present]
    seconds = np.bincount(key, references.offset - references.onset, minlength=size).reshape(shape)[:, present]
    changes = tuple(_class_changes(references, index, detections[index], dtc, gtc, cttc) for index in present)
    return IntersectionChanges(
        tuple(classes[index] for index in present), changes, counts.astype(np.float64), seconds, durations
    )


def exact_psd_roc(found: IntersectionChanges, *, alpha_ct: float, alpha_st: float, max_efpr: float) -> PsdRoc:
    """The PSD-ROC over all thresholds.

    Args:
        found: from `intersection_changes`.
        alpha_ct: weight of cross triggers.
        alpha_st: weight of the standard deviation over classes.
        max_efpr: effective false positives per hour up to which the curve is wanted.
    """
    hours = found.durations.sum() / SECONDS_PER_HOUR
    # The diagonal holds no cross triggers
    weights = alpha_ct / max(len(found.classes) - 1, 1) * SECONDS_PER_HOUR / found.event_seconds.sum(axis=0)
    curves = {}
    for index, (name, changes) in enumerate(zip(found.classes, found.changes, strict=True)):
        effective = np.cumsum(changes.false_positives) / hours
        if alpha_ct:
            effective = effective + np.cumsum(changes.cross_triggers @ weights)
        ratio = np.cumsum(changes.correct) / found.references[:, index].sum()
        last = changes.last_of_thresholds()
        curves[name] = rising_stairs(effective[last], ratio[last], limit=max_efpr)
    return join_stairs(curves, alpha_st=alpha_st, max_efpr=max_efpr)


def exact_psds(
    segments: SegmentScores,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
    detections: Sequence[ThresholdDetections] | None = None,
) -> PsdRoc:
    """The PSD-ROC over all thresholds of a scenario; its `score` is the PSDS.

    Args:
        segments: scores of all clips; frames of equal length come from `frame_segments`, median filter included.
        ground_truth: the events of each clip; those of one class must not overlap, those of no length do not count.
        classes: class names in the order of the scores; those without reference events are left out.
        durations: lengths of the clips in seconds, `(clips,)`.
        settings: tolerances and weights, for instance `avkeras.evaluation.psds.PSDS1`.
        detections: from `detections_at_all_thresholds`, where several scenarios share them.

    Raises:
        ValueError: as for `intersection_changes`.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> from avkeras.evaluation.psds import PSDS1
        >>> segments = frame_segments([[[0.2], [0.9], [0.1]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> exact_psds(segments, [[Event(1.0, 2.0, "Dog")]], classes=["Dog"], durations=[3.0], settings=PSDS1).score
        1.0
    """
    found = intersection_changes(
        segments,
        ground_truth,
        classes=classes,
        durations=durations,
        dtc=settings.dtc,
        gtc=settings.gtc,
        cttc=settings.cttc if settings.alpha_ct else None,
        detections=detections,
    )
    return exact_psd_roc(found, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr)


def _class_changes(references, index, found, dtc, gtc, cttc) -> Changes:
    own = references.label == index
    length = found.offset - found.onset
    detection, reference, seconds = _overlaps(found, references, np.flatnonzero(own))
    passing = _reaches(np.bincount(detection, seconds, minlength=len(length)), dtc * length)
    passed = passing[detection]
    threshold, clip, correct = _covered(references, found, detection[passed], reference[passed], seconds[passed], gtc)

    false = found.changes(np.flatnonzero(~passing))
    crossed = None
    some = false != 0
    if cttc is not None:
        detection, reference, seconds = _overlaps(found, references, np.flatnonzero(~own), ~passing)
        key, total = _sums(detection * len(references.counts) + references.label[reference], seconds)
        detection, label = np.divmod(key, len(references.counts))
        enough = _reaches(total, cttc * length[detection])
        column = np.searchsorted(references.present, label[enough])
        crossed = found.changes_by_column(detection[enough], column, len(references.present))
        some |= crossed.any(axis=1)
        crossed = np.concatenate([crossed[some], np.zeros((len(threshold), crossed.shape[1]))])
    false = np.concatenate([false[some], np.zeros(len(threshold))])
    correct = np.concatenate([np.zeros(np.count_nonzero(some)), correct])
    threshold = np.concatenate([found.high[some], threshold])
    return in_order(threshold, np.concatenate([found.clip[some], clip]), correct, false, crossed)


def _overlaps(found, references, chosen, asked=None):
    """Pairs of detections (all, or those asked for) and chosen references that share some time, with the seconds."""
    chosen = chosen[np.argsort(references.clip[chosen], kind="stable")]
    edges = np.searchsorted(references.clip[chosen], np.arange(len(references.durations) + 1))
    count = np.diff(edges)[found.clip]
    if asked is not None:
        count = count * asked
    detection = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(detection)) + np.repeat(edges[found.clip] - (np.cumsum(count) - count), count)
    reference = chosen[place]
    seconds = np.minimum(found.offset[detection], references.offset[reference])
    seconds -= np.maximum(found.onset[detection], references.onset[reference])
    some = seconds > 0
    return detection[some], reference[some], seconds[some]


def _sums(keys, values):
    """Distinct keys and the sums of their values; equal keys follow each other."""
    new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    return keys[new], np.bincount(np.cumsum(new) - 1, values, minlength=np.count_nonzero(new))


def _covered(references, found, detection, reference, seconds, gtc):
    """Changes of whether references are covered by passing detections: threshold, clip and +1 or -1."""
    # Seconds of one threshold are summed in time's order
    order = np.lexsort((found.onset[detection], reference))
    detection, reference = detection[order], reference[order]
    owner, threshold, covered = sums_at_levels(reference, found.low[detection], found.high[detection], seconds[order])
    least = gtc * (references.offset - references.onset)
    owner, threshold, change = changes_of(owner, threshold, _reaches(covered, least[owner]) & (covered > 0))
    return threshold, references.clip[owner], change


def _reaches(seconds, least):
    return np.round(seconds, TIME_DECIMALS) >= np.round(least, TIME_DECIMALS)
