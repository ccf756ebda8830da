import keras
import numpy as np
import pytest
from layer_harness import check_layer

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


def test_dropout_follows_both_maps():
    layer = FeedForward(hidden_dim=64, output_dim=64, dropout=0.5)
    layer.build((None, None, 64))
    layer.hidden_map.kernel.assign(np.eye(64))
    layer.output_map.kernel.assign(np.eye(64))
    output = keras.ops.convert_to_numpy(layer(np.ones((10, 20, 64), "float32"), training=True))
    assert abs((output == 0).mean() - 0.75) < 0.02
    assert set(np.unique(output)) == {0, 4}
