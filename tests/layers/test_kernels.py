import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from avkeras import layers
from avkeras.layers import kernels
from avkeras.layers.kernels import one_loop

RANDOM = np.random.default_rng(0)


def values_and_gradients(function, *tensors):
    """What a function gives, and the gradients of a sum of it that tells its places apart; compiled as in training."""

    @tf.function
    def both(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            output = tf.nest.flatten(function(*tensors))[0]
            weights = tf.reshape(tf.sin(tf.range(tf.size(output), dtype=output.dtype)), tf.shape(output))
            total = tf.reduce_sum(output * weights)
        return function(*tensors), tape.gradient(total, tensors)

    return [value.numpy() for value in tf.nest.flatten(both(*map(tf.constant, tensors)))]


def assert_same(fast, plain, *tensors, tolerance=1e-5):
    """Both forms give the same; a sum of some hundred terms of size 1 loses 1e-5 at most in float32."""
    for one, other in zip(*(values_and_gradients(form, *tensors) for form in (fast, plain)), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * max(1, np.abs(other).max()))


def draw(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def test_scores_of_folded_maps_are_those_of_the_formula():
    maps = (draw(3, 6, 4), draw(3, 4), draw(3, 5, 4), draw(3, 4))
    fast, plain = (
        lambda q, v, wq, bq, wk, bk, form=form: form(q, v, (wq, bq), (wk, bk), 0.5)
        for form in (kernels.folded_scores, kernels.plain_scores)
    )
    assert_same(fast, plain, draw(2, 7, 6), draw(2, 8, 5), *maps)


def test_outputs_of_folded_maps_are_those_of_the_formula():
    fast, plain = (
        lambda a, v, w, b, o, form=form: form(a, v, (w, b), o) for form in (kernels.folded_output, kernels.plain_output)
    )
    assert_same(fast, plain, draw(2, 7, 3, 8), draw(2, 8, 5), draw(3, 5, 4), draw(3, 4), draw(3, 4, 6))


@pytest.mark.parametrize("known", [(2, 7, 5), (None, 7, 5), (None, None, 5)])
def test_a_linear_map_is_a_product_with_the_last_axis(known):
    frames, kernel = draw(2, 7, 5), draw(5, 3)
    mapped = tf.function(kernels.linear, input_signature=[tf.TensorSpec(known), tf.TensorSpec((5, 3))])
    np.testing.assert_allclose(mapped(frames, kernel), frames @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (4, 9, 3)])
def test_the_fused_batch_normalisation_is_that_of_the_formula(shape):
    fast, plain = (
        lambda x, gamma, beta, form=form: form(x, gamma, beta, 1e-3)
        for form in (kernels.batch_norm, kernels.plain_batch_norm)
    )
    assert_same(fast, plain, 3 + draw(*shape), draw(3), draw(3))


@pytest.mark.parametrize("rate", [0, 0.3])
@pytest.mark.parametrize("pool", [(2, 2), (1, 2), (3, 4)])
def test_one_loop_drops_and_averages_as_the_operations_do(rate, pool):
    mask, seeds = tf.constant(np.arange(5) < [[5], [3], [0]]), tf.constant([3, -9])
    fast, plain = (
        lambda x, form=form: form(x, mask, seeds, rate=rate, pool=pool)
        for form in (kernels.drop_and_average, kernels.plain_drop_and_average)
    )
    assert_same(fast, plain, draw(3, 5, 6, 2))


def scaled_sum(first, second, *, factor):
    return (first + second) * factor


def test_a_graph_gives_what_the_operations_give_and_compiles_them_into_one():
    first, second = tf.constant([[1.0, 2.0]]), tf.constant([[3.0], [5.0]])
    wanted = scaled_sum(first, second, factor=0.5)
    np.testing.assert_array_equal(one_loop(scaled_sum, first, second, factor=0.5), wanted)
    graph = tf.function(lambda *tensors: one_loop(scaled_sum, *tensors, factor=0.5))
    np.testing.assert_array_equal(graph(first, second), wanted)
    operations = [operation.type for operation in graph.get_concrete_function(first, second).graph.get_operations()]
    assert "AddV2" not in operations
    assert "Mul" not in operations


def test_each_signature_and_value_is_traced_once():
    kernels._compiled.cache_clear()
    graph = tf.function(lambda x, factor: one_loop(scaled_sum, x, one_loop(scaled_sum, x, x, factor=1), factor=factor))
    for factor in (1, 2):
        for size in (3, 4, 3):
            graph(tf.ones(size), factor)
    assert kernels._compiled.cache_info().currsize == 4


def test_any_batch_size_and_frames():
    graph = tf.function(
        lambda x: one_loop(scaled_sum, x, x, factor=0.5), input_signature=[tf.TensorSpec((None, None, 2))]
    )
    for shape in ((1, 3, 2), (4, 1, 2), (0, 3, 2)):
        assert graph(tf.ones(shape)).shape == shape


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_keeps_the_dtype(dtype):
    graph = tf.function(lambda x: one_loop(scaled_sum, x, x, factor=2))
    assert keras.backend.standardize_dtype(graph(ops.ones((2,), dtype)).dtype) == dtype


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MultiHeadAttention", {}),
        ("RelativeMultiHeadAttention", {"max_distance": 10}),
        ("SinusoidalRelativeAttention", {"max_distance": 10, "causal_shift": True}),
    ],
)
def test_one_head_is_safe_where_onednn_writes_beyond_its_memory(name, options):
    """A product that broadcasts over one head corrupts the memory of TensorFlow 2.16 to 2.21, or ends the process."""
    layer = getattr(layers, name)(num_heads=1, key_dim=8, output_dim=8, **options)
    frames = draw(40, 10, 8)
    first = np.asarray(layer(frames))
    for _ in range(20):
        np.testing.assert_array_equal(layer(frames), first)
