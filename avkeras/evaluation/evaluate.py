"""All metrics of somebody's predictions: F1 by sed_eval, PSDS by psds-eval (2022 paper, "metrics")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.files import FrameScores, read_durations, read_events, read_scores
from avkeras.evaluation.metrics import F1Report, clip_f1, event_f1, intersection_f1, labels_of, segment_f1
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, THRESHOLDS, PsdsSettings
from avkeras.evaluation.reference_psds import reference_psds

EventFile = str | Path | Mapping[str, Sequence[Event]]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Args:
        classes: class names.
        clips: number of clips.
        silent_clips: clips that the predictions do not name; they count as clips in which nothing was found.
        event: event-based F1.
        segment: segment-based F1.
        clip: clip-based F1 of the classes of the events.
        intersection: intersection-based F1 (dtc and gtc 0.5); None without durations.
        psds: PSDS by name; empty without scores.
    """

    classes: tuple[str, ...]
    clips: int
    silent_clips: int
    event: F1Report
    segment: F1Report
    clip: F1Report
    intersection: F1Report | None
    psds: dict[str, float]

    def summary(self) -> dict[str, float]:
        """Returns the metrics that the 2022 paper's tables show, by their names there."""
        return {"CBF1": self.clip.micro, "SBF1": self.segment.micro, "EBF1": self.event.macro, **self.psds}


def evaluate(
    predictions: EventFile,
    ground_truth: EventFile,
    *,
    durations: str | Path | Mapping[str, float] | None = None,
    scores: str | Path | FrameScores | None = None,
    filters: int | Sequence[int] | Mapping[str, Sequence[int]] = 1,
    classes: Sequence[str] | None = None,
) -> Evaluation:
    """Score predicted events against the ground truth.

    Args:
        predictions: a file in the form of DCASE, or the events of each clip.
        ground_truth: likewise.
        durations: a file `filename duration`, or the seconds of each clip; needed for intersection-based F1 and PSDS.
        scores: a folder of score files, or frame scores, for PSDS at 50 thresholds. It must hold all clips of the
            ground truth, by their names or by these without extension (`a.tsv` for `a.wav`); its durations stand in
            for `durations` where that is not given.
        filters: sizes of the median filters in frames for PSDS, one for all classes or one for each of the scores'; or
            these for `PSDS1` and for `PSDS2`.
        classes: class names; by default those of the ground truth.

    Raises:
        AvkerasError: a file has defects, or the files do not fit together.
        ValueError: PSDS is asked for, and events of one class overlap in the ground truth.

    Example:
        >>> truth = {"a": [Event(0.0, 2.0, "Dog")], "b": []}
        >>> evaluate({"a": [Event(0.1, 2.1, "Dog")]}, truth).summary()
        {'CBF1': 1.0, 'SBF1': 0.8, 'EBF1': 1.0}
    """
    found = read_events(predictions) if isinstance(predictions, str | Path) else predictions
    truth = read_events(ground_truth) if isinstance(ground_truth, str | Path) else ground_truth
    if isinstance(durations, str | Path):
        durations = read_durations(durations)
    if isinstance(scores, str | Path):
        scores = read_scores(scores)
    names = tuple(truth)
    place: dict[str, int] = {}
    if scores is not None:
        index = {name: number for number, name in enumerate(scores.clips)}
        place = {name: index[key] for name in names for key in (Path(name).stem, name) if key in index}
        _refuse_missing("scores are missing for clips of the ground truth", truth, place)
        if durations is None:
            durations = {name: float(scores.durations[number]) for name, number in place.items()}
    _refuse_missing("predictions name clips that the ground truth does not", found, truth)
    if durations is not None:
        _refuse_missing("durations are missing for clips of the ground truth", truth, durations)
    known = sorted({event.label for events in truth.values() for event in events})
    classes = tuple(classes) if classes is not None else tuple(known)
    _refuse_missing("the ground truth names classes that are not among the given ones", known, classes)
    predicted = {event.label for events in found.values() for event in events}
    _refuse_missing("predictions name classes that are not among those of the ground truth", predicted, classes)

    true = [tuple(truth[name]) for name in names]
    claimed = [tuple(found.get(name, ())) for name in names]
    seconds = None if durations is None else [durations[name] for name in names]
    return Evaluation(
        classes=classes,
        clips=len(names),
        silent_clips=sum(name not in found for name in names),
        event=event_f1(true, claimed, classes=classes),
        segment=segment_f1(true, claimed, classes=classes),
        clip=clip_f1(labels_of(true), labels_of(claimed), classes=classes),
        intersection=None if seconds is None else intersection_f1(true, claimed, classes=classes, durations=seconds),
        psds={} if scores is None else _psds(true, scores, [place[name] for name in names], seconds, filters),
    )


def _psds(true, scores: FrameScores, order, seconds, filters) -> dict[str, float]:
    _refuse_missing(
        "the ground truth names classes that the scores lack",
        {event.label for events in true for event in events},
        scores.classes,
    )
    options = {
        "classes": scores.classes,
        "seconds_per_frame": scores.seconds_per_frame,
        "durations": seconds,
    }
    settings: dict[str, PsdsSettings] = {"PSDS1": PSDS1, "PSDS2": PSDS2}
    found, points = {}, []
    for name, value in settings.items():
        if not points or isinstance(filters, Mapping):
            sizes = filters[name] if isinstance(filters, Mapping) else filters
            points = [
                decode_events(scores.scores[order], thresholds=threshold, filters=sizes, **options)
                for threshold in THRESHOLDS
            ]
        found[name] = reference_psds(true, points, classes=scores.classes, durations=seconds, settings=value)
    return found


def _refuse_missing(what: str, wanted, there) -> None:
    """An error that names the first of those wanted that are not there, and how many there are."""
    if missing := sorted(set(wanted) - set(there)):
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise AvkerasError(f"{what}: {', '.join(missing[:5])}{more}")
