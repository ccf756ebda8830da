"""The best threshold and median filter of each class, for each metric, found by trying all (2022 paper: 9 x 16).

Event-based F1 is averaged over classes, so choosing class by class is exact. Segment- and clip-based F1 are reported
micro-averaged; they too are chosen by the class's own F1, as the paper optimises "per class and per metric".
Clip-level thresholds (without filters, on clip probabilities) come from
`avkeras.evaluation.thresholds.best_class_thresholds`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation import bits
from avkeras.evaluation.event_counts import EventCounter, SegmentCounter
from avkeras.evaluation.postprocess import FILTERS, THRESHOLDS, check_filters, check_scores, frame_times

METRICS = ("event", "segment")


@dataclass(frozen=True)
class SearchResult:
    """Counts and F1 of every setting for one metric.

    Args:
        thresholds: `(thresholds,)`, falling.
        filters: `(filters,)`, rising, frames.
        correct: `(thresholds, filters, classes)`, sed_eval's Ntp.
        predicted: `(thresholds, filters, classes)`, sed_eval's Nsys.
        references: `(classes,)`, sed_eval's Nref.
    """

    thresholds: NDArray[np.float64]
    filters: NDArray[np.int64]
    correct: NDArray[np.int64]
    predicted: NDArray[np.int64]
    references: NDArray[np.int64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of every setting and class, `(thresholds, filters, classes)`; 0 where nothing is there or predicted."""
        return 2 * self.correct / np.maximum(self.predicted + self.references, 1)

    def best(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Returns threshold, filter and F1 of each class, each `(classes,)`.

        Of equally good settings it is the highest threshold, then the shortest filter. A class without reference
        events gets the setting that predicts least.
        """
        settings = len(self.thresholds) * len(self.filters)
        f1 = self.f1.reshape(settings, -1)
        absent = self.references == 0
        merit = np.where(absent, -self.predicted.reshape(settings, -1), f1)
        choice = np.argmax(merit, axis=0)
        threshold, size = np.divmod(choice, len(self.filters))
        return self.thresholds[threshold], self.filters[size], f1[choice, np.arange(f1.shape[1])]


def search_settings(
    scores: ArrayLike,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    durations: ArrayLike | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    filters: Sequence[int] = FILTERS,
    metrics: Sequence[str] = METRICS,
) -> dict[str, SearchResult]:
    """Count, for every threshold and median filter, what sed_eval would count on `decode_events(...)`.

    Args:
        scores: frame scores of the validation set, `(clips, frames, classes)`.
        ground_truth: the events of each clip, in the same order.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        durations: lengths of the clips in seconds, `(clips,)`; by default all frames belong to the clip.
        thresholds: thresholds to try.
        filters: sizes of median filters to try, odd, in frames.
        metrics: `"event"` (onset 200 ms, offset max(200 ms, 20 %)) and `"segment"` (1 s).

    Returns:
        For each metric a `SearchResult`; its `best()` is what `decode_events` takes.

    Raises:
        ValueError: shapes do not fit, a score is NaN, an event is of an unknown class, or a metric is unknown.

    Example:
        >>> scores = [[[0.1], [0.9], [0.8], [0.2]]]
        >>> found = search_settings(scores, [[Event(1.0, 3.0, "Dog")]], classes=["Dog"], seconds_per_frame=1.0)
        >>> found["event"].best()
        (array([0.8]), array([1]), array([1.]))
    """
    scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
    if len(ground_truth) != len(scores):
        raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {len(scores)}")
    if unknown := set(metrics) - set(METRICS):
        raise ValueError(f"unknown metric {', '.join(sorted(unknown))}: choose from {', '.join(METRICS)}")
    thresholds = np.sort(np.asarray(thresholds, np.float64))[::-1]
    filters = np.sort(check_filters(filters))
    starts, ends, lengths = frame_times(scores.shape[1], seconds_per_frame=seconds_per_frame, durations=durations)
    # Class by class, then clip by clip: a metric sums over the last axis
    by_class = np.ascontiguousarray(scores.transpose(2, 0, 1), np.float64)
    decisions = bits.pack(by_class >= thresholds[:, None, None, None])

    results = {}
    options = {"classes": classes, "starts": starts, "ends": ends}
    event = EventCounter(ground_truth, **options) if "event" in metrics else None
    segment = SegmentCounter(ground_truth, **options) if "segment" in metrics else None
    selected, event_predicted, segment_counts = [], [], []
    for filtered in bits.filter_words(decisions, filters, lengths=lengths):
        if event:
            selected.append(event.select(filtered))
            event_predicted.append(event.predicted(filtered))
        if segment:
            segment_counts.append(segment.matched_and_predicted(filtered))
    shape = (len(filters), len(thresholds), len(classes))
    if event:
        correct = event.matched(np.concatenate(selected, axis=1)).reshape(shape)
        results["event"] = _result(thresholds, filters, correct, np.array(event_predicted), event.references)
    if segment:
        correct, predicted = np.array(segment_counts).transpose(1, 0, 2, 3)
        results["segment"] = _result(thresholds, filters, correct, predicted, segment.references)
    return results


def _result(thresholds, filters, correct, predicted, references):
    """Counts `(filters, thresholds, classes)` as a `SearchResult`."""
    return SearchResult(thresholds, filters, correct.swapaxes(0, 1), predicted.swapaxes(0, 1), references)
