import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.attention import ATTENTION_FUNCTIONS, MultiHeadAttention, attention_weights

RANDOM = np.random.default_rng(0)
QUERY = RANDOM.normal(size=(3, 5, 16)).astype("float32")
VALUE = RANDOM.normal(size=(3, 7, 12)).astype("float32")
KEY_MASK = np.arange(7) < np.array([[7], [4], [1]])
NAMES = ("query_kernel", "query_bias", "key_kernel", "key_bias", "value_kernel", "value_bias", "output_kernel")


def random_layer(**options):
    """A layer whose biases are not zero."""
    layer = MultiHeadAttention(**{"num_heads": 3, "key_dim": 8, "output_dim": 10} | options)
    layer.build(QUERY.shape, VALUE.shape)
    for weight in layer.weights:
        if weight.trainable:
            weight.assign(RANDOM.normal(size=weight.shape) * 0.5)
    return layer


def formula_weights(layer, query, value, mask=None):
    """Attention weights `(batch, heads, queries, keys)` in the form that the paper writes, in float64."""
    kernels = {name: np.asarray(getattr(layer, name), "float64") for name in NAMES}
    heads = [
        np.einsum("btd,hdk->bhtk", frames, kernels[f"{name}_kernel"]) + kernels[f"{name}_bias"][:, None]
        for name, frames in (("query", query), ("key", value))
    ]
    scores = np.einsum("bhtk,bhsk->bhts", *heads) / np.sqrt(layer.key_dim)
    keep = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask[:, None, None], scores.shape)
    weights = keep * (np.exp(scores) if layer.attention == "softmax" else 1 / (1 + np.exp(-scores)))
    if layer.attention == "sigmoid":
        return weights
    return weights / (weights.sum(axis=-1, keepdims=True) + (layer.epsilon if layer.attention != "softmax" else 0))


def formula_output(layer, weights, value):
    values = np.einsum("bsd,hdk->bhsk", value, layer.value_kernel) + np.asarray(layer.value_bias)[:, None]
    return np.einsum("bhts,bhsk,hko->bto", weights, values, layer.output_kernel) + np.asarray(layer.output_bias)


@pytest.mark.parametrize("returned", [False, True])
def test_harness(returned):
    check_layer(
        MultiHeadAttention,
        {"num_heads": 2, "key_dim": 8, "output_dim": 10, "attention": "normalized_sigmoid", "dropout": 0.25},
        {"query": QUERY, "value": VALUE, "padding_mask": KEY_MASK} if returned else {"query": QUERY},
        call=lambda layer, inputs, **options: layer(**inputs, return_attention_scores=returned, **options),
        alternatives={
            "num_heads": 3,
            "key_dim": 4,
            "output_dim": 5,
            "attention": "softmax",
            "dropout": 0.5,
            "epsilon": 0.5,
        },
    )


@pytest.mark.parametrize("masked", [False, True])
def test_softmax_equals_keras(masked):
    layer = random_layer(attention="softmax")
    reference = keras.layers.MultiHeadAttention(num_heads=3, key_dim=8, output_shape=10, dropout=0.1)
    reference.build(QUERY.shape, VALUE.shape)
    for name, dense in (
        ("query", reference._query_dense),
        ("key", reference._key_dense),
        ("value", reference._value_dense),
    ):
        dense.kernel.assign(np.transpose(getattr(layer, f"{name}_kernel"), (1, 0, 2)))
        dense.bias.assign(getattr(layer, f"{name}_bias"))
    reference._output_dense.kernel.assign(layer.output_kernel)
    reference._output_dense.bias.assign(layer.output_bias)
    mask = KEY_MASK if masked else None
    attention_mask = np.repeat(KEY_MASK[:, None], 5, axis=1) if masked else None
    target = RANDOM.normal(size=(3, 5, 10)).astype("float32")
    found = []
    for name in ("ours", "keras"):
        query, value = tf.constant(QUERY), tf.constant(VALUE)
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            if name == "ours":
                output, scores = layer(query, value, mask, return_attention_scores=True)
            else:
                output, scores = reference(query, value, attention_mask=attention_mask, return_attention_scores=True)
            loss = tf.reduce_sum(output * target)
        found.append((output, scores, *tape.gradient(loss, [query, value])))
    for ours, keras_value in zip(*found, strict=True):
        np.testing.assert_allclose(ours, keras_value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "dropout", "returned", "masked"),
    list(itertools.product(ATTENTION_FUNCTIONS, (0.0, 0.1), (False, True), (False, True))),
)
def test_equals_the_formula(function, dropout, returned, masked):
    """In all four cases: Keras' own layer answers softmax in some of them if only its function is replaced."""
    layer = random_layer(attention=function, dropout=dropout)
    mask = KEY_MASK if masked else None
    answer = layer(QUERY, VALUE, mask, return_attention_scores=returned)
    weights = formula_weights(layer, QUERY, VALUE, mask)
    output = answer[0] if returned else answer
    np.testing.assert_allclose(output, formula_output(layer, weights, VALUE), rtol=1e-4, atol=1e-5)
    if returned:
        np.testing.assert_allclose(answer[1], weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("function", ATTENTION_FUNCTIONS)
@pytest.mark.parametrize("returned", [False, True])
def test_dropout_falls_on_the_weights(function, returned):
    layer = random_layer(attention=function, dropout=0.3)
    state = layer.attention_dropout.seed_generator.state
    start = state.numpy()
    answer = layer(QUERY, VALUE, KEY_MASK, return_attention_scores=returned, training=True)
    state.assign(start)
    scale = layer.attention_dropout(np.ones((3, 5, 3, 7), "float32"), training=True)  # batch, queries, heads, keys
    weights = formula_weights(layer, QUERY, VALUE, KEY_MASK)
    dropped = weights * np.transpose(scale, (0, 2, 1, 3))
    assert (dropped != weights).any()
    np.testing.assert_allclose(
        answer[0] if returned else answer, formula_output(layer, dropped, VALUE), rtol=1e-4, atol=1e-5
    )
    if returned:
        np.testing.assert_allclose(answer[1], weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("function", ATTENTION_FUNCTIONS)
def test_self_attention_is_attention_to_itself(function):
    layer = MultiHeadAttention(num_heads=3, key_dim=8, output_dim=10, attention=function)
    np.testing.assert_array_equal(layer(QUERY), layer(QUERY, QUERY))


@pytest.mark.parametrize("function", ATTENTION_FUNCTIONS)
def test_masked_keys_reach_neither_output_nor_gradient(function):
    layer = random_layer(attention=function)
    outputs, gradients = [], []
    for junk in (VALUE, np.full_like(VALUE, 1e3), np.zeros_like(VALUE)):
        value = tf.constant(np.where(KEY_MASK[..., None], VALUE, junk))
        with tf.GradientTape() as tape:
            tape.watch(value)
            output = layer(QUERY, value, KEY_MASK)
            loss = tf.reduce_sum(output**2)
        outputs.append(output)
        gradients.append(tape.gradient(loss, [value, *(weight.value for weight in layer.trainable_weights)]))
        assert (gradients[-1][0].numpy()[~KEY_MASK] == 0).all()
    for output, gradient in zip(outputs[1:], gradients[1:], strict=True):
        np.testing.assert_array_equal(output, outputs[0])
        for one, other in zip(gradient, gradients[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", ATTENTION_FUNCTIONS)
def test_masked_keys_equal_keys_that_are_not_there(function):
    layer = random_layer(attention=function)
    np.testing.assert_allclose(
        layer(QUERY[1:2], VALUE[1:2], KEY_MASK[1:2]), layer(QUERY[1:2], VALUE[1:2, :4]), atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_weights_over_the_keys(dtype):
    scores = keras.ops.cast(RANDOM.normal(size=(2, 4, 6)) * 30, dtype)
    mask = np.array([True] * 5 + [False])
    for function in ATTENTION_FUNCTIONS:
        weights = attention_weights(scores, mask, attention=function)
        assert keras.backend.standardize_dtype(weights.dtype) == dtype
        weights = np.asarray(keras.ops.cast(weights, "float32"))
        assert np.isfinite(weights).all()
        assert (weights[..., -1] == 0).all()
        if function != "sigmoid":
            np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=0.02)


def test_all_keys_masked():
    scores, nothing = RANDOM.normal(size=(1, 1, 4)).astype("float32"), np.zeros(4, bool)
    np.testing.assert_array_equal(attention_weights(scores, nothing, attention="softmax")[0, 0], [0.25] * 4)
    np.testing.assert_array_equal(attention_weights(scores, nothing, attention="sigmoid")[0, 0], [0] * 4)
    np.testing.assert_array_equal(attention_weights(scores, nothing, attention="normalized_sigmoid")[0, 0], [0] * 4)


def test_heads_are_initialised_as_one_wide_map():
    layer = MultiHeadAttention(num_heads=4, key_dim=32, output_dim=64)
    layer.build((None, None, 64))
    for name, fan_in, fan_out in (
        ("query", 64, 128),
        ("key", 64, 128),
        ("value", 64, 128),
        ("output", 128, 64),
    ):
        kernel = np.asarray(getattr(layer, f"{name}_kernel"))
        limit = np.sqrt(6 / (fan_in + fan_out))
        assert limit * 0.99 < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.05)


def test_refuses_an_unknown_function():
    with pytest.raises(ValueError, match="attention must be one of softmax, sigmoid, normalized_sigmoid, not 'relu'"):
        MultiHeadAttention(attention="relu")
