"""Decision thresholds for clip probabilities and the micro-averaged F1 that they are chosen by (2019 paper).

A probability is a decision "yes" when it is *at or above* the threshold, as in `dcase_util`. All comparisons are
made in float64, so a threshold found here selects the same items wherever it is applied to the same numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ABOVE_ONE = float(np.nextafter(1.0, 2.0))


def micro_f1(targets: ArrayLike, probabilities: ArrayLike, *, threshold: float | ArrayLike = 0.5) -> float:
    """Micro-averaged F1 of thresholded probabilities (2019 paper, Table 1).

    Args:
        targets: 0 or 1, of any shape, usually `(clips, classes)`.
        probabilities: probabilities of the same shape, or decisions 0 and 1.
        threshold: one for all, or any shape that broadcasts, such as `(classes,)`.

    Returns:
        2 TP / (2 TP + FP + FN), in [0, 1]; 0.0 where nothing is there and nothing is predicted.

    Raises:
        ValueError: the shapes differ, a target is neither 0 nor 1, or a probability is NaN.

    Example:
        >>> micro_f1([[1, 0], [1, 1]], [[0.9, 0.2], [0.4, 0.8]], threshold=0.5)
        0.8
    """
    targets, probabilities = _checked(targets, probabilities)
    decisions = probabilities >= np.asarray(threshold, np.float64)
    found = np.count_nonzero(decisions & targets)
    claimed_and_true = np.count_nonzero(decisions) + np.count_nonzero(targets)
    return float(2 * found / claimed_and_true) if claimed_and_true else 0.0


def best_global_threshold(
    targets: ArrayLike, probabilities: ArrayLike, *, grid: ArrayLike | None = None
) -> tuple[float, float]:
    """The one threshold for all classes that gives the best micro-F1, found exactly (2019 paper, section 3.2.10).

    Args:
        targets: 0 or 1, usually `(clips, classes)` of the validation set.
        probabilities: probabilities of the same shape.
        grid: thresholds to choose from; by default every one that can make a difference: the midpoints between
            neighbouring distinct probabilities.

    Returns:
        The threshold and its micro-F1. Of equally good thresholds it is the highest; without any positive target it
        lies just above 1, so that nothing is predicted.

    Raises:
        ValueError: the shapes differ, a target is neither 0 nor 1, a probability is NaN, or there is nothing to
            choose from.

    Example:
        >>> best_global_threshold([[1, 0], [1, 1]], [[0.75, 0.25], [0.5, 1.0]])
        (0.375, 1.0)
    """
    targets, probabilities = _checked(targets, probabilities)
    thresholds, scores = _best_per_column(targets.reshape(-1, 1), probabilities.reshape(-1, 1), grid)
    return float(thresholds[0]), float(scores[0])


def best_class_thresholds(
    targets: ArrayLike, probabilities: ArrayLike, *, grid: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each class the threshold that gives its best F1 (2022 paper: `grid` 0.1 to 0.9 in steps of 0.1).

    Args:
        targets: 0 or 1, `(clips, classes)`.
        probabilities: probabilities of the same shape.
        grid: as for `best_global_threshold`.

    Returns:
        Thresholds `(classes,)` and the F1 of each class `(classes,)`, by the rules of `best_global_threshold`.

    Raises:
        ValueError: as for `best_global_threshold`, or an argument is not of two dimensions.

    Example:
        >>> best_class_thresholds([[1, 0], [1, 1]], [[0.9, 0.2], [0.4, 0.8]], grid=[0.25, 0.5, 0.75])
        (array([0.25, 0.75]), array([1., 1.]))
    """
    targets, probabilities = _checked(targets, probabilities)
    if targets.ndim != 2:
        raise ValueError(f"targets must have the shape (clips, classes), not {targets.shape}")
    return _best_per_column(targets, probabilities, grid)


def _best_per_column(targets, probabilities, grid):
    """Best threshold and F1 of every column; the best is the first of the highest, thresholds falling."""
    if targets.size == 0:
        raise ValueError("no targets to choose a threshold on")
    thresholds, scores = [], []
    for truth, column in zip(targets.T, probabilities.T, strict=True):
        falling = np.argsort(-column, kind="stable")
        values = column[falling]
        # Predicting the k highest, for k = 0 ... n: 2 TP / (k + positives)
        found = np.concatenate([[0], np.cumsum(truth[falling])])
        f1 = 2 * found / np.maximum(np.arange(len(found)) + found[-1], 1)
        if grid is None:
            # Equal probabilities fall together: only the last of a run can be the lowest that is predicted
            ends = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
            choices = np.array([_between(values, end) for end in ends])
        else:
            choices = np.sort(np.asarray(grid, np.float64).ravel())[::-1]
            if choices.size == 0:
                raise ValueError("grid holds no threshold")
            ends = len(values) - np.searchsorted(values[::-1], choices, side="left")
        best = int(np.argmax(f1[ends]))
        thresholds.append(choices[best])
        scores.append(f1[ends[best]])
    return np.array(thresholds), np.array(scores)


def _between(falling, count):
    """A threshold that exactly the first `count` of falling values reach."""
    if count == 0:
        return max(_ABOVE_ONE, float(np.nextafter(falling[0], np.inf)))
    lowest_in = falling[count - 1]
    if count == len(falling):
        return lowest_in / 2
    middle = (lowest_in + falling[count]) / 2
    return middle if middle > falling[count] else lowest_in  # neighbouring floats have no middle


def _checked(targets, probabilities):
    targets = np.asarray(targets)
    probabilities = np.asarray(probabilities, np.float64)
    if targets.shape != probabilities.shape:
        raise ValueError(f"targets {targets.shape} and probabilities {probabilities.shape} differ in shape")
    if not np.isin(targets, (0, 1)).all():
        raise ValueError("targets must be 0 or 1")
    if np.isnan(probabilities).any():
        raise ValueError("probabilities hold NaN; did training diverge?")
    return targets.astype(bool), probabilities
