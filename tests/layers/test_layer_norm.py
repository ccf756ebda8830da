import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.layers import LayerNormalization

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"axis": 1}, {"axis": [1, 2]}])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_float16", "mixed_bfloat16"])
def test_in_training_it_is_the_layer_of_keras(options, dtype):
    """Half precision rounds the output alone: both normalise in float32, where a mean of few terms loses 1e-6."""
    inputs = 3 + 2 * RANDOM.normal(size=(4, 5, 6))
    layers = [kind(dtype=dtype, **options) for kind in (LayerNormalization, keras.layers.LayerNormalization)]
    gradients = []
    for layer in layers:
        layer.build(inputs.shape)
        for number, weight in enumerate(layer.weights):
            weight.assign(np.linspace(number, 2, int(np.prod(weight.shape))).reshape(weight.shape))
        x = tf.constant(inputs, layer.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, training=True) if layer is layers[0] else layer(x)
            total = tf.reduce_sum(tf.cast(output, "float32") * tf.cast(inputs, "float32") ** 2)
        gradients.append([output, *tape.gradient(total, [x, *(weight.value for weight in layer.trainable_weights)])])
    tolerance = {"mixed_float16": 4e-3, "mixed_bfloat16": 4e-2}.get(dtype, 2e-5)
    for one, other in zip(*gradients, strict=True):
        one, other = (np.asarray(tf.cast(each, "float64")) for each in (one, other))
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())
