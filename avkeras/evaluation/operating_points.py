"""Operating points for PSDS: the counts of all thresholds in one vectorised pass (see `avkeras.evaluation.psds`).

Decisions of many thresholds are often the same in a clip, so each distinct sequence of decisions is evaluated once and
counted for the range of thresholds that gives it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation import bits
from avkeras.evaluation.all_thresholds import ThresholdDetections
from avkeras.evaluation.event_counts import reference_arrays
from avkeras.evaluation.exact_psds import IntersectionChanges
from avkeras.evaluation.intersections import ClassCounter, Detections, References
from avkeras.evaluation.postprocess import FILTERS, check_filters, check_scores, frame_times
from avkeras.evaluation.psds import THRESHOLDS, OperatingPoints, PsdsSettings, area, rising_stairs
from avkeras.evaluation.threshold_changes import in_order


def operating_points(
    scores: ArrayLike,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    settings: PsdsSettings,
    durations: ArrayLike | None = None,
    filters: int | ArrayLike = 1,
    thresholds: Sequence[float] = THRESHOLDS,
) -> OperatingPoints:
    """Count correct events, false positives and cross triggers at every threshold.

    Args:
        scores: frame scores `(clips, frames, classes)`.
        ground_truth: the events of each clip, in the same order; those of one class must not overlap.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        settings: tolerances.
        durations: lengths of the clips in seconds, `(clips,)`; by default all frames belong to the clip.
        filters: sizes of the median filters in frames, one for all classes or `(classes,)`.
        thresholds: one operating point each; by default 0.01 to 0.99 in steps of 0.02.

    Raises:
        ValueError: shapes do not fit, a score is NaN, an event is of an unknown class, or events of one class overlap.

    Example:
        >>> from avkeras.evaluation.psds import PSDS1
        >>> scores = [[[0.9, 0.1], [0.8, 0.1], [0.2, 0.7]]]
        >>> truth = [[Event(0.0, 2.0, "Cat"), Event(2.0, 3.0, "Dog")]]
        >>> points = operating_points(
        ...     scores, truth, classes=["Cat", "Dog"], seconds_per_frame=1.0, settings=PSDS1, thresholds=[0.5, 0.85]
        ... )
        >>> points.correct
        array([[1., 1.],
               [0., 0.]])
    """
    sizes = check_filters(np.broadcast_to(filters, (len(classes),)))
    counter = _Counter(scores, ground_truth, classes, seconds_per_frame, settings, durations, thresholds)
    counts = [next(counter.counts(index, [sizes[index]])) for index in counter.present]
    return counter.points(counts)


def operating_points_of_events(
    predictions: Sequence[Sequence[Sequence[Event]]],
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
) -> OperatingPoints:
    """Count correct events, false positives and cross triggers of detected events.

    Args:
        predictions: for each operating point the detected events of each clip; those of one class must not overlap.
        ground_truth: the events of each clip, likewise.
        classes: class names.
        durations: lengths of the clips in seconds, `(clips,)`.
        settings: tolerances.

    Raises:
        ValueError: lengths do not fit, an event is of an unknown class, or events of one class overlap.
    """
    durations = np.asarray(durations, np.float64)
    references = References(ground_truth, classes, durations)
    parts = [np.zeros((5, 0))]
    for point, events in enumerate(predictions):
        if len(events) != len(ground_truth):
            raise ValueError(f"operating point {point}: {len(events)} clips, but {len(ground_truth)} in ground truth")
        label, *rest = reference_arrays(events, classes)
        parts.append(np.stack([label, np.full(len(label), point), *rest]))
    label, point, clip, onset, offset = np.concatenate(parts, axis=1)
    if (onset > offset).any():
        raise ValueError(f"predictions, clip {clip[onset > offset][0]:.0f}: an event ends before it begins")
    sequence = point.astype(np.int64) * len(ground_truth) + clip.astype(np.int64)
    counts = []
    for index in references.present:
        own = label == index
        sequences, row = np.unique(sequence[own], return_inverse=True)
        first, row_clip = np.divmod(sequences, len(ground_truth))
        detections = Detections(row_clip, first, first + 1, row, onset[own], offset[own])
        detections.check(classes[index])
        counter = ClassCounter(references, index, settings.dtc, settings.gtc, settings.cttc)
        counts.append(counter(detections, len(predictions)))
    return _gather(references, classes, counts)


def operating_points_of_detections(
    detections: Sequence[ThresholdDetections],
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
    thresholds: Sequence[float] = THRESHOLDS,
) -> OperatingPoints:
    """Count correct events, false positives and cross triggers at some of all thresholds.

    Args:
        detections: of each class, from `avkeras.evaluation.all_thresholds.detections_at_all_thresholds`.
        ground_truth: the events of each clip; those of one class must not overlap.
        classes: class names in the order of the detections.
        durations: lengths of the clips in seconds, `(clips,)`.
        settings: tolerances.
        thresholds: one operating point each, rising; by default 0.01 to 0.99 in steps of 0.02.

    Raises:
        ValueError: lengths do not fit, an event is of an unknown class, or events of one class overlap.

    Example:
        >>> from avkeras.evaluation.all_thresholds import detections_at_all_thresholds, frame_segments
        >>> from avkeras.evaluation.psds import PSDS1
        >>> segments = frame_segments([[[0.9], [0.8], [0.2]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> points = operating_points_of_detections(
        ...     detections_at_all_thresholds(segments),
        ...     [[Event(0.0, 2.0, "Dog")]],
        ...     classes=["Dog"],
        ...     durations=[3.0],
        ...     settings=PSDS1,
        ...     thresholds=[0.1, 0.5],
        ... )
        >>> points.correct.tolist(), points.false_positives.tolist()
        ([[0.0], [1.0]], [[1.0], [0.0]])
    """
    thresholds = _rising(thresholds)
    references = References(ground_truth, classes, np.asarray(durations, np.float64))
    counts = [
        _counter(references, index, settings).of_spans(*_spans(detections[index], thresholds), len(thresholds))
        for index in references.present
    ]
    return _gather(references, classes, counts)


def changes_of_detections(
    detections: Sequence[ThresholdDetections],
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
    thresholds: Sequence[float] = THRESHOLDS,
) -> IntersectionChanges:
    """What `operating_points_of_detections` counts, clip by clip, as changes from the highest threshold down.

    Arguments and errors are those of `operating_points_of_detections`; for the bootstrap.
    """
    thresholds = _rising(thresholds)
    references = References(ground_truth, classes, np.asarray(durations, np.float64))
    counts = []
    for index in references.present:
        clip, onset, offset, span = _spans(detections[index], thresholds)
        span = tuple(point + clip * len(thresholds) for point in span)
        points = len(ground_truth) * len(thresholds)
        counts.append(_counter(references, index, settings).of_spans(clip, onset, offset, span, points))
    return _changes(references, classes, counts, thresholds)


def changes_of_events(
    predictions: Sequence[Sequence[Sequence[Event]]],
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
) -> IntersectionChanges:
    """What `operating_points_of_events` counts, clip by clip, as changes from the last operating point to the first.

    Arguments and errors are those of `operating_points_of_events`; for the bootstrap.
    """
    references = References(ground_truth, classes, np.asarray(durations, np.float64))
    parts = [np.zeros((5, 0))]
    for point, events in enumerate(predictions):
        label, *rest = reference_arrays(events, classes)
        parts.append(np.stack([label, np.full(len(label), point), *rest]))
    label, point, clip, onset, offset = np.concatenate(parts, axis=1)
    clip, points = clip.astype(np.int64), len(predictions)
    place = point.astype(np.int64) + clip * points
    counts = []
    for index in references.present:
        own = (label == index) & (offset > onset)
        span = place[own], place[own] + 1
        counter = _counter(references, index, settings)
        counts.append(counter.of_spans(clip[own], onset[own], offset[own], span, points * len(ground_truth)))
    return _changes(references, classes, counts, np.arange(points, dtype=np.float64))


def best_psds_filters(
    scores: ArrayLike,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    settings: PsdsSettings,
    durations: ArrayLike | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    filters: Sequence[int] = FILTERS,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each class the median filter that gives the largest area under its own staircase (2022 paper: 16 sizes).

    With `alpha_st` 0 the score is the mean of these areas, so the choice is then the best there is.

    Args:
        scores: frame scores of the validation set, `(clips, frames, classes)`.
        ground_truth: the events of each clip, in the same order.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        settings: tolerances, `alpha_ct` and `max_efpr`.
        durations: lengths of the clips in seconds.
        thresholds: operating points.
        filters: sizes to try, odd, in frames.

    Returns:
        Filter sizes and areas (in [0, 1]), each `(classes,)`. A class without reference events gets size 1 and NaN.

    Raises:
        ValueError: as for `operating_points`.
    """
    filters = np.sort(check_filters(filters))
    counter = _Counter(scores, ground_truth, classes, seconds_per_frame, settings, durations, thresholds)
    best = np.ones(len(classes), np.int64)
    areas = np.full(len(classes), np.nan)
    # A class's rates depend on its own detections alone: the others may hold any counts meanwhile
    none = (np.zeros(len(thresholds)), np.zeros(len(thresholds)), np.zeros((len(thresholds), len(classes))))
    for place, index in enumerate(counter.present):
        own_areas = []
        for counts in counter.counts(index, filters):
            points = counter.points([counts if other == index else none for other in counter.present])
            ratio, effective = points.rates(settings.alpha_ct)
            curve = rising_stairs(effective[:, place], ratio[:, place], limit=settings.max_efpr)
            own_areas.append(area(*curve, settings.max_efpr))
        best[index], areas[index] = filters[np.argmax(own_areas)], max(own_areas)
    return best, areas


class _Counter:
    """Counts of one class at all thresholds, from scores."""

    def __init__(self, scores, ground_truth, classes, seconds_per_frame, settings, durations, thresholds):
        scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
        if len(ground_truth) != len(scores):
            raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {len(scores)}")
        thresholds = _rising(thresholds)
        self._references = References(ground_truth, classes, durations)
        self._classes, self._settings = classes, settings
        self._frames = scores.shape[1]
        self._starts, self._ends, self._lengths = frame_times(
            self._frames, seconds_per_frame=seconds_per_frame, durations=durations
        )
        # Class by class: what is worked on together lies together
        self._scores = np.ascontiguousarray(scores.transpose(2, 0, 1), np.float64)
        self._thresholds = thresholds
        self.present = self._references.present

    def counts(self, index: int, filters: Sequence[int]) -> Iterator[tuple]:
        """For each filter (rising) the counts of class `index`."""
        words = bits.pack(self._scores[index] >= self._thresholds[:, None, None])
        counter = ClassCounter(self._references, index, self._settings.dtc, self._settings.gtc, self._settings.cttc)
        for filtered in bits.filter_words(words, filters, lengths=self._lengths):
            yield counter(self._detections(filtered), len(self._thresholds))

    def points(self, counts) -> OperatingPoints:
        return _gather(self._references, self._classes, counts)

    def _detections(self, words):
        """Events of words `(words, points, clips)`, each distinct sequence of a clip once."""
        words = words.swapaxes(1, 2)
        new = np.ones(words.shape[1:], bool)
        new[:, 1:] = bits.occupied(words[:, :, 1:] ^ words[:, :, :-1])
        clip, first = np.nonzero(new)
        after = np.append(first[1:], 0)
        after[after == 0] = len(self._thresholds)  # the next distinct sequence begins the next clip
        some = bits.occupied(words[:, clip, first])
        clip, first, after = clip[some], first[some], after[some]
        # With a frame of silence after each, all sequences are one, whose edges alternate: first frame, after the last
        active = np.zeros((len(clip), self._frames + 1), bool)
        active[:, :-1] = bits.unpack(words[:, clip, first], self._frames)
        edges = np.flatnonzero(np.diff(active.ravel(), prepend=False))
        row, start = np.divmod(edges[::2], self._frames + 1)
        stop = edges[1::2] - row * (self._frames + 1)
        return Detections(clip, first, after, row, self._starts[start], self._ends[clip[row], stop - 1])


def _counter(references, index, settings) -> ClassCounter:
    return ClassCounter(references, index, settings.dtc, settings.gtc, settings.cttc)


def _spans(found: ThresholdDetections, thresholds):
    """Detections that any threshold has: clip, onset, offset, its first threshold and the one after its last."""
    first = np.searchsorted(thresholds, found.low, side="right")
    after = np.searchsorted(thresholds, found.high, side="right")
    some = after > first
    return found.clip[some], found.onset[some], found.offset[some], (first[some], after[some])


def _rising(thresholds):
    thresholds = np.asarray(thresholds, np.float64)
    if not len(thresholds) or (np.diff(thresholds) <= 0).any():
        raise ValueError("thresholds must rise, and there must be one at least")
    return thresholds


def _changes(references, classes, counts, thresholds) -> IntersectionChanges:
    present = references.present
    if not len(present):
        raise ValueError("PSDS needs reference events of one class at least")
    shape = (len(references.durations), len(classes))
    key = references.clip * len(classes) + references.label
    size = shape[0] * shape[1]
    changes = []
    for correct, false, crossed in counts:
        columns = np.concatenate([correct[:, None], false[:, None], crossed[:, present]], axis=1)
        falling = columns.reshape(shape[0], len(thresholds), -1)[:, ::-1]
        change = np.diff(falling, axis=1, prepend=0)
        clip, point = np.nonzero(change.any(axis=2))
        some = change[clip, point]
        changes.append(in_order(thresholds[::-1][point], clip, some[:, 0], some[:, 1], some[:, 2:]))
    return IntersectionChanges(
        tuple(classes[index] for index in present),
        tuple(changes),
        np.bincount(key, minlength=size).reshape(shape)[:, present].astype(np.float64),
        np.bincount(key, references.offset - references.onset, minlength=size).reshape(shape)[:, present],
        references.durations,
    )


def _gather(references, classes, counts) -> OperatingPoints:
    present = references.present
    if not len(present):
        raise ValueError("PSDS needs reference events of one class at least")
    correct, false_positives, cross_triggers = (np.stack(part, axis=1) for part in zip(*counts, strict=True))
    return OperatingPoints(
        tuple(classes[index] for index in present),
        correct,
        false_positives,
        cross_triggers[..., present],
        references.counts[present],
        references.seconds[present],
        references.total_seconds,
    )
