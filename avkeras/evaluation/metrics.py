"""The F1 metrics that are reported: event- and segment-based by sed_eval, clip-based, intersection-based.

The calls of sed_eval are slow; the same numbers come fast, for many settings at once, from `avkeras.evaluation.search`.

Ground truth and predictions are sequences with the events of one clip each, in the same order.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avkeras.data.manifest import Event
from avkeras.evaluation.event_counts import OFFSET_SHARE, ONSET_COLLAR, SEGMENT
from avkeras.evaluation.operating_points import operating_points_of_events
from avkeras.evaluation.psds import PsdsSettings

ClipEvents = Sequence[Sequence[Event]]


@dataclass(frozen=True)
class Counts:
    """Numbers of reference, predicted and correct items (events, segments or clips) of one class."""

    references: int
    predicted: int
    correct: int


@dataclass(frozen=True)
class F1Report:
    """F1 over all items (micro), averaged over the classes that have references (macro), and of each class.

    Args:
        micro: of all items together; 0 where there is neither reference nor prediction.
        macro: mean of `per_class` over the classes with references.
        per_class: by class; NaN for a class without references.
        counts: by class.
    """

    micro: float
    macro: float
    per_class: dict[str, float]
    counts: dict[str, Counts]


def event_f1(
    ground_truth: ClipEvents,
    predictions: ClipEvents,
    *,
    classes: Sequence[str],
    collar: float = ONSET_COLLAR,
    share: float = OFFSET_SHARE,
) -> F1Report:
    """Event-based F1 by sed_eval (2022 paper: EBF1 is its `macro`).

    Args:
        ground_truth: events of each clip.
        predictions: predicted events of each clip.
        classes: class names.
        collar: tolerance of onset and offset, seconds.
        share: tolerance of the offset as a share of the event's length, where that is more.

    Raises:
        ValueError: the sequences differ in length, or an event is of an unknown class.

    Example:
        >>> event_f1([[Event(1.0, 2.0, "Dog")]], [[Event(1.1, 2.1, "Dog")]], classes=["Dog"]).macro
        1.0
    """
    metric = _sound_event().EventBasedMetrics(
        event_label_list=list(classes),
        t_collar=collar,
        percentage_of_length=share,
        event_matching_type="optimal",
        empty_system_output_handling="zero_score",
    )
    return _run_sed_eval(metric, ground_truth, predictions, classes)


def segment_f1(
    ground_truth: ClipEvents, predictions: ClipEvents, *, classes: Sequence[str], segment: float = SEGMENT
) -> F1Report:
    """Segment-based F1 by sed_eval (2022 paper: SBF1 is its `micro`); arguments as for `event_f1`.

    Args:
        ground_truth: events of each clip.
        predictions: predicted events of each clip.
        classes: class names.
        segment: length of a segment, seconds.

    Raises:
        ValueError: the sequences differ in length, or an event is of an unknown class.

    Example:
        >>> segment_f1([[Event(0.0, 3.0, "Dog")]], [[Event(0.5, 1.9, "Dog")]], classes=["Dog"]).micro
        0.8
    """
    metric = _sound_event().SegmentBasedMetrics(event_label_list=list(classes), time_resolution=segment)
    metric.empty_system_output_handling = "zero_score"  # its constructor takes no such argument
    return _run_sed_eval(metric, ground_truth, predictions, classes)


def clip_f1(
    ground_truth: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], *, classes: Sequence[str]
) -> F1Report:
    """Clip-based F1 of the classes heard in each clip (2022 paper: CBF1 is its `micro`).

    Args:
        ground_truth: the classes of each clip.
        predictions: the predicted classes of each clip.
        classes: class names.

    Raises:
        ValueError: the sequences differ in length, or a class is unknown.

    Example:
        >>> clip_f1([["Dog", "Cat"], []], [["Dog"], ["Dog"]], classes=["Cat", "Dog"]).micro
        0.5
    """
    check_labels(ground_truth, predictions, classes)
    counts = {}
    for name in classes:
        true = np.array([name in labels for labels in ground_truth], bool)
        claimed = np.array([name in labels for labels in predictions], bool)
        counts[name] = Counts(int(true.sum()), int(claimed.sum()), int((true & claimed).sum()))
    return _report(counts)


def intersection_f1(
    ground_truth: ClipEvents,
    predictions: ClipEvents,
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    dtc: float = 0.5,
    gtc: float = 0.5,
) -> F1Report:
    """Intersection-based F1 with the counts of psds-eval.

    A class of which nothing is correct counts as 0 in `macro`; psds-eval divides 0 by 0 there and leaves it out.

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
        >>> truth, found = [[Event(0.0, 3.0, "Dog")]], [[Event(1.0, 3.5, "Dog")]]
        >>> intersection_f1(truth, found, classes=["Dog"], durations=[9.0]).macro
        1.0
    """
    settings = PsdsSettings(dtc=dtc, gtc=gtc, cttc=None)
    points = operating_points_of_events(
        [predictions], ground_truth, classes=classes, durations=durations, settings=settings
    )
    counts = {name: Counts(0, 0, 0) for name in classes}
    for index, name in enumerate(points.classes):
        correct, false = int(points.correct[0, index]), int(points.false_positives[0, index])
        counts[name] = Counts(int(points.references[index]), correct + false, correct)
    return _report(counts)


def _sound_event():
    """The module of sed_eval that scores events; importing it makes old packages warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        warnings.filterwarnings("ignore", "Deprecated call to `pkg_resources", DeprecationWarning)
        import sed_eval.sound_event
    return sed_eval.sound_event


def _run_sed_eval(metric, ground_truth, predictions, classes) -> F1Report:
    check_labels(labels_of(ground_truth), labels_of(predictions), classes)
    for true, claimed in zip(ground_truth, predictions, strict=True):
        if true or claimed:
            metric.evaluate(_dicts(true), _dicts(claimed))
    per_class, counts = {}, {}
    for name in classes:
        found = metric.class_wise[name]
        counts[name] = Counts(int(found["Nref"]), int(found["Nsys"]), int(found["Ntp"]))
        per_class[name] = metric.class_wise_f_measure(name)["f_measure"]
    micro = metric.overall_f_measure()["f_measure"]
    return F1Report(0.0 if np.isnan(micro) else float(micro), _mean(per_class), per_class, counts)


def _report(counts: dict[str, Counts]) -> F1Report:
    per_class = {
        name: 2 * count.correct / (count.references + count.predicted) if count.references else float("nan")
        for name, count in counts.items()
    }
    claimed_and_true = sum(count.references + count.predicted for count in counts.values())
    micro = 2 * sum(count.correct for count in counts.values()) / max(claimed_and_true, 1)
    return F1Report(micro, _mean(per_class), per_class, counts)


def _mean(per_class: dict[str, float]) -> float:
    values = [value for value in per_class.values() if not np.isnan(value)]
    return float(np.mean(values)) if values else 0.0


def check_labels(
    ground_truth: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], classes: Sequence[str]
) -> None:
    """Refuse labels of clips that differ in number or that are not among the classes (`ValueError`)."""
    if len(ground_truth) != len(predictions):
        raise ValueError(f"ground truth of {len(ground_truth)} clips, predictions of {len(predictions)}")
    for what, clips in (("ground truth", ground_truth), ("predictions", predictions)):
        if unknown := {label for labels in clips for label in labels} - set(classes):
            raise ValueError(f"{what}: unknown classes {', '.join(sorted(unknown))}; known: {', '.join(classes)}")


def labels_of(clips: ClipEvents) -> list[list[str]]:
    """Returns the labels of the events of each clip."""
    return [[event.label for event in events] for events in clips]


def _dicts(events: Sequence[Event]) -> list[dict]:
    return [{"onset": event.onset, "offset": event.offset, "event_label": event.label} for event in events]
