"""The polyphonic sound detection score in one vectorised pass, equal to psds-eval 0.5.3 (Bilen et al., ICASSP 2020).

For each class and operating point (one threshold for all classes):

* a detection *passes* when the part of it inside reference events of its class is at least `dtc`;
* a reference event is *correct* when passing detections cover at least `gtc` of it;
* a detection that does not pass is a *false positive*, and a *cross trigger* of each other class whose events hold at
  least `cttc` of it.

The effective false positive rate (eFPR, per hour) is the false positive rate plus `alpha_ct` times the mean rate of
cross triggers over the other classes (divided by C - 1; version 0.3.0 of psds-eval divided by C). Each class has a
staircase of the best true positive ratio at most at each eFPR; the score is the area under their mean minus `alpha_st`
times their standard deviation, up to `max_efpr`.

Only classes with reference events count. Decisions of many thresholds are often the same in a clip, so each distinct
sequence of decisions is evaluated once and counted for the range of thresholds that gives it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation import bits
from avkeras.evaluation.event_counts import reference_arrays
from avkeras.evaluation.intersections import ClassCounter, Detections, References
from avkeras.evaluation.postprocess import FILTERS, check_filters, check_scores, frame_times
from avkeras.evaluation.search import filter_words

THRESHOLDS = tuple((2 * step + 1) / 100 for step in range(50))
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class PsdsSettings:
    """Tolerances and weights of a PSDS.

    Args:
        dtc: share of a detection that must lie in reference events of its class.
        gtc: share of a reference event that passing detections must cover.
        cttc: share of a failing detection in events of another class that makes a cross trigger; None: not counted.
        alpha_ct: weight of cross triggers, in [0, 1].
        alpha_st: weight of the standard deviation over classes, 0 or more.
        max_efpr: effective false positives per hour up to which the area is taken.
    """

    dtc: float = 0.5
    gtc: float = 0.5
    cttc: float | None = 0.3
    alpha_ct: float = 0.0
    alpha_st: float = 0.0
    max_efpr: float = 100.0

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        for name in ("dtc", "gtc", "cttc", "alpha_ct"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {value}")
        if self.alpha_st < 0 or self.max_efpr <= 0:
            raise ValueError(f"alpha_st must not be negative and max_efpr above 0: {self}")
        if self.alpha_ct and self.cttc is None:
            raise ValueError("alpha_ct weighs cross triggers: it needs a cttc")


PSDS1 = PsdsSettings(dtc=0.7, gtc=0.7, cttc=None, alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0)
PSDS2 = PsdsSettings(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=100.0)


@dataclass(frozen=True)
class OperatingPoints:
    """Counts of every operating point for the classes that have reference events.

    Args:
        classes: their names.
        correct: correct reference events, `(points, classes)`.
        false_positives: detections that do not pass, `(points, classes)`.
        cross_triggers: `(points, classes, classes)`: detections of the second axis' class in events of the third's.
        references: reference events, `(classes,)`.
        event_seconds: sum of their lengths, `(classes,)`.
        total_seconds: length of all clips.
    """

    classes: tuple[str, ...]
    correct: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    cross_triggers: NDArray[np.float64]
    references: NDArray[np.int64]
    event_seconds: NDArray[np.float64]
    total_seconds: float

    def rates(self, alpha_ct: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the true positive ratio and the effective false positives per hour, each `(points, classes)`."""
        effective = self.false_positives * SECONDS_PER_HOUR / self.total_seconds
        if alpha_ct and len(self.classes) > 1:
            crossed = self.cross_triggers * SECONDS_PER_HOUR / self.event_seconds
            # The diagonal holds no cross triggers
            effective = effective + alpha_ct * crossed.sum(axis=2) / (len(self.classes) - 1)
        return self.correct / self.references, effective


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


def psd_roc(
    points: OperatingPoints, *, alpha_ct: float, alpha_st: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The PSD-ROC: effective true positive ratio over effective false positives per hour, a staircase.

    Args:
        points: from `operating_points`.
        alpha_ct: weight of cross triggers.
        alpha_st: weight of the standard deviation over classes.

    Returns:
        eFPR, rising from 0, and for each the eTPR that holds until the next; both `(steps,)`.
    """
    ratio, effective = points.rates(alpha_ct)
    steps = np.unique(np.append(effective, 0.0))
    stairs = np.stack([_stairs(steps, *pair) for pair in zip(effective.T, ratio.T, strict=True)])
    return steps, np.maximum(stairs.mean(axis=0) - alpha_st * stairs.std(axis=0), 0.0)


def psds(points: OperatingPoints, settings: PsdsSettings) -> float:
    """The polyphonic sound detection score of operating points that were counted with the same tolerances.

    Args:
        points: from `operating_points` or `operating_points_of_events`.
        settings: its weights are used.

    Example:
        >>> truth = [[Event(0.0, 2.0, "Cat"), Event(3.0, 5.0, "Dog")]]
        >>> points = operating_points_of_events(
        ...     [truth], truth, classes=["Cat", "Dog"], durations=[10.0], settings=PSDS2
        ... )
        >>> psds(points, PSDS2)
        1.0
    """
    steps, ratio = psd_roc(points, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st)
    return _area(steps, ratio, settings.max_efpr)


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
            steps = np.unique(np.append(effective[:, place], 0.0))
            stairs = _stairs(steps, effective[:, place], ratio[:, place])
            own_areas.append(_area(steps, stairs, settings.max_efpr))
        best[index], areas[index] = filters[np.argmax(own_areas)], max(own_areas)
    return best, areas


class _Counter:
    """Counts of one class at all thresholds, from scores."""

    def __init__(self, scores, ground_truth, classes, seconds_per_frame, settings, durations, thresholds):
        scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
        if len(ground_truth) != len(scores):
            raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {len(scores)}")
        thresholds = np.asarray(thresholds, np.float64)
        if not len(thresholds) or (np.diff(thresholds) <= 0).any():
            raise ValueError("thresholds must rise, and there must be one at least")
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
        for filtered in filter_words(words, filters, lengths=self._lengths):
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


def _stairs(steps, effective, ratio):
    """Best ratio at most at each step; before the first operating point it is 0."""
    order = np.argsort(effective, kind="stable")
    height = np.concatenate([[0.0], np.maximum.accumulate(ratio[order])])
    return height[np.searchsorted(effective[order], steps, side="right")]


def _area(steps, height, limit):
    """Area under a staircase from 0 to `limit`, as a share of the whole."""
    edges = np.append(np.minimum(steps, limit), limit)
    return float(np.sum(np.diff(edges) * height) / limit)
