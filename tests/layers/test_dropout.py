import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.dropout import Dropout

SIZE = 1 << 18


def kept(rate, *, size=SIZE, seed=0, calls=1):
    """Which values each call of one layer keeps, as 0 and 1."""
    layer = Dropout(rate, seed=seed)
    ones = np.ones(size, "float32")
    return [np.asarray(layer(ones, training=True)) > 0 for _ in range(calls)]


def correlation(first, second):
    return abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(len(first))


def test_harness():
    inputs = np.random.default_rng(0).normal(size=(2, 5, 7)).astype("float32")
    check_layer(Dropout, {"rate": 0.25, "seed": 3}, inputs, alternatives={"rate": 0.5, "seed": 4})


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_rate(rate):
    share = np.mean([1 - keep.mean() for keep in kept(rate, calls=4)])
    assert abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / (4 * SIZE))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_mean_stays(rate):
    values = np.asarray(Dropout(rate, seed=0)(np.ones(SIZE, "float32"), training=True), "float64")
    np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - rate)], rtol=1e-4)
    np.testing.assert_allclose(values.mean(), 1, atol=0.01)


def test_calls_are_independent():
    masks = kept(0.3, calls=6)
    for index, first in enumerate(masks):
        for second in masks[:index]:
            assert correlation(first, second) < 5


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 127, 128, 1000, 4096, SIZE // 2 - 1, SIZE // 2, SIZE // 2 + 1])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_neighbouring_values_are_independent(rate, lag):
    scores = [correlation(keep[:-lag], keep[lag:]) for keep in kept(rate, calls=4)]
    assert max(scores) < 5.5


def test_runs_of_values_are_independent():
    """Counts per row of 128 values spread as a binomial does."""
    counts = np.concatenate([keep.reshape(-1, 128).sum(axis=1) for keep in kept(0.1, calls=8)])
    np.testing.assert_allclose(counts.var(), 128 * 0.1 * 0.9, rtol=0.1)


def test_seed_reproduces():
    first, second = kept(0.5, seed=7, calls=2)
    again, _ = kept(0.5, seed=7, calls=2)
    other, _ = kept(0.5, seed=8, calls=2)
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert (first != other).any()


def test_global_seed_reproduces():
    masks = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        masks.append(kept(0.5, seed=None)[0])
    np.testing.assert_array_equal(*masks)


def test_two_layers_differ():
    first, second = Dropout(0.5), Dropout(0.5)
    ones = np.ones(1000, "float32")
    assert (np.asarray(first(ones, training=True)) != np.asarray(second(ones, training=True))).any()


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_identity_outside_training(rate):
    inputs = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    np.testing.assert_array_equal(Dropout(rate)(inputs), inputs)
    np.testing.assert_array_equal(Dropout(rate)(inputs, training=False), inputs)
    if rate == 0:
        np.testing.assert_array_equal(Dropout(rate)(inputs, training=True), inputs)


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 1), (3, 5, 7), (2, 0, 4), (9, 11, 3, 5), ()])
def test_sizes(shape):
    output = Dropout(0.5, seed=0)(np.ones(shape, "float32"), training=True)
    assert tuple(output.shape) == shape
    assert set(np.unique(output)) <= {0, 2}


def test_gradient_is_the_mask():
    inputs = tf.constant(np.random.default_rng(0).normal(size=(50, 31)).astype("float32"))
    layer = Dropout(0.3, seed=0)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(inputs, training=True)
    gradient = tape.gradient(output, inputs).numpy()
    np.testing.assert_array_equal(gradient == 0, output.numpy() == 0)
    np.testing.assert_allclose(gradient, output.numpy() / inputs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_the_same_values(policy):
    ones = np.ones((100, 33), "float32")
    half = keras.ops.cast(Dropout(0.1, seed=0, dtype=policy)(ones, training=True), "float32").numpy()
    np.testing.assert_allclose(half, Dropout(0.1, seed=0)(ones, training=True), rtol=0.01)


def test_masks_change_from_step_to_step_in_a_graph():
    layer = Dropout(0.5, seed=0)
    step = tf.function(lambda inputs: layer(inputs, training=True))
    ones = tf.ones(1000)
    eager = Dropout(0.5, seed=0)
    for _ in range(3):
        np.testing.assert_array_equal(step(ones), eager(ones, training=True))
    assert (step(ones).numpy() != step(ones).numpy()).any()


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5])
def test_refuses_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), not"):
        Dropout(rate)
