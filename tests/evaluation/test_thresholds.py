import numpy as np
import pytest
from sklearn.metrics import f1_score

from avkeras.evaluation.thresholds import best_class_thresholds, best_global_threshold, micro_f1


def random_case(seed, *, clips=60, classes=7, dtype=np.float64):
    random = np.random.default_rng(seed)
    targets = random.random((clips, classes)) < 0.2
    # Rounding makes ties, which an exact search has to keep together
    probabilities = np.round(0.4 * targets + 0.6 * random.random((clips, classes)), random.integers(1, 5))
    return targets.astype(int), probabilities.astype(dtype)


@pytest.mark.parametrize("seed", range(5))
def test_micro_f1_equals_scikit_learn(seed):
    targets, probabilities = random_case(seed)
    for threshold in (0.1, 0.5, 0.9):
        expected = f1_score(targets, probabilities >= threshold, average="micro", zero_division=0.0)
        assert micro_f1(targets, probabilities, threshold=threshold) == pytest.approx(expected, abs=1e-15)
    per_class = np.linspace(0.1, 0.9, targets.shape[1])
    expected = f1_score(targets, probabilities >= per_class, average="micro")
    assert micro_f1(targets, probabilities, threshold=per_class) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(10))
def test_global_threshold_is_the_best_there_is(seed, dtype):
    targets, probabilities = random_case(seed, dtype=dtype)
    threshold, score = best_global_threshold(targets, probabilities)
    assert score == micro_f1(targets, probabilities, threshold=threshold)
    assert score == max(micro_f1(targets, probabilities, threshold=value) for value in np.unique(probabilities))


@pytest.mark.parametrize("seed", range(5))
def test_grid_gives_the_best_of_the_grid(seed):
    targets, probabilities = random_case(seed)
    grid = np.arange(1, 10) / 10
    threshold, score = best_global_threshold(targets, probabilities, grid=grid)
    scores = [micro_f1(targets, probabilities, threshold=value) for value in grid]
    assert score == max(scores)
    assert threshold == grid[np.flatnonzero(np.array(scores) == max(scores))[-1]]


@pytest.mark.parametrize("grid", [None, [0.2, 0.4, 0.6]])
def test_class_thresholds_are_global_thresholds_of_one_class(grid):
    targets, probabilities = random_case(3)
    thresholds, scores = best_class_thresholds(targets, probabilities, grid=grid)
    alone = [best_global_threshold(t, p, grid=grid) for t, p in zip(targets.T, probabilities.T, strict=True)]
    assert [tuple(pair) for pair in zip(thresholds, scores, strict=True)] == alone


def test_neighbouring_floats_and_zeros_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    threshold, score = best_global_threshold([1, 0], [high, low])
    assert (score, micro_f1([1, 0], [high, low], threshold=threshold)) == (1.0, 1.0)
    threshold, score = best_global_threshold([1, 1], [0.0, 0.7])
    assert (score, micro_f1([1, 1], [0.0, 0.7], threshold=threshold)) == (1.0, 1.0)


def test_class_without_positives_predicts_nothing():
    thresholds, scores = best_class_thresholds([[0, 1], [0, 0]], [[1.0, 0.6], [0.2, 0.4]])
    assert thresholds[0] > 1
    assert scores.tolist() == [0.0, 1.0]
    assert micro_f1([0, 0], [0.1, 0.2]) == 0.0


@pytest.mark.parametrize(
    ("targets", "probabilities", "message"),
    [
        ([[1, 0]], [[0.5]], "differ in shape"),
        ([1, 2], [0.5, 0.5], "0 or 1"),
        ([1, 0], [0.5, np.nan], "NaN"),
        ([], [], "no targets"),
    ],
)
def test_bad_input_is_refused(targets, probabilities, message):
    with pytest.raises(ValueError, match=message):
        best_global_threshold(targets, probabilities)
    with pytest.raises(ValueError, match="grid holds no"):
        best_global_threshold([1], [0.5], grid=[])
    with pytest.raises(ValueError, match="shape"):
        best_class_thresholds([1], [0.5])
