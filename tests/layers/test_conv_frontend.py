import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.conv_frontend import ConvFrontend

RANDOM = np.random.default_rng(0)
SMALL = {"filters": [3, 4], "pooling": [[2, 2], [2, 4]], "dropout": 0.0}
MEL = RANDOM.normal(size=(3, 14, 8)).astype("float32")
MASK = np.arange(14) < np.array([[14], [9], [0]])


def trained_step(layer, mel, mask=None):
    """Outputs, gradients of input and weights, and moved statistics of a training call."""
    mel = tf.constant(mel)
    with tf.GradientTape() as tape:
        tape.watch(mel)
        vectors, vector_mask = layer(mel, mask, training=True)
        loss = tf.reduce_sum(vectors**2)
    gradients = tape.gradient(loss, [mel, *(v.value for v in layer.trainable_variables)])
    return vectors.numpy(), vector_mask.numpy(), gradients[0].numpy(), [*gradients[1:], *layer.non_trainable_variables]


def test_harness():
    alternatives = {
        "filters": [3, 5],
        "pooling": [[1, 2], [2, 4]],
        "kernel_size": 5,
        "dropout": 0.5,
        "momentum": 0.5,
        "batch_norm_epsilon": 0.5,
        "activation": "gate",
        "use_bias": True,
    }
    check_layer(ConvFrontend, SMALL, {"inputs": MEL, "padding_mask": MASK}, alternatives=alternatives)


def test_ten_seconds_give_64_vectors_of_128():
    layer = ConvFrontend()
    vectors, mask = layer(np.zeros((1, 512, 64), "float32"))
    assert vectors.shape == (1, 64, 128)
    assert np.all(mask)
    assert [tuple(c.kernel_size) for c in layer.convolutions] == [(3, 3)] * 7
    assert [norm.momentum for norm in layer.norms] == [0.9] * 7
    assert [dropout.rate for dropout in layer.dropouts] == [0.1] * 7


@pytest.mark.parametrize("frames", [9, 12, 13])
def test_padding_changes_nothing_while_training(frames):
    mel, soiled = MEL[:2, :frames], MEL[:2].copy()
    soiled[:, frames:] = np.nan
    mask = np.repeat(np.arange(14)[None] < frames, 2, axis=0)
    alone, padded = ConvFrontend(**SMALL), ConvFrontend(**SMALL)
    alone.build(mel.shape), padded.build(mel.shape)
    padded.set_weights(alone.get_weights())
    wanted, wanted_mask, wanted_gradient, wanted_rest = trained_step(alone, mel)
    vectors, vector_mask, gradient, rest = trained_step(padded, soiled, mask)
    length = -(-frames // 4)
    assert wanted_mask.all()
    np.testing.assert_array_equal(vector_mask, np.repeat(np.arange(4)[None] < length, 2, axis=0))
    np.testing.assert_allclose(vectors[:, :length], wanted, rtol=1e-4, atol=1e-5)
    assert (vectors[:, length:] == 0).all()
    np.testing.assert_allclose(gradient[:, :frames], wanted_gradient, rtol=1e-3, atol=1e-4)
    assert (gradient[:, frames:] == 0).all()
    for one, other in zip(rest, wanted_rest, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all real", "padded"])
def test_training_computes_what_inference_does(mask):
    """Without dropout, and with the statistics of the batch in the place of the moving ones."""
    layer = ConvFrontend(**SMALL, momentum=0.0)
    vectors, vector_mask = layer(MEL, mask, training=True)
    again, again_mask = layer(MEL, mask)
    np.testing.assert_array_equal(vector_mask, again_mask)
    np.testing.assert_allclose(vectors, again, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frames", [14, None], ids=["frames known", "unknown"])
def test_a_graph_trains_as_eager_calls_do(frames):
    steps = []
    for compiled in (False, True):
        keras.utils.set_random_seed(3)
        layer = ConvFrontend(**{**SMALL, "dropout": 0.5})
        layer.build(MEL.shape)
        variables = [v.value for v in layer.trainable_variables]

        def step(mel, mask, layer=layer, variables=variables):
            with tf.GradientTape() as tape:
                tape.watch(mel)
                loss = tf.reduce_sum(layer(mel, mask, training=True)[0] ** 2)
            return loss, tape.gradient(loss, [mel, *variables])

        if compiled:
            step = tf.function(
                step, input_signature=[tf.TensorSpec((None, frames, 8)), tf.TensorSpec((None, frames), tf.bool)]
            )
        steps.append(tf.nest.flatten(step(tf.constant(MEL), tf.constant(MASK))))
    for one, other in zip(*steps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_clips_of_a_batch_do_not_meet_in_inference():
    layer = ConvFrontend(**SMALL)
    together, mask = layer(MEL, MASK)
    np.testing.assert_array_equal(mask.numpy().sum(axis=1), [4, 3, 0])
    np.testing.assert_allclose(layer(MEL[1:2, :9])[0][0], together[1, :3], rtol=1e-5, atol=1e-6)
    assert np.all(together[2] == 0)


def test_refuses_stacks_that_do_not_fit():
    with pytest.raises(ValueError, match="filters names 2 stacks, pooling 1: give each stack both"):
        ConvFrontend(filters=[3, 4], pooling=[[2, 2]])
    with pytest.raises(ValueError, match="pooling leaves 2 of 16 bands, it must leave 1"):
        ConvFrontend(**SMALL).build((None, 14, 16))


def test_a_gate_is_a_map_of_the_normalised_channels():
    layer = ConvFrontend(filters=[3], pooling=[[2, 8]], activation="gate", use_bias=True)
    layer.build(MEL.shape)
    layer.set_weights(
        [np.abs(RANDOM.normal(size=w.shape)) + 0.1 for w in layer.get_weights()[:8]] + layer.get_weights()[8:]
    )
    z = layer.norms[0](layer.convolutions[0](MEL[..., None])).numpy()
    kernel, bias = layer.gates[0].get_weights()
    gated = (z @ kernel + bias) / (1 + np.exp(-z))
    wanted = gated.reshape(3, 7, 2, 8, 3).mean(axis=(2, 3))
    np.testing.assert_allclose(layer(MEL)[0], wanted, rtol=1e-4, atol=1e-5)
    assert layer.convolutions[0].use_bias
    with pytest.raises(ValueError, match="activation must be 'relu' or 'gate', not 'tanh'"):
        ConvFrontend(activation="tanh")


def test_padding_changes_nothing_where_channels_are_gated():
    layer = ConvFrontend(**SMALL, activation="gate", use_bias=True)
    layer.build(MEL.shape)
    soiled = np.where(MASK[..., None], MEL, np.nan)
    for training in (False, True):
        vectors, mask = layer(soiled[:2], MASK[:2], training=training)
        assert np.isfinite(vectors).all()
    alone, _ = layer(MEL[1:2, :9])
    np.testing.assert_allclose(layer(soiled[1:2], MASK[1:2])[0][:, :3], alone, rtol=1e-4, atol=1e-5)
    assert not np.asarray(vectors)[~np.asarray(mask)].any()
