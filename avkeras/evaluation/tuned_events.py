"""Events from scores by what a validation set tunes: thresholds with median filters, bounding boxes, hysteresis."""

from dataclasses import dataclass
from pathlib import Path

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.bounding_boxes import BoxSettings, bounding_boxes, boxes_above, tune_bounding_boxes
from avkeras.evaluation.evaluate import SCENARIOS
from avkeras.evaluation.hysteresis import HysteresisSettings, decode_hysteresis, search_hysteresis
from avkeras.evaluation.inputs import EventSource, Inputs, gather
from avkeras.evaluation.operating_points import best_psds_filters
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1
from avkeras.evaluation.score_files import ClipScores, FrameScores, frames_of, load_scores, segments_of, sizes_of
from avkeras.evaluation.search import search_settings

KINDS = ("median", "boxes", "hysteresis")


@dataclass(frozen=True)
class TunedEvents:
    """What was chosen on validation; one value per class in the order of `classes`.

    Args:
        kind: one of `KINDS`.
        classes: class names.
        thresholds: of `"median"` for frames, of `"boxes"` for confidences; empty otherwise.
        filters: of `"median"`, in frames, for the events; empty otherwise.
        psds_filters: of `"median"`, in frames, by the name of the PSDS; empty otherwise.
        boxes: of `"boxes"`, for the events; None otherwise.
        psds_boxes: of `"boxes"`, for PSDS; None otherwise.
        hysteresis: of `"hysteresis"`; None otherwise.
    """

    kind: str
    classes: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    filters: tuple[int, ...] = ()
    psds_filters: dict[str, tuple[int, ...]] | None = None
    boxes: BoxSettings | None = None
    psds_boxes: BoxSettings | None = None
    hysteresis: HysteresisSettings | None = None

    def events(self, scores: ClipScores) -> dict[str, tuple[Event, ...]]:
        """Decides the events of each clip.

        Args:
            scores: of any clips, with at least the classes that were tuned.

        Raises:
            AvkerasError: the scores lack a class.
            ManifestError: frames are not equally long, which median filters and hysteresis need.
        """
        if lacking := sorted(set(self.classes) - set(scores.classes)):
            raise AvkerasError(f"the scores lack classes that were tuned on validation: {', '.join(lacking)}")
        if self.kind == "boxes":
            found = bounding_boxes(segments_of(scores, classes=self.classes), self.boxes)
            clips = boxes_above(found, classes=self.classes, clips=len(scores.tables), thresholds=self.thresholds)
        else:
            frames = frames_of(scores)
            options = _options(frames, self.classes)
            if self.kind == "median":
                clips = decode_events(**options, thresholds=self.thresholds, filters=self.filters)
            else:
                clips = decode_hysteresis(**options, settings=self.hysteresis)
        return dict(zip(scores.tables, clips, strict=True))

    def filters_of(self, scores: ClipScores) -> dict[str, tuple[int, ...]] | int:
        """Returns what `evaluate` takes as the filters of these scores."""
        if self.psds_filters is None:
            return 1
        return {name: sizes_of(scores, self.classes, sizes) for name, sizes in self.psds_filters.items()}

    def boxes_by_class(self) -> dict[str, tuple[float, float, float]] | None:
        """Returns what `evaluate` takes as the settings of boxes."""
        if self.psds_boxes is None:
            return None
        columns = self.psds_boxes.lengths, self.psds_boxes.absolute, self.psds_boxes.relative
        return dict(zip(self.classes, zip(*columns, strict=True), strict=True))

    def summary(self) -> str:
        """Returns the settings of each class in a line."""
        if self.kind == "median":
            columns = {"threshold": self.thresholds, "filter": self.filters}
        elif self.kind == "boxes":
            settings = self.boxes
            columns = {"step filter": settings.lengths, "absolute": settings.absolute, "relative": settings.relative}
            columns["threshold"] = tuple(round(value, 4) for value in self.thresholds)
        else:
            settings = self.hysteresis
            columns = {"high": settings.high, "low": settings.low, "gap": settings.gaps, "least": settings.least}
        rows = [
            f"{name} " + " ".join(f"{key} {column[place]:g}" for key, column in columns.items())
            for place, name in enumerate(self.classes)
        ]
        return f"{self.kind}: {'; '.join(rows)}"


def tune_events(
    kind: str, truth: EventSource, scores: str | Path | FrameScores | ClipScores, *, logits: bool = False
) -> TunedEvents:
    """Choose the settings of each class on a validation set: event-based F1 for the events, PSDS for PSDS.

    Args:
        kind: `"median"` (9 thresholds and 16 filters, as the 2022 paper), `"boxes"` (sound event bounding boxes) or
            `"hysteresis"` (two thresholds, gaps filled, short events dropped).
        truth: true events of the validation set, see `avkeras.evaluation.evaluate.evaluate`.
        scores: its scores, likewise.
        logits: the score files hold logits.

    Raises:
        AvkerasError: a file has defects, or the files do not fit together.
        ValueError: the kind is unknown.

    Example:
        >>> truth = {"a": [Event(1.0, 3.0, "Dog")]}
        >>> scores = FrameScores(("a",), ("Dog",), np.array([[[0.1], [0.8], [0.7], [0.3]]]), 1.0, np.array([4.0]))
        >>> tune_events("median", truth, scores).summary()
        'median: Dog threshold 0.7 filter 1'
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: choose from {', '.join(KINDS)}")
    if isinstance(scores, str | Path):
        scores = load_scores(scores, logits=logits)
    inputs = gather({}, truth, scores=scores, more_classes=scores.classes)
    classes = tuple(inputs.scored)
    if not any(inputs.truth):
        raise AvkerasError("the validation set has no event: nothing can be tuned on it")
    if kind == "boxes":
        segments = segments_of(inputs.scores, classes=classes)
        options = {"classes": classes, "durations": inputs.durations}
        boxes, _, thresholds = tune_bounding_boxes(segments, inputs.merged, metric="event", **options)
        psds_boxes, _, _ = tune_bounding_boxes(segments, inputs.merged, metric=PSDS1, **options)
        return TunedEvents(kind, classes, tuple(thresholds.tolist()), boxes=boxes, psds_boxes=psds_boxes)
    return _tune_frames(kind, inputs, classes)


def _tune_frames(kind: str, inputs: Inputs, classes: tuple[str, ...]) -> TunedEvents:
    options = _options(frames_of(inputs.scores), classes)
    if kind == "hysteresis":
        return TunedEvents(kind, classes, hysteresis=search_hysteresis(ground_truth=inputs.truth, **options)[0])
    found = search_settings(ground_truth=inputs.truth, metrics=("event",), **options)["event"]
    thresholds, filters, _ = found.best()
    psds_filters = {
        name: tuple(best_psds_filters(ground_truth=inputs.merged, settings=settings, **options)[0].tolist())
        for name, settings in SCENARIOS.items()
    }
    return TunedEvents(kind, classes, tuple(thresholds.tolist()), tuple(filters.tolist()), psds_filters)


def _options(frames: FrameScores, classes) -> dict:
    return {
        "scores": frames.scores[:, :, [frames.classes.index(name) for name in classes]],
        "classes": classes,
        "seconds_per_frame": frames.seconds_per_frame,
        "durations": frames.durations,
    }
