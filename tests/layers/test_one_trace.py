"""Blocks that are traced once do what each of them does by itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.layers import ConformerDecoderBlock, ConformerEncoderBlock, TransformerEncoderBlock
from avkeras.layers.one_trace import one_trace

SMALL = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8}
X = np.random.default_rng(0).normal(size=(2, 6, 8)).astype("float32")
MASK = np.array([[True] * 6, [True] * 4 + [False] * 2])


def made(kind, count, **values):
    keras.utils.set_random_seed(0)
    blocks = [kind(**{**SMALL, **values}, name=f"block_{index}") for index in range(count)]
    for block in blocks:
        block.build(X.shape)
    return blocks


def stepper(blocks):
    """Returns a function that gives the output of blocks one after the other, and their gradients."""

    def step(x):
        with tf.GradientTape() as tape:
            for block in blocks:
                x = block(x, padding_mask=MASK, training=True)
            loss = tf.reduce_sum(x**2)
        weights = [weight for block in blocks for weight in block.trainable_weights]
        return x, tape.gradient(loss, [weight.value for weight in weights])

    return step


def calls(function):
    """Returns the names of the functions of a graph that hold blocks, by how often it calls them."""
    found = {}
    for operation in function.graph.get_operations():
        if operation.type in ("PartitionedCall", "StatefulPartitionedCall") and "block" in operation.name:
            name = operation.get_attr("f").name
            found[name] = found.get(name, 0) + 1
    return found


def largest(*tensors):
    return max(np.abs(tensor).max() for tensor in tensors)


@pytest.mark.parametrize("kind", [TransformerEncoderBlock, ConformerEncoderBlock])
def test_outputs_gradients_statistics_and_random_states_are_those_of_plain_calls(kind):
    given = {"dropout": 0.25}
    plain, once = made(kind, 3, **given), made(kind, 3, **given)
    for own, other in zip(plain, once, strict=True):
        for variable, like in zip(own.variables, other.variables, strict=True):
            like.assign(variable)
    graph = tf.function(stepper(once), autograph=False)
    for _ in range(2):  # masks differ from step to step
        output, gradients = stepper(plain)(X)  # eagerly, where nothing is traced
        found, other = graph(tf.constant(X))
        # Three blocks that normalise: roundings of 6e-8 of the largest value, some hundred in a row. Another's weights
        # or masks move them by 0.1 and more.
        for one, like in zip([found, *other], [output, *gradients], strict=True):
            np.testing.assert_allclose(one, like, rtol=0, atol=1e-5 * largest(output, *gradients))
    for own, other in zip(plain, once, strict=True):
        for variable, like in zip(own.non_trainable_variables, other.non_trainable_variables, strict=True):
            np.testing.assert_allclose(like.numpy(), variable.numpy(), rtol=1e-4, atol=1e-5)
    function = graph.get_concrete_function(tf.TensorSpec(X.shape))
    assert next(iter(calls(function).values())) == 3


def test_blocks_that_differ_or_are_frozen_do_not_share():
    blocks = [*made(ConformerEncoderBlock, 2), *made(ConformerEncoderBlock, 1, dropout=0.3)]
    blocks[1].convolution.trainable = False
    before = [block.convolution.batch_norm.moving_mean.numpy() for block in blocks]
    graph = tf.function(stepper(blocks), autograph=False).get_concrete_function(tf.TensorSpec(X.shape))
    assert len(calls(graph)) >= 3
    graph(tf.constant(X))
    moved = [
        not np.array_equal(block.convolution.batch_norm.moving_mean, mean)
        for block, mean in zip(blocks, before, strict=True)
    ]
    assert moved == [True, False, True]


def test_a_decoder_takes_and_gives_dicts():
    blocks = [ConformerDecoderBlock(encoders=("audio", "video"), **SMALL, dropout=0.0) for _ in range(2)]

    def run(x, y):
        given = {"encoded": {"audio": x, "video": y}, "padding_masks": {"audio": MASK}, "training": True}
        for block in blocks:
            x, scores = block(x, **given, return_attention_scores=True)
        return x, scores

    x, y = tf.constant(X), tf.constant(X[:, :3])
    run(x, y)  # builds them
    graph = tf.function(run, autograph=False)
    output, scores = run(x, y)
    found, others = graph(x, y)
    np.testing.assert_allclose(found, output, rtol=1e-4, atol=1e-4)
    for name in ("audio", "video"):
        np.testing.assert_allclose(others[name], scores[name], rtol=1e-4, atol=1e-4)


def test_inference_eager_calls_and_mixed_precision_are_plain():
    def call(layer, x, training):
        seen.append(tf.executing_eagerly())
        return layer(x)

    for dtype, training, times in (("float32", True, 1), ("float32", False, 2), ("mixed_float16", True, 2)):
        layers, seen = [keras.layers.Dense(8, dtype=dtype, name=name) for name in "ab"], []
        for layer in layers:
            layer.build((None, 8))
            one_trace(layer, call, tf.constant(X), training=True)
        assert seen == [True, True]
        seen.clear()

        @tf.function(autograph=False)
        def run(x, layers=layers, training=training):
            return [one_trace(layer, call, x, training=training) for layer in layers]

        run(tf.constant(X))
        assert len(seen) == times


def test_a_part_that_was_changed_since_is_not_that_of_another_block():
    blocks = [TransformerEncoderBlock(dim=8, key_dim=4, hidden_dim=8, dropout=0.0) for _ in range(2)]
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, blocks[1](blocks[0](inputs)))
    blocks[1].feed_forward.hidden_map.activation = keras.activations.gelu
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    traced = tf.function(lambda x: model(x, training=True))
    np.testing.assert_allclose(traced(x), model(x, training=True), atol=1e-5)


class Silent(keras.layers.Layer):
    """A layer of a user's own that tells nothing of how it was built."""

    def __init__(self, factor, function):
        super().__init__()
        self.factor, self.function = factor, function

    def call(self, inputs, training=False):
        return self.function(inputs) * self.factor


def test_a_part_that_does_not_tell_how_it_was_built_is_shared_with_none():
    blocks = [TransformerEncoderBlock(dim=8, key_dim=4, hidden_dim=8, dropout=0.0) for _ in range(2)]
    for factor, block in enumerate(blocks, start=1):
        block.self_attention_norm = Silent(float(factor), keras.ops.tanh)
        block.self_attention_norm.build = lambda shape: None
        with pytest.raises(NotImplementedError):
            block.self_attention_norm.get_config()
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, blocks[1](blocks[0](inputs)))
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    traced = tf.function(lambda x: model(x, training=True))
    np.testing.assert_allclose(traced(x), model(x, training=True), atol=1e-5)
