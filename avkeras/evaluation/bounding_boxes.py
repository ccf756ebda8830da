"""Sound event bounding boxes: events with one confidence each, found by changes of the scores (Ebbers et al., 2024).

With thresholds on frames, a higher threshold shortens events; here it only leaves some out. Change detection as in
"Sound Event Bounding Boxes" (Interspeech 2024), written from its formulas. With probabilities s(t) that are constant
over segments and 0 outside the clip, a step filter of length L gives

    d(t) = mean of s over [t, t + L/2] - mean of s over [t - L/2, t]

A local maximum of d is an onset, the next local minimum the offset, and so on alternately; between them lie gaps. A gap
is closed when, for both events beside it, the highest score in the event exceeds the lowest in the gap by less than
`absolute`, and is less than `relative` times as high. The confidence is the mean score of the closed-up event.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores, ThresholdDetections
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import exact_psd_roc, intersection_changes
from avkeras.evaluation.psds import PSDS1, PsdsSettings
from avkeras.evaluation.threshold_changes import best_f1

# What the paper tries on the validation set
LENGTHS = (0.32, 0.48, 0.64)
ABSOLUTE = (0.15, 0.2, 0.3)
RELATIVE = (1.5, 2.0, 3.0)
_OFFSET = 1e-3  # keeps the relative condition defined where scores are 0
_FLAT = 1e-12  # differences of d that are rounding


@dataclass(frozen=True)
class BoxSettings:
    """Settings of change detection and merging, one value of each for every class.

    Args:
        lengths: of the step filters, seconds.
        absolute: how far scores must fall within a gap that stays open.
        relative: by which factor they must fall.
    """

    lengths: tuple[float, ...]
    absolute: tuple[float, ...]
    relative: tuple[float, ...]


def bounding_boxes(segments: SegmentScores, settings: BoxSettings) -> list[ThresholdDetections]:
    """Events of each class with their confidences, as detections that no threshold changes but by leaving them out.

    Args:
        segments: scores of all clips, from `frame_segments` for frames of equal length.
        settings: of each class.

    Returns:
        For each class its boxes, clip by clip, in time's order; `high` is the confidence. They are what
        `exact_psds` and `event_changes` take as `detections`, and `boxes_above` as boxes.

    Raises:
        ValueError: the settings are not those of as many classes, or a length is not above 0.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> segments = frame_segments([[[0.1], [0.8], [0.6], [0.1]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> (box,) = bounding_boxes(segments, BoxSettings((2.0,), (0.3,), (2.0,)))
        >>> box.onset.tolist(), box.offset.tolist(), box.high.tolist()
        ([1.0], [3.0], [0.7])
    """
    count = segments.scores.shape[1]
    if {len(settings.lengths), len(settings.absolute), len(settings.relative)} != {count}:
        raise ValueError(f"settings must hold one value for each of {count} classes: {settings}")
    groups = _clips_of_equal_edges(segments)
    found = []
    for index in range(count):
        parts = [
            _merged(_events_and_gaps(edges, scores[:, :, index], settings.lengths[index]), clips, settings, index)
            for clips, edges, scores in groups
        ]
        clip, onset, offset, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((onset, clip))
        clip, onset, offset, confidence = clip[order], onset[order], offset[order], confidence[order]
        found.append(ThresholdDetections(clip, onset, offset, confidence, np.full(len(clip), -1)))
    return found


def boxes_above(
    boxes: Sequence[ThresholdDetections], *, classes: Sequence[str], clips: int, thresholds: float | ArrayLike
) -> list[tuple[Event, ...]]:
    """The events whose confidence is at or above their class's threshold.

    Args:
        boxes: of each class, from `bounding_boxes`.
        classes: class names.
        clips: number of clips.
        thresholds: one for all classes or `(classes,)`.

    Returns:
        For each clip its events, sorted by onset.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> segments = frame_segments([[[0.1], [0.8], [0.6], [0.1]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> boxes = bounding_boxes(segments, BoxSettings((2.0,), (0.3,), (2.0,)))
        >>> boxes_above(boxes, classes=["Dog"], clips=1, thresholds=0.5)
        [(Event(onset=1.0, offset=3.0, label='Dog'),)]
    """
    thresholds = np.broadcast_to(np.asarray(thresholds, np.float64), (len(classes),))
    events: list[list[Event]] = [[] for _ in range(clips)]
    for name, found, threshold in zip(classes, boxes, thresholds, strict=True):
        some = found.high >= threshold
        rows = zip(found.clip[some].tolist(), found.onset[some].tolist(), found.offset[some].tolist(), strict=True)
        for clip, onset, offset in rows:
            events[clip].append(Event(onset, offset, name))
    return [tuple(sorted(own)) for own in events]


def boxes_as_segments(boxes: Sequence[ThresholdDetections], durations: ArrayLike) -> SegmentScores:
    """Boxes as scores over uneven segments, the form in which sed_scores_eval and others exchange them.

    Args:
        boxes: of each class, from `bounding_boxes`.
        durations: lengths of the clips in seconds, `(clips,)`.

    Returns:
        The confidence within each box and 0 outside.

    Example:
        >>> from avkeras.evaluation.all_thresholds import frame_segments
        >>> segments = frame_segments([[[0.1], [0.8], [0.6], [0.1]]], classes=["Dog"], seconds_per_frame=1.0)
        >>> boxes = bounding_boxes(segments, BoxSettings((2.0,), (0.3,), (2.0,)))
        >>> boxes_as_segments(boxes, [4.0]).scores.ravel().tolist()
        [0.0, 0.7, 0.0]
    """
    parts = []
    for clip, duration in enumerate(np.asarray(durations, np.float64).tolist()):
        own = [(found, np.flatnonzero(found.clip == clip)) for found in boxes]
        times = [found.onset[rows] for found, rows in own] + [found.offset[rows] for found, rows in own]
        edges = np.unique(np.concatenate([[0.0, duration], *times]))
        scores = np.zeros((len(edges) - 1, len(boxes)))
        for index, (found, rows) in enumerate(own):
            for row in rows:
                first, after = np.searchsorted(edges, [found.onset[row], found.offset[row]])
                scores[first:after, index] = found.high[row]
        parts.append((np.full(len(scores), clip), edges[:-1], edges[1:], scores))
    return SegmentScores(*(np.concatenate(column) for column in zip(*parts, strict=True)), len(parts))


def tune_bounding_boxes(
    segments: SegmentScores,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    metric: str | PsdsSettings = PSDS1,
    lengths: Sequence[float] = LENGTHS,
    absolute: Sequence[float] = ABSOLUTE,
    relative: Sequence[float] = RELATIVE,
) -> tuple[BoxSettings, NDArray[np.float64], NDArray[np.float64]]:
    """For each class the settings that are best on the validation set, all combinations tried.

    Args:
        segments: scores of the validation set.
        ground_truth: the events of each clip.
        classes: class names in the order of the scores.
        durations: lengths of the clips in seconds, `(clips,)`.
        metric: of which PSDS scenario the class's own area is to be largest, or `"event"` for event-based F1 at the
            best threshold.
        lengths: step filters to try, seconds.
        absolute: values to try.
        relative: values to try.

    Returns:
        The settings; the value reached by each class (NaN without reference events, where the first settings are
        kept); and the threshold of each class that gives the best event-based F1 (infinite likewise).

    Raises:
        ValueError: the metric is unknown, or as for `bounding_boxes`.
    """
    if isinstance(metric, str) and metric != "event":
        raise ValueError(f"unknown metric {metric!r}: 'event' or the settings of a PSDS")
    best = np.full(len(classes), np.nan)
    thresholds = np.full(len(classes), np.inf)
    chosen = [(lengths[0], absolute[0], relative[0])] * len(classes)
    for setting in [(a, b, c) for a in lengths for b in absolute for c in relative]:
        boxes = bounding_boxes(segments, BoxSettings(*((value,) * len(classes) for value in setting)))
        f1 = best_f1(event_changes(segments, ground_truth, classes=classes, detections=boxes))
        values = f1.per_class
        if isinstance(metric, PsdsSettings):
            found = intersection_changes(
                segments,
                ground_truth,
                classes=classes,
                durations=durations,
                dtc=metric.dtc,
                gtc=metric.gtc,
                cttc=metric.cttc if metric.alpha_ct else None,
                detections=boxes,
            )
            values = exact_psd_roc(found, alpha_ct=metric.alpha_ct, alpha_st=0.0, max_efpr=metric.max_efpr).class_scores
        for name, value in values.items():
            index = list(classes).index(name)
            if not value <= best[index]:
                best[index], chosen[index], thresholds[index] = value, setting, f1.thresholds[name]
    return BoxSettings(*zip(*chosen, strict=True)), best, thresholds


def _clips_of_equal_edges(segments):
    """Clips whose segments have the same edges: their numbers, the edges, scores `(clips, segments, classes)`."""
    first = np.searchsorted(segments.clip, np.arange(segments.clips + 1))
    groups: dict[bytes, list[int]] = {}
    for clip in range(segments.clips):
        if first[clip] < first[clip + 1]:
            edges = np.append(segments.onset[first[clip]], segments.offset[first[clip] : first[clip + 1]])
            groups.setdefault(edges.tobytes(), []).append(clip)
    return [
        (
            np.array(clips),
            np.frombuffer(edges),
            np.stack([segments.scores[first[clip] : first[clip + 1]] for clip in clips]),
        )
        for edges, clips in groups.items()
    ]


def _events_and_gaps(edges, scores, length):
    """Onsets and offsets by change detection, with what merging asks of each event and of the gap after it.

    Returns:
        Row of each event, rising; onset; offset; highest score within; lowest score of the gap after it, minus infinity
        where no event follows; and the integral of the scores, a function of rows and times.
    """
    if not length > 0:
        raise ValueError(f"lengths of step filters must be above 0, not {length}")
    scores = np.maximum(scores, 0.0)  # minus infinity, detected at no threshold, is as good as silence
    total = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(scores * np.diff(edges), axis=1)], axis=1)

    def integral(rows, moments):
        """Integral of the scores of rows from the beginning of the clip to some moments."""
        moments = np.clip(moments, edges[0], edges[-1])
        segment = np.clip(np.searchsorted(edges, moments, side="right") - 1, 0, len(edges) - 2)
        return total[rows, segment] + scores[rows, segment] * (moments - edges[segment])

    every = slice(None)
    half = length / 2
    times = np.unique(np.concatenate([edges, edges - half, edges + half]))
    times = times[(times >= edges[0]) & (times <= edges[-1])]
    times = times[np.append(True, np.diff(times) > _FLAT)]
    change = (integral(every, times + half) - 2 * integral(every, times) + integral(every, times - half)) / half
    # Before the clip d can only rise and after it only rise again, as the scores are 0 there
    slope = np.sign(np.where(np.abs(np.diff(change, axis=1)) <= _FLAT, 0.0, np.diff(change, axis=1)))
    slope = np.concatenate([np.ones((len(scores), 1)), slope, np.ones((len(scores), 1))], axis=1)
    known = np.maximum.accumulate(np.where(slope != 0, np.arange(slope.shape[1]), 0), axis=1)
    slope = np.take_along_axis(slope, known, axis=1)
    row, place = np.nonzero((slope[:, :-1] > 0) & (slope[:, 1:] < 0))
    _, last_place = np.nonzero((slope[:, :-1] < 0) & (slope[:, 1:] > 0))
    onset, offset = times[place], times[last_place]

    # Segments that an event or a gap reaches into
    flat = np.append(scores.ravel(), 0.0)
    base = row * scores.shape[1]

    def stretch(begin, end, rows):
        first = np.searchsorted(edges, begin + _FLAT, side="right") - 1
        after = np.searchsorted(edges, end - _FLAT, side="left")
        return np.stack([rows + first, rows + after], axis=1).ravel()

    highest = np.maximum.reduceat(flat, stretch(onset, offset, base))[::2] if len(row) else np.zeros(0)
    lowest = np.full(len(row), -np.inf)
    followed = np.flatnonzero(row[1:] == row[:-1])
    if len(followed):
        gaps = stretch(offset[followed], onset[followed + 1], base[followed])
        lowest[followed] = np.minimum.reduceat(flat, gaps)[::2]

    return row, onset, offset, highest, lowest, integral


def _merged(events, clips, settings, index):
    """Events with the gaps closed that are to be closed, all at once: clip, onset, offset and confidence."""
    row, onset, offset, highest, lowest, integral = events
    after = np.append(highest[1:], 0.0)[: len(highest)]
    greater = np.maximum(highest, after)
    close = (greater - lowest < settings.absolute[index]) & np.isfinite(lowest)
    close &= greater + _OFFSET < settings.relative[index] * (np.where(np.isfinite(lowest), lowest, 0.0) + _OFFSET)
    begins = np.append(True, ~close[:-1])[: len(row)]
    row, onset, offset = row[begins], onset[begins], offset[~close]
    confidence = (integral(row, offset) - integral(row, onset)) / (offset - onset)
    return clips[row], onset, offset, confidence
