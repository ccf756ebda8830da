import numpy as np
import pytest
import tensorflow as tf

from avkeras.data.pair_mixup import pair_mixup


def test_targets_are_mixed_by_the_ratios_that_the_model_gets():
    targets = np.random.default_rng(0).integers(0, 2, (8, 3)).astype("float32")
    x, y = pair_mixup({"audio": tf.zeros((8, 2))}, tf.constant(targets), seed=(3, 5))
    ratios = x["mixup_ratios"].numpy()[:, None]
    assert ((ratios > 0) & (ratios < 1)).all()
    np.testing.assert_allclose(y, ratios * targets[0::2] + (1 - ratios) * targets[1::2])
    again, _ = pair_mixup({}, tf.constant(targets), seed=(3, 5))
    np.testing.assert_array_equal(again["mixup_ratios"], x["mixup_ratios"])
    other, _ = pair_mixup({}, tf.constant(targets), seed=(3, 6))
    assert np.all(other["mixup_ratios"] != x["mixup_ratios"])


def test_ratios_are_uniform():
    x, _ = pair_mixup({}, tf.zeros((20_000, 1)), seed=(0, 0))
    counts, _ = np.histogram(x["mixup_ratios"], bins=10, range=(0, 1))
    assert 900 < counts.min() <= counts.max() < 1100


@pytest.mark.parametrize("size", [1, 3])
def test_a_clip_without_a_partner_is_refused(size):
    with pytest.raises(ValueError, match=f"a batch of {size} is not even"):
        pair_mixup({}, tf.zeros((size, 2)), seed=(0, 0))
