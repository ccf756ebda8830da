import numpy as np
import pytest

from avkeras.evaluation.automatic_thresholds import ascend_thresholds, automatic_class_thresholds
from avkeras.evaluation.decisions import RULES, Decision, choose_decision
from avkeras.evaluation.thresholds import best_class_thresholds, best_global_threshold, micro_f1


def clips(count=60, classes=3, seed=0):
    """Probabilities that tell the classes apart, each at another level."""
    random = np.random.default_rng(seed)
    targets = random.uniform(size=(count, classes)) < 0.4
    levels = np.linspace(0.25, 0.6, classes)
    found = levels + 0.12 * (2 * targets - 1) + random.normal(0, 0.09, (count, classes))
    return targets.astype(int), np.clip(found, 0.001, 0.999)


@pytest.mark.parametrize("seed", range(4))
def test_automatic_thresholds_reach_what_a_search_of_all_reaches(seed):
    targets, found = clips(150, seed=seed)
    # Predicting the 0, 1, ... most probable clips of each class: all that thresholds can do.
    sorted_targets = np.take_along_axis(targets, np.argsort(-found, axis=0), axis=0)
    correct = np.concatenate([np.zeros((1, 3), int), sorted_targets.cumsum(axis=0)])
    many, three = np.arange(151), np.ix_(range(151), range(151), range(151))
    right = correct[three[0], 0] + correct[three[1], 1] + correct[three[2], 2]
    claimed = many[three[0]] + many[three[1]] + many[three[2]]
    best = (2 * right / (claimed + targets.sum())).max()
    thresholds, score = automatic_class_thresholds(targets, found)
    assert score == micro_f1(targets, found, threshold=thresholds)
    assert score > micro_f1(targets, found, threshold=0.3) + 0.03
    assert best - 0.02 < score <= best
    assert best_global_threshold(targets, found)[1] < score


def test_the_counts_are_those_of_micro_f1():
    from avkeras.evaluation.automatic_thresholds import _Counts

    random = np.random.default_rng(0)
    targets, found = random.uniform(size=(40, 5)) < 0.3, random.integers(0, 8, (40, 5)) / 8  # many are equal
    counts = _Counts(targets, found)
    for _ in range(50):
        thresholds = random.integers(0, 10, 5) / 8
        assert counts.micro_f1(thresholds) == micro_f1(targets, found, threshold=thresholds)
    assert _Counts(np.zeros((2, 2), bool), np.zeros((2, 2))).micro_f1(np.ones(2)) == 0.0


def test_the_ascent_is_adam_on_forward_differences():
    asked = []

    def score(thresholds):
        asked.append(thresholds.copy())
        return 3.0 * thresholds[0] + (thresholds[1] > 0.125)  # the second one changes nothing until then

    found, _ = ascend_thresholds(score, [0.5, 0.1], steps=1, difference=0.01, keep="last")
    # One try for the first, three for the second, whose slope is a step of 1 divided by 0.03.
    np.testing.assert_allclose(asked, [[0.5, 0.1], [0.51, 0.1], *([0.5, 0.1 + 0.01 * n] for n in (1, 2, 3)), found])
    np.testing.assert_allclose(found, [0.51, 0.11], atol=1e-6)  # the first step of Adam is its rate
    still, _ = ascend_thresholds(lambda _: 1.0, [0.3], steps=3, difference=0.01)
    assert still == [0.3]


def test_the_best_thresholds_of_the_way_are_kept_or_the_last():
    def score(thresholds):
        return -abs(thresholds[0] - 0.35)

    best, highest = ascend_thresholds(score, [0.3], steps=40, difference=0.01)
    last, here = ascend_thresholds(score, [0.3], steps=40, difference=0.01, keep="last")
    assert highest == score(best) >= here == score(last)
    with pytest.raises(ValueError, match="keep must be 'best' or 'last', not 'first'"):
        ascend_thresholds(score, [0.3], steps=1, difference=0.01, keep="first")


def test_each_rule_chooses_what_it_leaves_open():
    targets, found = clips()
    chosen = {rule: choose_decision(rule, targets, found) for rule in RULES}
    assert chosen["global"][0].threshold == best_global_threshold(targets, found)[0]
    assert list(chosen["class_wise"][0].threshold) == best_class_thresholds(targets, found)[0].tolist()
    assert chosen["capsule"][0].threshold == 0.35
    for rule, (decision, score) in chosen.items():
        decided = decision.decide(found)
        assert decision.rule == rule
        assert score == micro_f1(targets, decided)
        wanted = found >= np.asarray(decision.threshold)
        if rule == "capsule":
            empty = ~wanted.any(axis=1)
            assert empty.any()
            wanted[empty, found[empty].argmax(axis=1)] = True
        np.testing.assert_array_equal(decided, wanted)
    assert not Decision("global", 0.9).decide([[0.1, 0.2]]).any()


def test_a_rule_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="rule must be one of global, class_wise, automatic, capsule, not 'oracle'"):
        Decision("oracle", 0.5)
    with pytest.raises(ValueError, match="probabilities hold NaN"):
        automatic_class_thresholds([[1]], [[np.nan]])
    with pytest.raises(ValueError, match=r"targets must have the shape \(clips, classes\)"):
        automatic_class_thresholds([1], [0.5])
