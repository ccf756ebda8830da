"""Figures of clip probabilities, against the formula of average precision and scikit-learn's F1."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from avkeras.evaluation.tagging_figures import average_precisions, tagging_figures


def precision_by_the_formula(targets, scores):
    """The gain in recall at each threshold, by the precision there."""
    total, before = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        correct = (targets & (scores >= threshold)).sum()
        total += (correct - before) / targets.sum() * correct / (scores >= threshold).sum()
        before = correct
    return total


def test_figures_are_those_of_the_formulas():
    random = np.random.default_rng(0)
    targets = random.uniform(size=(200, 6)) < [0.5, 0.3, 0.1, 0.02, 0.9, 0.0]
    scores = np.round(0.3 * targets + random.uniform(0, 0.7, size=targets.shape), 2)  # with equals
    found = average_precisions(targets, scores)
    expected = [precision_by_the_formula(targets[:, one], scores[:, one]) for one in range(5)]
    np.testing.assert_allclose(found[:5], expected, rtol=1e-12)
    assert math.isnan(found[5])
    figures, rows = tagging_figures(targets, scores, scores >= 0.5, classes=list("abcdef"))
    assert figures["micro_f1"] == pytest.approx(f1_score(targets, scores >= 0.5, average="micro"))
    of_five = f1_score(targets[:, :5], scores[:, :5] >= 0.5, average="macro")
    assert figures["macro_f1"] == pytest.approx(of_five)
    assert figures["mean_average_precision"] == pytest.approx(np.mean(expected))
    assert [row["clips"] for row in rows] == targets.sum(axis=0).tolist()
    assert math.isnan(rows[5]["average_precision"])
    nothing, _ = tagging_figures(targets[:, 5:], scores[:, 5:], scores[:, 5:] > 1, classes=["f"])
    assert nothing["micro_f1"] == 0
    assert math.isnan(nothing["micro_recall"])
