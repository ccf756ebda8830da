import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from layer_harness import check_layer

from avkeras.layers.attention import attention_weights
from avkeras.layers.relative_attention import RelativeMultiHeadAttention, SinusoidalRelativeAttention

RANDOM = np.random.default_rng(0)
QUERY = RANDOM.normal(size=(2, 5, 12)).astype("float32")
VALUE = RANDOM.normal(size=(2, 7, 9)).astype("float32")
KEY_MASK = np.array([[True] * 4 + [False] * 3, [True] * 7])
CONFIG = {"num_heads": 2, "key_dim": 6, "output_dim": 10, "max_distance": 4, "dropout": 0.2}


def random_layer(value_dim=None, **config):
    """A layer whose weights, biases included, are all random."""
    layer = RelativeMultiHeadAttention(**{**CONFIG, **config})
    layer.build(QUERY.shape, None if value_dim is None else (None, None, value_dim))
    layer.set_weights([RANDOM.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


def plain_attention(layer, query, value, padding_mask):
    """The formula of Transformer-XL, one pair of frames and one head at a time."""
    w = {v.name: np.asarray(v, "float64") for v in layer.weights}
    batch, queries, keys = len(query), query.shape[1], value.shape[1]
    scores = np.empty((batch, layer.num_heads, queries, keys))
    for b, h, i, j in np.ndindex(scores.shape):
        q = query[b, i] @ w["query_kernel"][h]
        k = value[b, j] @ w["key_kernel"][h] + w["key_bias"][h]
        distance = np.clip(i + layer.query_offset - j, -layer.max_distance, layer.max_distance)
        r = w["distance_encodings"][h, :, distance + layer.max_distance]
        u, v = w["query_bias"][h], w["distance_bias"][h]
        scores[b, h, i, j] = ((q + u) @ k + (q + v) @ r) / np.sqrt(layer.key_dim)
    weights = np.asarray(attention_weights(scores, padding_mask[:, None, None, :], attention=layer.attention))
    values = np.einsum("bjc,hcd->bhjd", value, w["value_kernel"]) + w["value_bias"][:, None]
    return np.einsum("bhij,bhjd,hdo->bio", weights, values, w["output_kernel"]) + w["output_bias"], weights


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "normalized_sigmoid"])
@pytest.mark.parametrize("query_offset", [0, -1, 2])
@pytest.mark.parametrize("crossed", [False, True])
def test_equals_the_plain_formula(crossed, query_offset, function):
    layer = random_layer(9 if crossed else None, query_offset=query_offset, attention=function)
    value, mask = (VALUE, KEY_MASK) if crossed else (None, KEY_MASK[:, :5])
    output, weights = layer(QUERY, value, mask, return_attention_scores=True)
    wanted, wanted_weights = plain_attention(layer, QUERY, VALUE if crossed else QUERY, mask)
    np.testing.assert_allclose(weights, wanted_weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-4)


def test_one_query_attends_to_many_keys():
    layer = random_layer(9)
    wanted, _ = plain_attention(layer, QUERY[:, :1], VALUE, KEY_MASK)
    np.testing.assert_allclose(layer(QUERY[:, :1], VALUE, KEY_MASK), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [None, VALUE], ids=["self", "cross"])
def test_harness(value):
    inputs = {"query": QUERY} if value is None else {"query": QUERY, "value": value, "padding_mask": KEY_MASK}
    alternatives = {
        "num_heads": 3,
        "key_dim": 4,
        "output_dim": 8,
        "attention": "sigmoid",
        "dropout": 0.5,
        "epsilon": 10.0,
        "max_distance": 3,
        "query_offset": -1,
    }
    config = {**CONFIG, "attention": "normalized_sigmoid"}
    check_layer(RelativeMultiHeadAttention, config, inputs, alternatives=alternatives)


def test_dropout_and_returned_scores_do_not_change_the_answer():
    layer = random_layer(9)
    alone = layer(QUERY, VALUE, KEY_MASK)
    np.testing.assert_array_equal(layer(QUERY, VALUE, KEY_MASK, return_attention_scores=True)[0], alone)
    other = RelativeMultiHeadAttention(**{**CONFIG, "dropout": 0.0})
    other.build(QUERY.shape, VALUE.shape)
    other.set_weights([np.asarray(v) for v in layer.weights if v.dtype == "float32"])
    # The folded form of training adds the same terms in another order: it rounds by the largest of them.
    trained = other(QUERY, VALUE, KEY_MASK, training=True)
    np.testing.assert_allclose(trained, alone, atol=1e-5 * np.abs(alone).max())


def test_what_lies_in_padding_changes_neither_output_nor_gradient():
    layer = random_layer(9)
    found = []
    for junk in (0.0, 1e3):
        value = tf.constant(np.where(KEY_MASK[..., None], VALUE, np.float32(junk)))
        with tf.GradientTape() as tape:
            tape.watch(value)
            output = layer(QUERY, value, KEY_MASK)
            loss = tf.reduce_sum(output**2)
        gradients = tape.gradient(loss, [value, *(v.value for v in layer.trainable_variables)])
        assert (gradients[0].numpy()[~KEY_MASK] == 0).all()
        found.append([output, *gradients])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_shorter_batch_answers_as_a_padded_one():
    layer = random_layer()
    mask = np.zeros((2, 5), bool)
    mask[:, :3] = True
    np.testing.assert_allclose(layer(QUERY, padding_mask=mask)[:, :3], layer(QUERY[:, :3]), rtol=1e-4, atol=1e-5)


def test_position_alone_can_choose_the_key():
    """With contents silenced and one encoding raised, every query looks one frame back."""
    layer = RelativeMultiHeadAttention(num_heads=1, key_dim=6, output_dim=10, max_distance=4, dropout=0.0)
    layer.build(QUERY.shape)
    layer.key_kernel.assign(ops.zeros_like(layer.key_kernel))
    layer.distance_bias.assign(np.ones((1, 6)))
    encodings = np.zeros((1, 6, 9), "float32")
    encodings[:, :, 1 + 4] = 100
    layer.query_kernel.assign(ops.zeros_like(layer.query_kernel))
    layer.distance_encodings.assign(encodings)
    _, weights = layer(QUERY, return_attention_scores=True)
    np.testing.assert_array_equal(np.argmax(weights, axis=-1)[:, 0, 1:], [[0, 1, 2, 3]] * 2)


def test_sinusoidal_harness():
    alternatives = {
        "num_heads": 3,
        "key_dim": 4,
        "output_dim": 8,
        "attention": "sigmoid",
        "dropout": 0.5,
        "epsilon": 10.0,
        "max_distance": 3,
        "query_offset": 1,
        "causal_shift": True,
    }
    config = {**CONFIG, "max_distance": 6, "attention": "normalized_sigmoid"}
    check_layer(SinusoidalRelativeAttention, config, {"query": QUERY}, alternatives=alternatives)


@pytest.mark.parametrize("causal", [False, True])
def test_distances_are_mapped_sinusoids(causal):
    layer = SinusoidalRelativeAttention(**{**CONFIG, "max_distance": 4, "dropout": 0.0}, causal_shift=causal)
    layer.build(QUERY.shape)
    layer.set_weights([RANDOM.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    w = {v.name: np.asarray(v, "float64") for v in layer.weights}
    length = QUERY.shape[1]
    table = {}
    for distance in range(-length + 1, length):
        angles = distance / 10000 ** (np.arange(0, 12, 2) / 12)
        table[distance] = np.stack([np.sin(angles), np.cos(angles)], axis=-1).ravel()
    scores = np.empty((2, 2, length, length))
    for b, h, i, j in np.ndindex(scores.shape):
        q = QUERY[b, i] @ w["query_kernel"][h]
        k = QUERY[b, j] @ w["key_kernel"][h] + w["key_bias"][h]
        if not causal or j <= i:
            left = (q + w["distance_bias"][h]) @ (w["distance_kernel"][h] @ table[i - j])
        elif j == i + 1:
            left = 0.0
        else:  # what the shift leaves: the next query, at distances from the farthest on
            q_next = QUERY[b, i + 1] @ w["query_kernel"][h]
            farthest = table[length - 1 - (j - i - 2)]
            left = (q_next + w["distance_bias"][h]) @ (w["distance_kernel"][h] @ farthest)
        scores[b, h, i, j] = ((q + w["query_bias"][h]) @ k + left) / np.sqrt(6)
    _, weights = layer(QUERY, return_attention_scores=True)
    np.testing.assert_allclose(weights, np.asarray(attention_weights(scores)), rtol=1e-4, atol=1e-5)
