"""Counts at all thresholds as changes from the highest threshold down, and the figures that are read from them.

F1 at the best threshold, average precision and areas under ROC are those of sed_scores_eval 0.0.4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Changes:
    """How the counts of one class change as the threshold falls, one row for each change in one clip.

    Args:
        threshold: at and below which the change holds, falling, `(changes,)`.
        clip: of each change.
        correct: change of the number of correct reference items.
        false_positives: change of the number of false detections.
        cross_triggers: `(changes, classes)`, change of the number of those in events of each other class; None where
            cross triggers are not counted.
    """

    threshold: NDArray[np.float64]
    clip: NDArray[np.int64]
    correct: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    cross_triggers: NDArray[np.float64] | None = None

    def last_of_thresholds(self) -> NDArray[np.bool_]:
        """Marks the last change of each threshold: only after it do the sums hold."""
        return np.append(self.threshold[1:] != self.threshold[:-1], True)[: len(self.threshold)]

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Returns the thresholds, falling from infinity, and at each the correct and the false items."""
        last = self.last_of_thresholds()
        counts = (np.append(0.0, np.cumsum(column)[last]) for column in (self.correct, self.false_positives))
        return np.append(np.inf, self.threshold[last]), *counts


@dataclass(frozen=True)
class ClassChanges:
    """Changes of some classes.

    Args:
        classes: their names; only those that have reference items.
        changes: of each class.
        references: reference items, `(clips, classes)`.
    """

    classes: tuple[str, ...]
    changes: tuple[Changes, ...]
    references: NDArray[np.float64]


@dataclass(frozen=True)
class BestF1:
    """F1 of each class at its best threshold.

    Args:
        per_class: by class.
        thresholds: by class, in the middle between the best and the next lower score; of equally good ones the highest.
        micro: F1 of all classes' items together at these thresholds.
    """

    per_class: dict[str, float]
    thresholds: dict[str, float]
    micro: float

    @property
    def macro(self) -> float:
        """Mean over classes."""
        return float(np.mean(list(self.per_class.values())))


def best_f1(found: ClassChanges) -> BestF1:
    """F1 at the best of all thresholds, class by class: what scores could give with thresholds chosen on the truth.

    Args:
        found: from `event_changes`, `segment_changes` or `intersection_changes`.

    Example:
        >>> changes = in_order(np.array([0.9, 0.8, 0.3]), np.zeros(3, int), np.array([1, 0, 1]), np.array([0, 1, 0]))
        >>> best = best_f1(ClassChanges(("Dog",), (changes,), np.array([[2.0]])))
        >>> best.macro, best.thresholds
        (0.8, {'Dog': -inf})
    """
    per_class, thresholds, totals = {}, {}, np.zeros(2)
    for index, (name, changes) in enumerate(zip(found.classes, found.changes, strict=True)):
        references = found.references[:, index].sum()
        threshold, correct, false = changes.counts()
        f1 = 2 * correct / (references + correct + false)
        best = int(np.argmax(f1))
        per_class[name] = float(f1[best])
        lower = threshold[best + 1] if best + 1 < len(threshold) else -np.inf
        thresholds[name] = float((threshold[best] + lower) / 2)
        totals += 2 * correct[best], references + correct[best] + false[best]
    return BestF1(per_class, thresholds, float(totals[0] / max(totals[1], 1)))


def average_precision(found: ClassChanges) -> dict[str, float]:
    """Average precision of each class: the best precision at each recall, over the steps of recall.

    Args:
        found: from `event_changes`, `segment_changes` or `intersection_changes`.

    Example:
        >>> changes = in_order(np.array([0.9, 0.8, 0.3]), np.zeros(3, int), np.array([1, 0, 1]), np.array([0, 1, 0]))
        >>> round(average_precision(ClassChanges(("Dog",), (changes,), np.array([[2.0]])))["Dog"], 6)
        0.833333
    """
    values = {}
    for index, (name, changes) in enumerate(zip(found.classes, found.changes, strict=True)):
        _, correct, false = changes.counts()
        precision = np.where(correct + false > 0, correct / np.maximum(correct + false, 1), 1.0)
        order = np.lexsort((precision, correct))
        last = np.append(correct[order][1:] != correct[order][:-1], True)
        steps, heights = correct[order][last], precision[order][last]
        values[name] = float(np.sum(heights[1:] * np.diff(steps)) / found.references[:, index].sum())
    return values


def in_order(threshold, clip, correct, false_positives, cross_triggers=None) -> Changes:
    """Changes sorted by falling threshold."""
    order = np.argsort(-threshold, kind="stable")
    crossed = None if cross_triggers is None else cross_triggers[order]
    columns = (column[order] for column in (threshold, clip, correct, false_positives))
    return Changes(*columns, crossed)


def sums_at_levels(
    owner: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Sums of values that each count for an owner where `low` < threshold <= `high`.

    Args:
        owner: of each value, rising; the values of an owner are added in their order.
        low: `(values,)`.
        high: `(values,)`.
        values: `(values,)`.

    Returns:
        The owner, the threshold and the sum that holds from it down to the owner's next one: owners rising, thresholds
        falling.
    """
    ends = low > -np.inf
    thresholds = np.concatenate([high, low[ends]])
    owners = np.concatenate([owner, owner[ends]])
    order = np.lexsort((-thresholds, owners))
    thresholds, owners = thresholds[order], owners[order]
    new = np.append(True, (thresholds[1:] != thresholds[:-1]) | (owners[1:] != owners[:-1]))[: len(order)]
    level = np.empty(len(order), np.int64)
    level[order] = np.cumsum(new) - 1
    thresholds, owners = thresholds[new], owners[new]
    first, after = level[: len(high)], np.searchsorted(owners, owner, side="right")
    after[ends] = level[len(high) :]
    count = after - first
    value = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(value)) + np.repeat(first - (np.cumsum(count) - count), count)
    return owners, thresholds, np.bincount(place, values[value], minlength=len(owners))


def changes_of(
    owner: NDArray[np.int64], threshold: NDArray[np.float64], state: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Where the states of `sums_at_levels` change as the threshold falls, from 0 on: owner, threshold and change."""
    state = np.asarray(state, np.float64)
    before = np.append(0.0, state[:-1])[: len(state)]
    before[np.append(True, owner[1:] != owner[:-1])[: len(owner)]] = 0.0
    change = state - before
    some = change != 0
    return owner[some], threshold[some], change[some]
