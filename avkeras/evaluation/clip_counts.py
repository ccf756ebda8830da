"""Reference, predicted and correct items of every clip and class, from events: what each F1 is made of.

`event_counts` and `segment_counts` count as sed_eval does, `intersection_counts` as psds-eval does, `label_counts`
compares the classes heard. The F1 of any set of clips, a bootstrap's resample too, is a function of the sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation.event_counts import OFFSET_SHARE, ONSET_COLLAR, SEGMENT
from avkeras.evaluation.intersections import ClassCounter, Detections, References
from avkeras.evaluation.matching import largest_matching

ClipEvents = Sequence[Sequence[Event]]
OFFSET_RULES = ("larger", "smaller")


@dataclass(frozen=True)
class ClipCounts:
    """Numbers of items; sums over clips give those of sed_eval.

    Args:
        classes: class names.
        references: `(clips, classes)`, sed_eval's Nref.
        predicted: `(clips, classes)`, sed_eval's Nsys.
        correct: `(clips, classes)`, sed_eval's Ntp.
        substitutions: `(clips,)`, pairs of a missed and a false item at the same place; None where not defined.
    """

    classes: tuple[str, ...]
    references: NDArray[np.int64]
    predicted: NDArray[np.int64]
    correct: NDArray[np.int64]
    substitutions: NDArray[np.int64] | None = None

    @property
    def deletions(self) -> NDArray[np.int64]:
        """Missed items of each clip that no false item stands for, `(clips,)`."""
        return (self.references - self.correct).sum(axis=1) - self._substitutions()

    @property
    def insertions(self) -> NDArray[np.int64]:
        """False items of each clip that stand for no missed item, `(clips,)`."""
        return (self.predicted - self.correct).sum(axis=1) - self._substitutions()

    def error_rate(self) -> float:
        """Substitutions, deletions and insertions over references; NaN without references, as in sed_eval."""
        errors = (self._substitutions() + self.deletions + self.insertions).sum()
        references = self.references.sum()
        return float(errors / references) if references else float("nan")

    def micro_f1(self) -> float:
        """F1 of all items together; 0 where there is neither reference nor prediction."""
        totals = self.references.sum() + self.predicted.sum()
        return float(2 * self.correct.sum() / totals) if totals else 0.0

    def class_f1(self) -> NDArray[np.float64]:
        """F1 of each class `(classes,)`, NaN for one without references."""
        references = self.references.sum(axis=0)
        totals = np.maximum(references + self.predicted.sum(axis=0), 1)
        return np.where(references > 0, 2 * self.correct.sum(axis=0) / totals, np.nan)

    def macro_f1(self) -> float:
        """Mean of `class_f1` over the classes with references; 0 without any."""
        values = self.class_f1()
        return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0

    def _substitutions(self):
        if self.substitutions is None:
            raise ValueError("substitutions are not defined for these counts")
        return self.substitutions


def event_counts(
    ground_truth: ClipEvents,
    predictions: ClipEvents,
    *,
    classes: Sequence[str],
    collar: float = ONSET_COLLAR,
    share: float = OFFSET_SHARE,
    offset_rule: str = "larger",
) -> ClipCounts:
    """Event-based counts, those of sed_eval's `EventBasedMetrics(event_matching_type="optimal")`.

    Args:
        ground_truth: events of each clip.
        predictions: predicted events of each clip.
        classes: class names.
        collar: tolerance of the onset, seconds.
        share: tolerance of the offset as a share of the reference's length.
        offset_rule: the offset may miss by the `"larger"` of collar and share (sed_eval) or by the `"smaller"` (the
            2022 paper's wording: 20 %, at most 200 ms).

    Raises:
        ValueError: the sequences differ in length, an event is of an unknown class, or the rule is unknown.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> truth = [[Event(1.0, 2.0, "Dog"), Event(5.0, 6.0, "Cat")], []]
        >>> found = [[Event(1.1, 2.1, "Dog"), Event(5.1, 6.0, "Dog")], [Event(0.0, 1.0, "Cat")]]
        >>> counts = event_counts(truth, found, classes=["Cat", "Dog"])
        >>> counts.correct.tolist(), counts.substitutions.tolist(), counts.insertions.tolist()
        ([[0, 1], [0, 0]], [1, 0], [0, 1])
    """
    if offset_rule not in OFFSET_RULES:
        raise ValueError(f"unknown offset_rule {offset_rule!r}: choose from {', '.join(OFFSET_RULES)}")
    _check_lengths(ground_truth, predictions)
    true, found = _flat(ground_truth, classes), _flat(predictions, classes)
    bound = np.maximum if offset_rule == "larger" else np.minimum
    tolerance = bound(collar, share * (true.offset - true.onset))
    reference, event = _pairs_of_clips(true.clip, found.clip, len(ground_truth))
    near = np.abs(true.onset[reference] - found.onset[event]) <= collar
    near &= np.abs(true.offset[reference] - found.offset[event]) <= tolerance[reference]
    reference, event = reference[near], event[near]
    same = true.label[reference] == found.label[event]
    matched, claimed = largest_matching(reference[same], event[same], true.clip)
    taken_reference, taken_event = np.zeros(len(true.clip), bool), np.zeros(len(found.clip), bool)
    taken_reference[matched], taken_event[claimed] = True, True
    free = ~taken_reference[reference] & ~taken_event[event]
    substitutions = np.zeros(len(ground_truth), np.int64)
    # As sed_eval: each missed reference in turn takes the first false event at its place, of whatever class
    for one, other in zip(reference[free].tolist(), event[free].tolist(), strict=True):
        if not taken_reference[one] and not taken_event[other]:
            taken_reference[one] = taken_event[other] = True
            substitutions[true.clip[one]] += 1
    shape = (len(ground_truth), len(classes))
    return ClipCounts(
        tuple(classes),
        _counted(true.clip, true.label, shape),
        _counted(found.clip, found.label, shape),
        _counted(true.clip[matched], true.label[matched], shape),
        substitutions,
    )


def segment_counts(
    ground_truth: ClipEvents, predictions: ClipEvents, *, classes: Sequence[str], segment: float = SEGMENT
) -> ClipCounts:
    """Segment-based counts, those of sed_eval's `SegmentBasedMetrics`.

    Args:
        ground_truth: events of each clip.
        predictions: predicted events of each clip.
        classes: class names.
        segment: length of a segment, seconds.

    Raises:
        ValueError: the sequences differ in length, or an event is of an unknown class.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> counts = segment_counts([[Event(0.0, 3.0, "Dog")]], [[Event(0.5, 1.9, "Dog")]], classes=["Dog"])
        >>> counts.references.tolist(), counts.predicted.tolist(), counts.correct.tolist()
        ([[3]], [[2]], [[2]])
    """
    _check_lengths(ground_truth, predictions)
    true, found = _flat(ground_truth, classes), _flat(predictions, classes)
    shape = (len(ground_truth), len(classes))
    true_keys = _active_segments(true, segment, shape)
    found_keys = _active_segments(found, segment, shape)
    both = np.intersect1d(true_keys, found_keys, assume_unique=True)
    # A segment's substitutions: as many as it has missed and false classes both
    places = [np.unique(keys // len(classes), return_counts=True) for keys in (true_keys, found_keys, both)]
    every = np.unique(np.concatenate([place for place, _ in places]))
    numbers = np.zeros((3, len(every)), np.int64)
    for number, (place, count) in zip(numbers, places, strict=True):
        number[np.searchsorted(every, place)] = count
    substitutions = np.bincount(
        every % len(ground_truth), np.minimum(numbers[0], numbers[1]) - numbers[2], minlength=len(ground_truth)
    ).astype(np.int64)
    counts = [
        _counted(keys // len(classes) % len(ground_truth), keys % len(classes), shape)
        for keys in (true_keys, found_keys, both)
    ]
    return ClipCounts(tuple(classes), *counts, substitutions)


def label_counts(
    ground_truth: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], *, classes: Sequence[str]
) -> ClipCounts:
    """Counts of the classes heard in each clip (2022 paper: CBF1 is the `micro_f1`).

    Args:
        ground_truth: the classes of each clip.
        predictions: the predicted classes of each clip.
        classes: class names.

    Raises:
        ValueError: the sequences differ in length, or a class is unknown.

    Example:
        >>> label_counts([["Dog", "Cat"], []], [["Dog"], ["Dog"]], classes=["Cat", "Dog"]).micro_f1()
        0.5
    """
    _check_lengths(ground_truth, predictions)
    place = {name: number for number, name in enumerate(classes)}
    for labels in [*ground_truth, *predictions]:
        if unknown := set(labels) - place.keys():
            raise ValueError(f"class {sorted(unknown)[0]!r} is not among {', '.join(classes)}")
    true, claimed = (np.zeros((len(ground_truth), len(classes)), np.int64) for _ in range(2))
    for table, clips in ((true, ground_truth), (claimed, predictions)):
        for row, labels in zip(table, clips, strict=True):
            row[[place[label] for label in labels]] = 1
    return ClipCounts(tuple(classes), true, claimed, true & claimed)


def intersection_counts(
    ground_truth: ClipEvents,
    predictions: ClipEvents,
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    dtc: float = 0.5,
    gtc: float = 0.5,
) -> ClipCounts:
    """Intersection-based counts, those of psds-eval at one operating point.

    A predicted event is false unless reference events of its class hold `dtc` of it; a reference event is correct when
    the others cover `gtc` of it. Predicted are correct and false ones together, as in psds-eval's F-score. Events of
    classes without any reference event are not counted.

    Args:
        ground_truth: events of each clip; those of one class must not overlap.
        predictions: predicted events of each clip, likewise.
        classes: class names.
        durations: lengths of the clips in seconds, `(clips,)`.
        dtc: share of a prediction that must lie in reference events.
        gtc: share of a reference event that predictions must cover.

    Raises:
        ValueError: lengths do not fit, an event is of an unknown class, or events of one class overlap.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> truth, found = [[Event(0.0, 3.0, "Dog")]], [[Event(1.0, 3.5, "Dog")]]
        >>> intersection_counts(truth, found, classes=["Dog"], durations=[9.0]).macro_f1()
        1.0
    """
    _check_lengths(ground_truth, predictions)
    references = References(ground_truth, classes, np.asarray(durations, np.float64))
    found = _flat(predictions, classes)
    if (found.onset > found.offset).any():
        raise ValueError(
            f"predictions, clip {found.clip[found.onset > found.offset][0]}: an event ends before it begins"
        )
    shape = (len(ground_truth), len(classes))
    correct, false = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for index in range(len(classes)):
        own = np.flatnonzero(found.label == index)
        if index not in references.present:  # nothing there that could be found
            false[:, index] = np.bincount(found.clip[own], minlength=len(ground_truth))
            continue
        own = own[np.lexsort((found.onset[own], found.clip[own]))]
        # Each clip is a point of its own: the counts of points are those of clips
        clips, row = np.unique(found.clip[own], return_inverse=True)
        detections = Detections(clips, clips, clips + 1, row, found.onset[own], found.offset[own])
        detections.check(classes[index])
        counter = ClassCounter(references, index, dtc, gtc, None)
        correct[:, index], false[:, index], _ = counter(detections, len(ground_truth))
    counted = _counted(references.clip, references.label, shape)
    return ClipCounts(tuple(classes), counted, correct + false, correct)


@dataclass(frozen=True)
class _Flat:
    """Events of all clips in their order, as arrays."""

    clip: NDArray[np.int64]
    label: NDArray[np.int64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]


def _flat(clips: ClipEvents, classes: Sequence[str]) -> _Flat:
    index = {name: number for number, name in enumerate(classes)}
    events = [event for own in clips for event in own]
    if unknown := {event.label for event in events} - set(index):
        raise ValueError(f"class {sorted(unknown)[0]!r} is not among {', '.join(classes)}")
    clip = np.repeat(np.arange(len(clips)), [len(own) for own in clips])
    label = np.array([index[event.label] for event in events], np.int64)
    times = np.array([(event.onset, event.offset) for event in events], np.float64).reshape(-1, 2)
    return _Flat(clip, label, times[:, 0], times[:, 1])


def _check_lengths(ground_truth, predictions):
    if len(ground_truth) != len(predictions):
        raise ValueError(f"ground truth of {len(ground_truth)} clips, predictions of {len(predictions)}")


def _counted(clip, label, shape):
    """How often each clip and label occur together, `(clips, classes)`."""
    return np.bincount(clip * shape[1] + label, minlength=shape[0] * shape[1]).reshape(shape)


def _pairs_of_clips(first, second, clips):
    """All pairs of items of the same clip: indices into both, in the order of the first, then of the second."""
    count = np.bincount(second, minlength=clips)
    start = np.cumsum(count) - count
    per_item = count[first]
    one = np.repeat(np.arange(len(first)), per_item)
    other = np.arange(len(one)) + np.repeat(start[first] - (np.cumsum(per_item) - per_item), per_item)
    return one, other


def _active_segments(events, segment, shape):
    """Segments in which each class of each clip is active, as distinct numbers; rounded as sed_eval does."""
    clips, classes = shape
    first = np.maximum(np.floor(events.onset * 1 / segment).astype(np.int64), 0)
    after = np.ceil(events.offset * 1 / segment).astype(np.int64)
    count = np.maximum(after - first, 0)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return np.unique((place * clips + np.repeat(events.clip, count)) * classes + np.repeat(events.label, count))
