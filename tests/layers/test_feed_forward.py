import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers import feed_forward
from avkeras.layers.feed_forward import FeedForward


@pytest.fixture
def frames():
    return np.random.default_rng(0).normal(size=(2, 5, 16)).astype("float32")


def test_harness(frames):
    check_layer(
        FeedForward,
        {"hidden_dim": 24, "output_dim": 12},
        frames,
        alternatives={"hidden_dim": 8, "output_dim": 4, "activation": "swish", "dropout": 0.5},
    )


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_formula(frames, activation):
    layer = FeedForward(hidden_dim=24, output_dim=12, activation=activation)
    output = layer(frames)
    kernel, bias, output_kernel, output_bias = layer.get_weights()
    hidden = frames @ kernel + bias
    hidden = np.maximum(hidden, 0) if activation == "relu" else hidden / (1 + np.exp(-hidden))
    np.testing.assert_allclose(output, hidden @ output_kernel + output_bias, atol=1e-5)


@pytest.mark.parametrize(("activation", "value"), [("relu", 1), ("swish", 0.7310586)])
@pytest.mark.parametrize("dim", [64, 256])
def test_dropout_follows_both_maps(dim, activation, value):
    layer = FeedForward(hidden_dim=dim, output_dim=dim, activation=activation, dropout=0.5)
    layer.build((None, None, dim))
    layer.hidden_map.kernel.assign(np.eye(dim))
    layer.output_map.kernel.assign(np.eye(dim))
    output = keras.ops.convert_to_numpy(layer(np.ones((10, 20, dim), "float32"), training=True))
    assert abs((output == 0).mean() - 0.75) < 0.02
    np.testing.assert_allclose(np.unique(output.round(5)), [0, 4 * value], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_swish_and_dropout_in_one_loop_are_those_of_the_layers(frames, dtype, monkeypatch):
    """With the same seeds of random numbers a wide map gives what activation and dropout by themselves do."""
    layer = FeedForward(hidden_dim=256, output_dim=12, activation="swish", dropout=0.5, dtype=dtype)
    layer.build(frames.shape)
    states = [part.seed_generator.state for part in (layer.hidden_dropout, layer.output_dropout)]
    before, outputs = [keras.ops.copy(state) for state in states], []
    for wide in (256, 512):
        monkeypatch.setattr(feed_forward, "_WIDE", wide)
        for state, value in zip(states, before, strict=True):
            state.assign(value)
        outputs.append(tf.function(lambda: layer(frames, training=True))())
    assert outputs[0].dtype == outputs[1].dtype == layer.compute_dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-2  # sums of 256 products
    np.testing.assert_allclose(*(tf.cast(each, "float32") for each in outputs), rtol=tolerance, atol=tolerance)
