import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from two_forms import assert_same, draw

from avkeras.layers import loops
from avkeras.layers.loops import one_loop


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0, 0.3])
@pytest.mark.parametrize("pool", [(2, 2), (1, 2), (3, 4)])
def test_one_loop_drops_and_averages_as_the_operations_do(rate, pool, dtype):
    mask, seeds = tf.constant(np.arange(5) < [[5], [3], [0]]), tf.constant([3, -9])
    fast, plain = (
        lambda x, form=form: form(x, mask, seeds, rate=rate, pool=pool)
        for form in (loops.drop_and_average, loops.plain_drop_and_average)
    )
    assert_same(fast, plain, draw(3, 5, 6, 2).astype(dtype))


@pytest.mark.parametrize("shape", [(3, 5, 6), (3, 5, 7)])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_one_loop_is_swish_and_dropout(rate, shape):
    seeds = tf.constant([3, -9])
    fast, plain = (
        lambda x, form=form: form(x, seeds, rate=rate) for form in (loops.swish_and_drop, loops.plain_swish_and_drop)
    )
    assert_same(fast, plain, draw(*shape))


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
    loops._compiled.cache_clear()
    graph = tf.function(lambda x, factor: one_loop(scaled_sum, x, one_loop(scaled_sum, x, x, factor=1), factor=factor))
    for factor in (1, 2):
        for size in (3, 4, 3):
            graph(tf.ones(size), factor)
    assert loops._compiled.cache_info().currsize == 4


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
