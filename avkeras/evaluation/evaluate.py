"""All metrics of somebody's predictions, counted as sed_eval and psds-eval count (2022 paper, "metrics")."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.errors import AvkerasError
from avkeras.evaluation.all_thresholds import SegmentScores, detections_at_all_thresholds
from avkeras.evaluation.bounding_boxes import BoxSettings, bounding_boxes, boxes_as_segments
from avkeras.evaluation.clip_counts import ClipCounts, event_counts, intersection_counts, label_counts, segment_counts
from avkeras.evaluation.clip_probabilities import labels_of_probabilities, read_clip_probabilities
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import IntersectionChanges, exact_psd_roc, intersection_changes
from avkeras.evaluation.exact_segments import segment_changes
from avkeras.evaluation.inputs import EventSource, Inputs, PointSource, gather, listed
from avkeras.evaluation.metrics import labels_of
from avkeras.evaluation.operating_points import operating_points_of_detections, operating_points_of_events
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdRoc, PsdsSettings, psd_roc
from avkeras.evaluation.score_files import ClipScores, FrameScores, segments_of
from avkeras.evaluation.threshold_changes import ClassChanges

SCENARIOS: dict[str, PsdsSettings] = {"PSDS1": PSDS1, "PSDS2": PSDS2}


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Args:
        inputs: what was scored.
        counts: of `"clip"`, `"segment"` and `"event"`, and of `"intersection"` (dtc and gtc 0.5) where the clips'
            durations are known.
        offset_rule: of the event-based counts, see `avkeras.evaluation.clip_counts.event_counts`.
        rocs: PSD-ROCs by the name of their PSDS, empty without scores and operating points: `"PSDS1"` and `"PSDS2"`
            over 50 thresholds or the operating points given, and of scores `"PSDS1_all"` and `"PSDS2_all"` over all.
        changes: counts at all thresholds of scores, empty without: of `"segment"`, `"event"` and `"intersection"` (with
            the median filters of PSDS1), and of the tolerances of `"PSDS1"` and `"PSDS2"`.
        filters: median filters of the scores.
        boxes: settings of bounding boxes of the scores, or None.
        notes: what was interpreted, merged or left out, a line each.
    """

    inputs: Inputs
    counts: dict[str, ClipCounts]
    offset_rule: str
    rocs: dict[str, PsdRoc]
    changes: dict[str, ClassChanges | IntersectionChanges]
    filters: int | Sequence[int] | Mapping[str, int | Sequence[int]]
    boxes: Mapping[str, tuple[float, float, float]] | None
    notes: tuple[str, ...]

    @property
    def psds(self) -> dict[str, float]:
        """PSDS by name."""
        return {name: roc.score for name, roc in self.rocs.items()}

    def summary(self) -> dict[str, float]:
        """Returns the metrics that the 2022 paper's tables show, by their names there, and PSDS over all thresholds."""
        return {
            "CBF1": self.counts["clip"].micro_f1(),
            "SBF1": self.counts["segment"].micro_f1(),
            "EBF1": self.counts["event"].macro_f1(),
            **self.psds,
        }


def evaluate(
    predictions: EventSource,
    ground_truth: EventSource,
    *,
    durations: str | Path | Mapping[str, float] | None = None,
    scores: str | Path | FrameScores | ClipScores | None = None,
    points: PointSource | None = None,
    filters: int | Sequence[int] | Mapping[str, int | Sequence[int]] = 1,
    boxes: Mapping[str, tuple[float, float, float]] | None = None,
    classes: Sequence[str] | None = None,
    offset_rule: str = "larger",
    logits: bool = False,
    clip_probabilities: str | Path | Mapping[str, Mapping[str, float]] | None = None,
    clip_thresholds: float | Mapping[str, float] = 0.5,
    more_classes: Sequence[str] = (),
) -> Evaluation:
    """Score predicted events against the ground truth.

    The clips are those of the ground truth and all others that have a duration or scores: these are silent, and what
    is predicted in them is false. Clips are the same with and without folder and ending (`audio/a.wav`, `a`).

    Args:
        predictions: a file of events (`avkeras.evaluation.files`), or the events of each clip.
        ground_truth: likewise. Events of one class that overlap are counted one by one for event-based F1, as
            sed_eval does, and merged for intersection-based F1 and PSDS, which are not defined for them.
        durations: a file `filename duration`, or the seconds of each clip; needed for intersection-based F1 and PSDS.
        scores: a folder of score files (`avkeras.evaluation.score_files`), or frame scores, for PSDS.
            They must hold all clips; their ends stand in for durations that are not given.
        points: detected events at several thresholds, for PSDS in place of `scores`: a file with a column `threshold`,
            a folder with a file of events for each threshold, or events by threshold and clip.
        filters: sizes of median filters in frames for PSDS of scores, one for all classes or one for each of the
            scores'; or these for `"PSDS1"` and for `"PSDS2"`.
        boxes: settings of sound event bounding boxes for each class (length, absolute, relative, see
            `avkeras.evaluation.bounding_boxes.BoxSettings`): PSDS and figures over thresholds are then those of boxes.
        classes: the classes to score; events of others are left out. By default those of the ground truth and of
            the predictions, as in the DCASE scripts.
        offset_rule: see `avkeras.evaluation.clip_counts.event_counts`.
        logits: the score files hold logits.
        clip_probabilities: for clip-based F1 in place of the classes of the predicted events: a file
            (`avkeras.evaluation.clip_probabilities`), or the probability of each class by clip.
        clip_thresholds: of these, one or one for each class.
        more_classes: classes that are scored, too, where `classes` are not given.

    Raises:
        AvkerasError: a file has defects, or the files do not fit together.
        ValueError: an option has no meaning.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> truth = {"a": [Event(0.0, 2.0, "Dog")], "b": []}
        >>> evaluate({"a": [Event(0.1, 2.1, "Dog")]}, truth).summary()
        {'CBF1': 1.0, 'SBF1': 0.8, 'EBF1': 1.0}
    """
    if scores is not None and points is not None:
        raise AvkerasError("PSDS comes from scores or from operating points: give one of them")
    if scores is None and filters != 1:
        raise AvkerasError("median filters are for scores, which are not given")
    if boxes is not None and scores is None:
        raise AvkerasError("boxes are made of scores, which are not given")
    notes: list[str] = []
    heard_in = "the clip probabilities"
    if isinstance(clip_probabilities, str | Path):
        heard_in = str(clip_probabilities)
        clip_probabilities = read_clip_probabilities(clip_probabilities, notes=notes)
    columns = tuple(next(iter(clip_probabilities.values()))) if clip_probabilities else ()
    inputs = gather(
        predictions,
        ground_truth,
        durations=durations,
        scores=scores,
        points=points,
        classes=classes,
        more_classes=(*columns, *more_classes),
        logits=logits,
    )
    notes += inputs.notes
    heard = labels_of(inputs.predictions)
    if clip_probabilities:
        if lacking := sorted({event.label for events in inputs.truth for event in events} - set(columns)):
            raise AvkerasError(f"the clip probabilities have no column for {listed(lacking)} of the ground truth")
        heard = labels_of_probabilities(
            clip_probabilities, inputs.names, thresholds=clip_thresholds, what=heard_in, notes=notes
        )
        heard = [[label for label in labels if label in inputs.classes] for labels in heard]
    counts = {
        "clip": label_counts(labels_of(inputs.truth), heard, classes=inputs.classes),
        "segment": segment_counts(inputs.truth, inputs.predictions, classes=inputs.classes),
        "event": event_counts(inputs.truth, inputs.predictions, classes=inputs.classes, offset_rule=offset_rule),
    }
    if inputs.durations is not None:
        counts["intersection"] = intersection_counts(
            inputs.merged, inputs.merged_predictions, classes=inputs.classes, durations=inputs.durations
        )
    rocs: dict[str, PsdRoc] = {}
    changes: dict[str, ClassChanges | IntersectionChanges] = {}
    if (scores is not None or points is not None) and not any(inputs.truth):
        notes.append("no true event: PSDS is not defined")
    elif inputs.points:
        rocs = {name: _roc_of_points(inputs, settings) for name, settings in SCENARIOS.items()}
    elif inputs.scores is not None:
        if lacking := sorted(set(inputs.scored) - set(boxes if boxes is not None else inputs.scored)):
            raise AvkerasError(f"no settings of boxes for {listed(lacking)}")
        rocs, changes = _of_scores(inputs, filters, boxes, offset_rule)
    return Evaluation(inputs, counts, offset_rule, rocs, changes, filters, boxes, tuple(notes))


def _roc_of_points(inputs: Inputs, settings: PsdsSettings) -> PsdRoc:
    counted = operating_points_of_events(
        inputs.points, inputs.merged, classes=inputs.classes, durations=inputs.durations, settings=settings
    )
    return _roc(counted, settings)


def scenario_detections(inputs: Inputs, filters, boxes) -> Iterator[tuple[str, PsdsSettings, SegmentScores, list]]:
    """For each PSDS its name, its settings, the scores after post-processing and the detections at all thresholds."""
    before = segments = detections = None
    for name, settings in SCENARIOS.items():
        sizes = filters[name] if isinstance(filters, Mapping) else filters
        if segments is None or sizes != before:
            segments, before = segments_of(inputs.scores, classes=inputs.scored, filters=sizes), sizes
            if boxes is None:
                detections = detections_at_all_thresholds(segments)
            else:
                settings_of = BoxSettings(*zip(*(boxes[label] for label in inputs.scored), strict=True))
                detections = bounding_boxes(segments, settings_of)
                segments = boxes_as_segments(detections, inputs.durations)
        yield name, settings, segments, detections


def _of_scores(inputs: Inputs, filters, boxes, offset_rule: str):
    """PSD-ROCs over 50 and over all thresholds, and the counts at all thresholds."""
    options = {"classes": inputs.scored, "durations": inputs.durations}
    rocs, exact = {}, {}
    changes: dict[str, ClassChanges | IntersectionChanges] = {}
    for name, settings, segments, detections in scenario_detections(inputs, filters, boxes):
        if not changes:
            shared = {"detections": detections, "classes": inputs.scored}
            changes = {
                "segment": segment_changes(segments, inputs.truth, **options),
                "event": event_changes(segments, inputs.truth, offset_rule=offset_rule, **shared),
                "intersection": intersection_changes(
                    segments, inputs.merged, detections=detections, dtc=0.5, gtc=0.5, cttc=None, **options
                ),
            }
        rocs[name] = _roc(
            operating_points_of_detections(detections, inputs.merged, settings=settings, **options), settings
        )
        changes[name] = intersection_changes(
            segments,
            inputs.merged,
            dtc=settings.dtc,
            gtc=settings.gtc,
            cttc=settings.cttc if settings.alpha_ct else None,
            detections=detections,
            **options,
        )
        exact[f"{name}_all"] = exact_psd_roc(
            changes[name], alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr
        )
    return rocs | exact, changes


def _roc(counted, settings) -> PsdRoc:
    return psd_roc(counted, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr)
