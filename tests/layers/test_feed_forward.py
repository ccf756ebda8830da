import keras
import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers import loops
from avkeras.layers.feed_forward import FeedForward

SWISH = loops.swish_and_drop


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


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_wide_swish_and_dropout_are_one_loop_of_the_same_type(frames, dtype, monkeypatch):
    layer = FeedForward(hidden_dim=256, output_dim=12, activation="swish", dropout=0.5, dtype=dtype)
    found = []

    def swish_and_drop(x, seeds, *, rate):
        found.append(x.dtype)
        return SWISH(x, seeds, rate=rate)

    monkeypatch.setattr(loops, "swish_and_drop", swish_and_drop)
    assert layer(frames, training=True).dtype == layer.compute_dtype
    assert found == [layer.compute_dtype]
    layer(frames)
    assert len(found) == 1
