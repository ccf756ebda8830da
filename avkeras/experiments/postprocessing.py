"""Other ways from frame probabilities to events than the paper's median filters, tuned on validation as these are."""

from collections.abc import Mapping, Sequence

import numpy as np

from avkeras.data.detection_set import DetectionSet
from avkeras.errors import AvkerasError
from avkeras.evaluation.all_thresholds import SegmentScores, frame_segments
from avkeras.evaluation.bounding_boxes import bounding_boxes, boxes_above, tune_bounding_boxes
from avkeras.evaluation.clip_counts import event_counts, segment_counts
from avkeras.evaluation.hysteresis import decode_hysteresis, search_hysteresis
from avkeras.evaluation.operating_points import operating_points_of_detections
from avkeras.evaluation.psds import PSDS1, PSDS2, psds

POSTPROCESSING = ("boxes", "hysteresis")

Row = dict[str, str | int | float]


def score_postprocessing(
    names: Sequence[str],
    validation: DetectionSet,
    tuned_on: np.ndarray,
    test: DetectionSet,
    frame: np.ndarray,
    *,
    parts: Mapping[str, np.ndarray],
) -> list[Row]:
    """Tunes each way on validation, metric by metric, and scores it on parts of the test clips.

    Args:
        names: of `POSTPROCESSING`: sound event bounding boxes, or two thresholds with gaps filled.
        validation: clips with their true events.
        tuned_on: their frame probabilities, `(clips, vectors, classes)`.
        test: clips with their true events.
        frame: their frame probabilities.
        parts: which clips, `(clips,)` boolean, by name; one without clips gives no row.

    Returns:
        For each way and part `part`, `postprocessing`, `clips` and the metrics that the way has: bounding boxes EBF1
        and both PSDS (50 thresholds on the confidence), hysteresis SBF1 and EBF1. The others are empty.

    Raises:
        AvkerasError: a name is unknown.
    """
    check_postprocessing(names)
    places = {part: np.flatnonzero(chosen) for part, chosen in parts.items() if np.any(chosen)}
    rows = []
    for name in names:
        own = (_boxes if name == "boxes" else _hysteresis)(validation, tuned_on, test, frame, places)
        for part, values in own.items():
            row: Row = {"part": part, "postprocessing": name, "clips": len(places[part])}
            rows.append(row | {metric: values.get(metric, "") for metric in ("SBF1", "EBF1", "PSDS1", "PSDS2")})
    return rows


def check_postprocessing(names: Sequence[str]) -> None:
    """An `AvkerasError` where a name is not one of `POSTPROCESSING`."""
    if unknown := sorted(set(names) - set(POSTPROCESSING)):
        raise AvkerasError(f"postprocessing: unknown {unknown[0]!r}; choose from {', '.join(POSTPROCESSING)}")


def _segments(clips: DetectionSet, frame: np.ndarray) -> SegmentScores:
    return frame_segments(
        frame, classes=clips.classes, seconds_per_frame=clips.seconds_per_vector, durations=clips.durations
    )


def _boxes(validation, tuned_on, test, frame, places):
    learned, segments = _segments(validation, tuned_on), _segments(test, frame)
    options = {"classes": validation.classes, "durations": validation.durations}
    found: dict[str, dict[str, float]] = {part: {} for part in places}
    settings, _, thresholds = tune_bounding_boxes(learned, validation.events, metric="event", **options)
    events = boxes_above(
        bounding_boxes(segments, settings), classes=test.classes, clips=len(test.events), thresholds=thresholds
    )
    for part, chosen in places.items():
        truth = [test.events[place] for place in chosen]
        counts = event_counts(truth, [events[place] for place in chosen], classes=test.classes)
        found[part]["EBF1"] = counts.macro_f1()
    for name, scenario in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        settings, _, _ = tune_bounding_boxes(learned, validation.events, metric=scenario, **options)
        for part, chosen in places.items():
            points = operating_points_of_detections(
                bounding_boxes(segments.take(chosen), settings),
                [test.events[place] for place in chosen],
                classes=test.classes,
                durations=test.durations[chosen],
                settings=scenario,
            )
            found[part][name] = psds(points, scenario)
    return found


def _hysteresis(validation, tuned_on, test, frame, places):
    found: dict[str, dict[str, float]] = {part: {} for part in places}
    for metric in ("segment", "event"):
        settings, _ = search_hysteresis(
            tuned_on,
            validation.events,
            classes=validation.classes,
            seconds_per_frame=validation.seconds_per_vector,
            durations=validation.durations,
            metric=metric,
        )
        events = decode_hysteresis(
            frame,
            classes=test.classes,
            seconds_per_frame=test.seconds_per_vector,
            durations=test.durations,
            settings=settings,
        )
        for part, chosen in places.items():
            pair = [test.events[place] for place in chosen], [events[place] for place in chosen]
            if metric == "segment":
                found[part]["SBF1"] = segment_counts(*pair, classes=test.classes).micro_f1()
            else:
                found[part]["EBF1"] = event_counts(*pair, classes=test.classes).macro_f1()
    return found
