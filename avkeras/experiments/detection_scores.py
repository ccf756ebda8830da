"""Post-processing tuned on validation, and the five metrics of the 2022 paper on any part of the test clips."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import Event
from avkeras.evaluation.hysteresis import HysteresisSettings, decode_hysteresis, search_hysteresis
from avkeras.evaluation.metrics import clip_f1, event_f1, segment_f1
from avkeras.evaluation.operating_points import best_psds_filters, operating_points_of_events
from avkeras.evaluation.postprocess import THRESHOLDS, decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, THRESHOLDS as PSDS_THRESHOLDS, psds
from avkeras.evaluation.search import search_settings
from avkeras.evaluation.thresholds import best_class_thresholds
from avkeras.runs.files import read_json, write_json

DECISIONS = ("median", "double", "fixed")
FIXED_THRESHOLD, FIXED_FILTER = 0.5, 7
METRICS = ("CBF1", "SBF1", "EBF1", "PSDS1", "PSDS2")
_PSDS = {"PSDS1": PSDS1, "PSDS2": PSDS2}

Probabilities = Mapping[str, np.ndarray]  # "clip" (clips, classes), "frame" (clips, vectors, classes)


@dataclass(frozen=True)
class Tuning:
    """What was chosen on the validation clips; one value per class in the order of `classes`.

    Args:
        classes: class names.
        seconds_per_vector: length of a frame of the model's output.
        weight: of the audio encoder in inference.
        weight_scores: event-based F1 on validation by weight.
        clip_thresholds: for the clip probabilities (CBF1).
        segment_thresholds: for the frame probabilities (SBF1).
        segment_filters: median filters in frames (SBF1).
        event_thresholds: for the frame probabilities (EBF1).
        event_filters: median filters in frames (EBF1).
        psds_filters: median filters in frames by name of the PSDS.
        decision: rule by which frames become events: `median`, `double` or `fixed`.
        hysteresis: of `double`, by metric (`segment`, `event`): `high`, `low`, `gaps` and `least` per class, see
            `avkeras.evaluation.hysteresis.HysteresisSettings`; the thresholds and filters above are then not used.
    """

    classes: tuple[str, ...]
    seconds_per_vector: float
    weight: float
    weight_scores: dict[str, float]
    clip_thresholds: tuple[float, ...]
    segment_thresholds: tuple[float, ...]
    segment_filters: tuple[int, ...]
    event_thresholds: tuple[float, ...]
    event_filters: tuple[int, ...]
    psds_filters: dict[str, tuple[int, ...]]
    decision: str = "median"
    hysteresis: dict[str, dict[str, tuple[float, ...]]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """Reads what `write` wrote."""
        return cls.of(read_json(path))

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Tuning":
        """Returns it from its fields as JSON has them."""
        fields = dict(fields)
        levels = {
            metric: {name: tuple(values) for name, values in settings.items()}
            for metric, settings in fields.pop("hysteresis", {}).items()
        }
        filters = {name: tuple(sizes) for name, sizes in fields.pop("psds_filters").items()}
        fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return cls(**fields, psds_filters=filters, hysteresis=levels)

    def events(self, frame: np.ndarray, *, durations=None, metric: str = "event") -> list[tuple[Event, ...]]:
        """Returns the events of each clip as they are decided for the `event`- or the `segment`-based metric."""
        options = {
            "classes": self.classes,
            "seconds_per_frame": self.seconds_per_vector,
            "durations": durations,
        }
        if self.decision == "double":
            return decode_hysteresis(frame, settings=HysteresisSettings(**self.hysteresis[metric]), **options)
        return decode_events(
            frame,
            thresholds=getattr(self, f"{metric}_thresholds"),
            filters=getattr(self, f"{metric}_filters"),
            **options,
        )

    def labels(self, clip: np.ndarray) -> list[tuple[str, ...]]:
        """Returns the classes of each clip, from its clip probabilities."""
        decided = np.asarray(clip, np.float64) >= np.array(self.clip_thresholds)
        return [tuple(np.array(self.classes)[row]) for row in decided]


def fixed_event_f1(clips: DetectionSet, predicted: Probabilities) -> float:
    """Returns event-based F1 at 0.5 with a median filter of 7 frames, as DCASE 2020 task 4's baseline decides."""
    events = decode_events(
        predicted["frame"],
        classes=clips.classes,
        seconds_per_frame=clips.seconds_per_vector,
        thresholds=FIXED_THRESHOLD,
        filters=FIXED_FILTER,
        durations=clips.durations,
    )
    return event_f1(clips.events, events, classes=clips.classes).macro


def tune(clips: DetectionSet, predicted: Mapping[float, Probabilities], *, decision: str = "median") -> Tuning:
    """Chooses the audio weight by event-based F1, then thresholds and filters per class and metric (2022, section 3).

    Args:
        clips: of validation, with their true events.
        predicted: probabilities of these clips by audio weight.
        decision: rule by which frames become events, one of `DECISIONS`; `fixed` leaves only the audio weight open.

    Returns:
        The choice; of equally good weights the first.
    """
    options = {
        "classes": clips.classes,
        "seconds_per_frame": clips.seconds_per_vector,
        "durations": clips.durations,
    }
    found = {weight: search_settings(given["frame"], clips.events, **options) for weight, given in predicted.items()}
    scores = {}
    for weight, results in found.items():
        heard = results["event"].references > 0
        scores[weight] = float(results["event"].best()[2][heard].mean()) if heard.any() else 0.0
    weight = max(scores, key=scores.__getitem__)
    given, results = predicted[weight], found[weight]
    chosen = {}
    for metric in ("segment", "event"):
        thresholds, filters, _ = results[metric].best()
        chosen |= {f"{metric}_thresholds": tuple(thresholds.tolist()), f"{metric}_filters": tuple(filters.tolist())}
    clip_thresholds, _ = best_class_thresholds(clips.targets, given["clip"], grid=THRESHOLDS)
    psds_filters = {
        name: tuple(best_psds_filters(given["frame"], clips.events, settings=settings, **options)[0].tolist())
        for name, settings in _PSDS.items()
    }
    if decision == "fixed":
        every = len(clips.classes)
        clip_thresholds = np.full(every, FIXED_THRESHOLD)
        psds_filters = {name: (FIXED_FILTER,) * every for name in _PSDS}
        for metric in ("segment", "event"):
            chosen |= {f"{metric}_thresholds": (FIXED_THRESHOLD,) * every, f"{metric}_filters": (FIXED_FILTER,) * every}
    hysteresis = {}
    if decision == "double":
        for metric in ("segment", "event"):
            settings, _ = search_hysteresis(given["frame"], clips.events, metric=metric, **options)
            hysteresis[metric] = dataclasses.asdict(settings)
    return Tuning(
        classes=clips.classes,
        seconds_per_vector=clips.seconds_per_vector,
        weight=weight,
        weight_scores={str(weight): score for weight, score in scores.items()},
        clip_thresholds=tuple(clip_thresholds.tolist()),
        psds_filters=psds_filters,
        decision=decision,
        hysteresis=hysteresis,
        **chosen,
    )


def score(
    clips: DetectionSet, predicted: Probabilities, tuning: Tuning, *, parts: Mapping[str, np.ndarray]
) -> list[dict[str, str | int | float]]:
    """Scores parts of the clips: F1 by sed_eval, PSDS as psds-eval counts it.

    Args:
        clips: of test, with their true events.
        predicted: their probabilities.
        tuning: from validation.
        parts: which clips, `(clips,)` boolean, by name; one without clips gives no row.

    Returns:
        For each part `part`, `clips` and the `METRICS`, in [0, 1].
    """
    frame, durations = predicted["frame"], clips.durations
    labels = tuning.labels(predicted["clip"])
    segments = tuning.events(frame, durations=durations, metric="segment")
    events = tuning.events(frame, durations=durations)
    points = {
        name: [
            decode_events(
                frame,
                classes=clips.classes,
                seconds_per_frame=clips.seconds_per_vector,
                thresholds=threshold,
                filters=tuning.psds_filters[name],
                durations=durations,
            )
            for threshold in PSDS_THRESHOLDS
        ]
        for name in _PSDS
    }
    rows = []
    for part, chosen in parts.items():
        places = np.flatnonzero(chosen)
        if not len(places):
            continue

        def of(values: Sequence, places=places) -> list:
            return [values[place] for place in places]

        truth = of(clips.events)
        heard = of([clip.labels for clip in clips.clips])
        row = {
            "part": part,
            "clips": len(places),
            "CBF1": clip_f1(heard, of(labels), classes=clips.classes).micro,
            "SBF1": segment_f1(truth, of(segments), classes=clips.classes).micro,
            "EBF1": event_f1(truth, of(events), classes=clips.classes).macro,
        }
        for name, settings in _PSDS.items():
            counts = operating_points_of_events(
                [of(point) for point in points[name]],
                truth,
                classes=clips.classes,
                durations=durations[places],
                settings=settings,
            )
            row[name] = psds(counts, settings)
        rows.append(row)
    return rows
