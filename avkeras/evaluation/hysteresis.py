"""Events by two thresholds: frames at or above the high one are seeds, which grow as far as the low one is reached.

Then short gaps are filled and short events dropped (Kong, Xu, Wang, Plumbley, 2020: gaps of up to 10 frames of 10 ms,
events of more than 10). Beside the median filter of `avkeras.evaluation.postprocess`, tuned likewise by trying all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation import bits
from avkeras.evaluation.bits import Words
from avkeras.evaluation.event_counts import EventCounter, SegmentCounter
from avkeras.evaluation.postprocess import THRESHOLDS, check_scores, events_of_decisions, frame_times

GAPS = (0, 1, 2, 4, 8)
LEAST = (1, 2, 4, 8)


@dataclass(frozen=True)
class HysteresisSettings:
    """Settings of each class.

    Args:
        high: threshold that an event must reach somewhere.
        low: threshold that it must keep to; at most `high`.
        gaps: longest gap that is filled, frames.
        least: frames of the shortest event that is kept.
    """

    high: tuple[float, ...]
    low: tuple[float, ...]
    gaps: tuple[int, ...]
    least: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low thresholds must not exceed the high ones: {self.low} and {self.high}")
        if min(self.gaps, default=0) < 0 or min(self.least, default=1) < 1:
            raise ValueError(f"gaps must be 0 or more and least 1 or more, not {self.gaps} and {self.least}")


def decode_hysteresis(
    scores: ArrayLike,
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    settings: HysteresisSettings,
    durations: ArrayLike | None = None,
) -> list[tuple[Event, ...]]:
    """Turn frame scores into events by two thresholds, clip by clip.

    Args:
        scores: `(clips, frames, classes)`.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        settings: of each class.
        durations: lengths of the clips in seconds, `(clips,)`; by default all frames belong to the clip.

    Returns:
        For each clip its events, sorted by onset.

    Raises:
        ValueError: shapes do not fit, or a score is NaN.

    Example:
        >>> decode_hysteresis(
        ...     [[[0.3], [0.9], [0.1], [0.3], [0.0], [0.3]]],
        ...     classes=["Dog"],
        ...     seconds_per_frame=1.0,
        ...     settings=HysteresisSettings((0.8,), (0.3,), (0,), (1,)),
        ... )
        [(Event(onset=0.0, offset=2.0, label='Dog'),)]
    """
    scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
    if len(settings.high) != len(classes):
        raise ValueError(f"settings of {len(settings.high)} classes for {len(classes)}")
    starts, ends, lengths = frame_times(scores.shape[1], seconds_per_frame=seconds_per_frame, durations=durations)
    frames = scores.shape[1]
    inside = bits.pack(np.arange(frames) < lengths[:, None])
    decisions = np.zeros((len(scores), frames, len(classes)), bool)
    for index in range(len(classes)):
        own = scores[:, :, index].astype(np.float64)
        high, low = (bits.pack(own >= level[index]) for level in (settings.high, settings.low))
        words = hysteresis(
            high, low, inside=inside, gap=settings.gaps[index], least=settings.least[index], frames=frames
        )
        decisions[:, :, index] = bits.unpack(words, frames)
    return events_of_decisions(decisions, classes=classes, starts=starts, ends=ends)


def hysteresis(high: Words, low: Words, *, inside: Words, gap: int, least: int, frames: int) -> Words:
    """Decisions as words (see `avkeras.evaluation.bits`) from those of both thresholds.

    Args:
        high: decisions at the high threshold, `(words, ...)`.
        low: decisions at the low threshold.
        inside: the frames that belong to their clips, of a shape that goes with theirs.
        gap: longest gap that is filled, frames; what lies before the first event of a clip or after its last is none.
        least: frames of the shortest event that is kept.
        frames: of a sequence.
    """
    low = low & inside
    kept = _runs_with(low, high & low, frames)
    if gap:
        silent = inside & ~kept
        first = bits.pack(np.arange(frames) == 0).reshape(-1, *[1] * (low.ndim - 1))
        ends = silent & (first | (inside & ~bits.earlier(inside, 1)))
        kept = kept | (silent & ~_longer_runs(silent, gap + 1) & ~_runs_with(silent, ends, frames))
    return _longer_runs(kept, least)


def search_hysteresis(
    scores: ArrayLike,
    ground_truth: Sequence[Sequence[Event]],
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    durations: ArrayLike | None = None,
    metric: str = "event",
    thresholds: Sequence[float] = THRESHOLDS,
    gaps: Sequence[int] = GAPS,
    least: Sequence[int] = LEAST,
) -> tuple[HysteresisSettings, NDArray[np.float64]]:
    """For each class the settings that give its best F1 on the validation set, all combinations tried.

    Args:
        scores: frame scores of the validation set, `(clips, frames, classes)`.
        ground_truth: the events of each clip, in the same order.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame.
        durations: lengths of the clips in seconds, `(clips,)`.
        metric: `"event"` or `"segment"`.
        thresholds: every pair of them with the low at most as high as the high one is tried.
        gaps: longest gaps to try, frames.
        least: shortest events to try, frames.

    Returns:
        The settings and the F1 of each class. Of equally good settings it is the one with the highest thresholds, then
        the shortest gap and event. A class without reference events gets the setting that predicts least.

    Raises:
        ValueError: shapes do not fit, a score is NaN, an event is of an unknown class, or the metric is unknown.

    Example:
        >>> scores = [[[0.3], [0.9], [0.5], [0.1], [0.5]]]
        >>> settings, f1 = search_hysteresis(
        ...     scores, [[Event(1.0, 3.0, "Dog")]], classes=["Dog"], seconds_per_frame=1.0
        ... )
        >>> settings.high, settings.low, f1
        ((0.9,), (0.5,), array([1.]))
    """
    scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
    if len(ground_truth) != len(scores):
        raise ValueError(f"ground truth of {len(ground_truth)} clips for scores of {len(scores)}")
    if metric not in ("event", "segment"):
        raise ValueError(f"unknown metric {metric!r}: choose from event, segment")
    frames = scores.shape[1]
    starts, ends, lengths = frame_times(frames, seconds_per_frame=seconds_per_frame, durations=durations)
    counter = (EventCounter if metric == "event" else SegmentCounter)(
        ground_truth, classes=classes, starts=starts, ends=ends
    )
    inside = bits.pack(np.arange(frames) < lengths[:, None])
    levels = np.sort(np.asarray(thresholds, np.float64))[::-1]
    by_class = np.ascontiguousarray(scores.transpose(2, 0, 1), np.float64)
    decisions = bits.pack(by_class >= levels[:, None, None, None])
    high, low = np.array([(one, other) for one in range(len(levels)) for other in range(one, len(levels))]).T
    best = np.full(len(classes), -np.inf)
    chosen = np.zeros((4, len(classes)))
    for gap in sorted(gaps):
        for shortest in sorted(least):
            words = hysteresis(
                decisions[:, high], decisions[:, low], inside=inside, gap=gap, least=shortest, frames=frames
            )
            if metric == "event":
                correct, predicted = counter.matched(counter.select(words)), counter.predicted(words)
            else:
                correct, predicted = counter.matched_and_predicted(words)
            f1 = 2 * correct / np.maximum(predicted + counter.references, 1)
            merit = np.where(counter.references == 0, -predicted, f1)
            place = np.argmax(merit, axis=0)
            value = merit[place, np.arange(len(classes))]
            setting = np.stack(
                [levels[high[place]], levels[low[place]], np.full(len(best), gap), np.full(len(best), shortest)]
            )
            better = (value > best) | ((value == best) & _higher(setting, chosen))
            best[better], chosen[:, better] = value[better], setting[:, better]
    f1 = np.where(counter.references == 0, 0.0, best)
    thresholds = (tuple(row.tolist()) for row in chosen[:2])
    return HysteresisSettings(*thresholds, *(tuple(row.astype(int).tolist()) for row in chosen[2:])), f1


def _higher(setting, other):
    """Where the thresholds of a setting are higher: by the high one, then by the low one."""
    return (setting[0] > other[0]) | ((setting[0] == other[0]) & (setting[1] > other[1]))


def _runs_with(words, seeds, frames):
    """The runs of decisions that hold a seed; seeds are decisions."""
    forwards = bits.runs_from(words, seeds) | seeds
    backwards = bits.reverse(seeds, frames)
    backwards = bits.runs_from(bits.reverse(words, frames), backwards) | backwards
    return forwards | bits.reverse(backwards, frames)


def _longer_runs(words, least):
    """The runs of at least as many decisions."""
    # Where as many decisions follow each other, then as many frames from there on
    kept = words
    for step in range(1, least):
        kept = kept & bits.earlier(words, step)
    whole = kept
    for step in range(1, least):
        whole = whole | bits.later(kept, step)
    return whole
