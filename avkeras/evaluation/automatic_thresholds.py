"""Thresholds found by ascending a score by its numerical gradient (Kong, Xu, Wang and Plumbley, 2020)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.evaluation.thresholds import micro_f1


def ascend_thresholds(
    score: Callable[[NDArray[np.float64]], float],
    start: ArrayLike,
    *,
    steps: int,
    difference: float,
    learning_rate: float = 0.01,
    tries: int = 5,
    keep: str = "best",
) -> tuple[NDArray[np.float64], float]:
    """Moves thresholds by Adam along the forward differences of a score that need not be smooth.

    A threshold's difference is taken `difference` ahead; while the score does not change there, it is taken once,
    twice, ... farther ahead, and divided by the distance.

    Args:
        score: of thresholds, the higher the better.
        start: the first thresholds.
        steps: of Adam.
        difference: from a threshold to where its score is compared.
        learning_rate: of Adam.
        tries: distances that are tried, in all.
        keep: `"best"`: the thresholds with the highest score of all steps; `"last"`: those after the last step, as in
            the published code.

    Returns:
        The thresholds, and their score.

    Raises:
        ValueError: `keep` is neither.

    Example:
        >>> found, best = ascend_thresholds(lambda x: -float((x[0] - 0.5) ** 2), [0.3], steps=60, difference=0.01)
        >>> bool(abs(found[0] - 0.5) < 0.01)
        True
    """
    if keep not in ("best", "last"):
        raise ValueError(f"keep must be 'best' or 'last', not '{keep}'")
    found = np.array(start, np.float64)
    mean, square = np.zeros_like(found), np.zeros_like(found)
    here = score(found)
    best, highest = found.copy(), here
    for step in range(1, steps + 1):
        gradient = _differences(score, found, here, difference, tries)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        unbiased = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        found = found + learning_rate * unbiased[0] / np.sqrt(unbiased[1] + 1e-8)
        here = score(found)
        if here > highest:
            best, highest = found.copy(), here
    return (best, highest) if keep == "best" else (found, here)


def _differences(score, found, here, difference, tries) -> NDArray[np.float64]:
    gradient = np.zeros_like(found)
    for place in range(len(found)):
        ahead = found.copy()
        for count in range(1, tries + 1):
            ahead[place] = found[place] + count * difference
            change = score(ahead) - here
            if change:
                gradient[place] = change / (count * difference)
                break
    return gradient


def automatic_class_thresholds(
    targets: ArrayLike, probabilities: ArrayLike, *, start: float = 0.3, steps: int = 100, keep: str = "best"
) -> tuple[NDArray[np.float64], float]:
    """Optimises the thresholds of all classes together for micro-F1, with the published settings (Kong et al. 2020).

    Args:
        targets: 0 or 1, `(clips, classes)` of the validation set.
        probabilities: probabilities of the same shape.
        start: threshold of every class at first.
        steps: of the ascent.
        keep: see `ascend_thresholds`.

    Returns:
        Thresholds `(classes,)` and their micro-F1.

    Raises:
        ValueError: as for `micro_f1`, or an argument is not of two dimensions.

    Example:
        >>> automatic_class_thresholds([[1, 0], [0, 1]], [[0.6, 0.32], [0.2, 0.9]])[1]
        1.0
    """
    targets, probabilities = np.asarray(targets), np.asarray(probabilities, np.float64)
    if targets.ndim != 2:
        raise ValueError(f"targets must have the shape (clips, classes), not {targets.shape}")
    micro_f1(targets, probabilities)  # refuses what has no score
    counts = _Counts(targets.astype(bool), probabilities)
    return ascend_thresholds(counts.micro_f1, np.full(targets.shape[1], start), steps=steps, difference=0.01, keep=keep)


class _Counts:
    """Micro-F1 at any thresholds from sorted probabilities: a search per class whose threshold has moved."""

    def __init__(self, targets: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> None:
        order = np.argsort(probabilities, axis=0, kind="stable")
        self.rising = np.take_along_axis(probabilities, order, axis=0).T
        truth = np.take_along_axis(targets, order, axis=0)[::-1].cumsum(axis=0)[::-1]
        self.correct = np.concatenate([truth, np.zeros((1, targets.shape[1]), int)]).T  # at or above each place
        self.positives = int(targets.sum())
        # What was counted last; no threshold is NaN, so that all classes are searched at first.
        self._thresholds = np.full(targets.shape[1], np.nan)
        self._correct, self._predicted = np.zeros((2, targets.shape[1]), int)

    def micro_f1(self, thresholds: NDArray[np.float64]) -> float:
        for index in np.flatnonzero(thresholds != self._thresholds):
            place = int(np.searchsorted(self.rising[index], thresholds[index], side="left"))
            self._correct[index] = self.correct[index, place]
            self._predicted[index] = self.rising.shape[1] - place
        self._thresholds = thresholds.copy()
        total = int(self._predicted.sum()) + self.positives
        return 2 * int(self._correct.sum()) / total if total else 0.0
