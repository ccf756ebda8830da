import keras
import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.gated_convolution import GatedConvolution

INPUTS = np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype("float32")


def test_harness():
    alternatives = {
        "filters": 5,
        "kernel_size": 1,
        "norm": "after",
        "dropout": 0.5,
        "momentum": 0.5,
        "batch_norm_epsilon": 0.5,
    }
    check_layer(GatedConvolution, {"filters": 4}, INPUTS, alternatives=alternatives)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_one_convolution_gates_another(norm):
    layer = GatedConvolution(filters=2, norm=norm, batch_norm_epsilon=0.0)
    layer.build(INPUTS.shape)
    layer.batch_norm.gamma.assign(np.arange(1, 5 if norm == "before" else 3))
    maps = layer.convolution(INPUTS).numpy()
    if norm == "before":
        maps = maps * np.arange(1, 5)
    wanted = maps[..., :2] / (1 + np.exp(-maps[..., 2:]))
    np.testing.assert_allclose(layer(INPUTS), wanted * (1 if norm == "before" else np.arange(1, 3)), atol=1e-6)
    assert layer.convolution.use_bias == (norm == "after")


def test_another_place_of_the_normalisation_is_refused():
    with pytest.raises(ValueError, match="norm must be 'before' or 'after', not 'never'"):
        GatedConvolution(norm="never")


def test_it_learns_a_gate():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([GatedConvolution(filters=1, kernel_size=1), keras.layers.Flatten()])
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
    targets = (INPUTS[..., 0] * (INPUTS[..., 1] > 0)).reshape(2, -1)
    losses = model.fit(INPUTS, targets, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
