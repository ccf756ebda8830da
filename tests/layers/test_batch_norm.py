import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.batch_norm import MaskedBatchNormalization

RANDOM = np.random.default_rng(0)
SHAPES = [(3, 6, 5), (3, 6, 4, 5)]
MASK = np.array([[1, 1, 1, 1, 0, 0], [1] * 6, [0] * 6], bool)


def random_inputs(shape):
    return RANDOM.normal(1, 3, size=shape).astype("float32")


def random_weights(*layers, channels=5):
    values = [RANDOM.uniform(0.5, 2, size=channels) for _ in range(4)]
    for layer in layers:
        layer.set_weights(values)


def step(layer, inputs, *args):
    """One training call: outputs, gradients of inputs and weights, moved statistics."""
    inputs = tf.constant(inputs)
    target = np.random.default_rng(1).normal(size=inputs.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(inputs, *args, training=True)
        kept = tf.cast(output, "float32") * target
        if args:
            kept = tf.boolean_mask(kept, args[0])
        loss = tf.reduce_sum(kept)
    gradients = tape.gradient(loss, [inputs, *(v.value for v in layer.trainable_variables)])
    return [np.asarray(x) for x in (output, *gradients, layer.moving_mean, layer.moving_variance)]


def call_after_training(layer, inputs, training=False):
    """Calls in inference, after a training step if asked for, so that the moved statistics show."""
    inputs = inputs if isinstance(inputs, dict) else {"inputs": inputs}
    return layer(**inputs, training=True) + layer(**inputs) if training else layer(**inputs)


@pytest.mark.parametrize("masked", [False, True], ids=["4-d", "3-d, masked"])
def test_harness(masked):
    inputs = {"inputs": random_inputs(SHAPES[0]), "padding_mask": MASK} if masked else random_inputs(SHAPES[1])
    alternatives = {"momentum": 0.5, "epsilon": 0.5}
    check_layer(MaskedBatchNormalization, {}, inputs, call=call_after_training, alternatives=alternatives)


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "all real"])
@pytest.mark.parametrize("shape", SHAPES, ids=["3-d", "4-d"])
def test_equals_the_layer_of_keras_where_all_frames_are_real(shape, masked):
    ours, keras_layer = MaskedBatchNormalization(), keras.layers.BatchNormalization(momentum=0.9)
    inputs = random_inputs(shape)
    ours.build(shape), keras_layer.build(shape)
    random_weights(ours, keras_layer)
    np.testing.assert_allclose(ours(inputs), keras_layer(inputs), rtol=1e-5, atol=1e-5)
    mask = [np.ones_like(MASK)] if masked else []
    for one, other in zip(step(ours, inputs, *mask), step(keras_layer, inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=["3-d", "4-d"])
def test_equals_the_normalisation_of_the_real_frames_alone(shape):
    padded, alone = MaskedBatchNormalization(), MaskedBatchNormalization()
    inputs = random_inputs(shape)
    real = inputs[MASK][None]
    padded.build(shape), alone.build(real.shape)
    random_weights(padded, alone)
    output, gradient, *statistics = step(padded, inputs, MASK)
    assert (gradient[~MASK] == 0).all()
    with tf.GradientTape():
        wanted = alone(real, training=True)
    np.testing.assert_allclose(output[MASK], wanted[0], rtol=1e-4, atol=1e-4)
    moved = [np.asarray(alone.moving_mean), np.asarray(alone.moving_variance)]
    for one, other in zip(statistics[2:], moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_batch_of_padding_leaves_the_statistics_alone():
    layer = MaskedBatchNormalization()
    inputs = random_inputs(SHAPES[0])
    layer.build(inputs.shape)
    random_weights(layer)
    before = layer.get_weights()
    output = layer(inputs, np.zeros_like(MASK), training=True)
    assert np.isfinite(output).all()
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_frozen_layer_uses_the_moving_statistics():
    layer = MaskedBatchNormalization()
    layer.trainable = False
    inputs = random_inputs(SHAPES[0])
    np.testing.assert_array_equal(layer(inputs, training=True), layer(inputs))


@pytest.mark.parametrize("mask", [None, MASK, np.ones_like(MASK)])
@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_half_precision_keeps_its_statistics_in_float32(policy, mask):
    inputs = tf.constant(random_inputs(SHAPES[0]), policy)
    half, full = (MaskedBatchNormalization(dtype=dtype) for dtype in (policy, "float32"))
    output, expected = (
        layer(tf.cast(inputs, layer.compute_dtype), padding_mask=mask, training=True) for layer in (half, full)
    )
    assert output.dtype == policy
    # One rounding of an output of 4 at most, to 8 bits or to 11.
    np.testing.assert_allclose(tf.cast(output, "float32"), expected, atol=4 * 2.0**-8)
    for one, other in zip(half.get_weights(), full.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)  # sums of 18 values of the same halves
