"""Figures of clip probabilities, a row per class: F1 by a decision, and average precision, which needs none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.evaluation.thresholds import micro_f1


def average_precisions(targets: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Returns the average precision of each class: the precision at each clip that holds it, averaged over these.

    Clips with equal probabilities count as one step: scikit-learn's, with NaN where it warns.

    Args:
        targets: 0 or 1, `(clips, classes)`.
        probabilities: of the same shape.

    Returns:
        `(classes,)`; NaN for a class that no clip holds.

    Example:
        >>> average_precisions([[1], [0], [1]], [[0.9], [0.8], [0.7]]).round(3).tolist()
        [0.833]
    """
    from sklearn.metrics import average_precision_score

    targets, probabilities = np.asarray(targets, bool), np.asarray(probabilities, np.float64)
    columns = zip(targets.T, probabilities.T, strict=True)
    return np.array([average_precision_score(*one) if one[0].any() else math.nan for one in columns])


def tagging_figures(
    targets: ArrayLike, probabilities: ArrayLike, decided: ArrayLike, *, classes: Sequence[str]
) -> tuple[dict[str, float], list[dict[str, str | int | float]]]:
    """Returns the figures of all classes together, and a row for each.

    Args:
        targets: 0 or 1, `(clips, classes)`.
        probabilities: of the same shape.
        decided: which classes are found, of the same shape.
        classes: their names.

    Returns:
        `micro_f1`, `micro_precision`, `micro_recall`, and the means over the classes that some clip holds, `macro_f1`
        and `mean_average_precision`; rows of `class`, `clips`, `predicted`, `correct`, `f1` and `average_precision`.

    Example:
        >>> figures, rows = tagging_figures([[1], [0]], [[0.9], [0.2]], [[True], [False]], classes=["Dog"])
        >>> figures["micro_f1"], rows[0]["clips"]
        (1.0, 1)
    """
    targets, decided = np.asarray(targets, bool), np.asarray(decided, bool)
    held, predicted, correct = (one.sum(axis=0) for one in (targets, decided, targets & decided))
    precisions = average_precisions(targets, probabilities)
    f1 = 2 * correct / np.maximum(held + predicted, 1)
    there = held > 0
    figures = {
        "micro_f1": micro_f1(targets, decided),
        "micro_precision": _ratio(correct.sum(), predicted.sum()),
        "micro_recall": _ratio(correct.sum(), held.sum()),
        "macro_f1": _ratio(f1[there].sum(), there.sum()),
        "mean_average_precision": _ratio(precisions[there].sum(), there.sum()),
    }
    columns = (held.tolist(), predicted.tolist(), correct.tolist(), f1.tolist(), precisions.tolist())
    names = ("class", "clips", "predicted", "correct", "f1", "average_precision")
    return figures, [dict(zip(names, row, strict=True)) for row in zip(classes, *columns, strict=True)]


def _ratio(part, whole) -> float:
    return float(part / whole) if whole else math.nan
