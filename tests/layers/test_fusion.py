import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.fusion import MultiEncoderAttention

RANDOM = np.random.default_rng(0)
ENCODERS = ("audio", "video")
WEIGHTS = np.array([[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]], "float32")


def inputs():
    return {
        "query": RANDOM.normal(size=(3, 5, 16)).astype("float32"),
        "encoded": {
            "audio": RANDOM.normal(size=(3, 4, 16)).astype("float32"),
            "video": RANDOM.normal(size=(3, 6, 12)).astype("float32"),
        },
        "padding_masks": {"audio": np.arange(4) < [[4], [2], [4]], "video": np.arange(6) < [[6], [6], [3]]},
        "weights": WEIGHTS,
    }


@pytest.mark.parametrize("returned", [pytest.param(False, marks=pytest.mark.slow), True])
def test_harness(returned):
    fixed = inputs()
    check_layer(
        MultiEncoderAttention,
        {"encoders": ENCODERS, "num_heads": 2, "key_dim": 8, "output_dim": 10, "attention": "normalized_sigmoid"},
        fixed,
        call=lambda layer, inputs, **options: layer(**inputs, return_attention_scores=returned, **options),
        alternatives={
            "encoders": ("video", "audio"),
            "num_heads": 3,
            "key_dim": 4,
            "output_dim": 5,
            "attention": "softmax",
            "dropout": 0.5,
            "epsilon": 0.5,
        },
    )


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "normalized_sigmoid"])
def test_weighted_sum_of_attentions(function):
    given = inputs()
    layer = MultiEncoderAttention(encoders=ENCODERS, key_dim=8, output_dim=16, attention=function)
    output, scores = layer(**given, return_attention_scores=True)
    wanted = 0
    for index, (encoder, attention) in enumerate(zip(ENCODERS, layer.attentions, strict=True)):
        part, weights = attention(
            given["query"], given["encoded"][encoder], given["padding_masks"][encoder], return_attention_scores=True
        )
        wanted = wanted + WEIGHTS[:, index, None, None] * part.numpy()
        np.testing.assert_array_equal(scores[encoder], weights)
    np.testing.assert_allclose(output, wanted, atol=1e-6)
    np.testing.assert_array_equal(layer(**given), output)


def test_order_of_the_dicts_does_not_matter():
    given = inputs()
    layer = MultiEncoderAttention(encoders=("video", "audio"), key_dim=8, output_dim=16)
    turned = {**given, "encoded": dict(reversed(given["encoded"].items()))}
    np.testing.assert_array_equal(layer(**given), layer(**turned))


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "normalized_sigmoid"])
def test_a_weight_of_0_shuts_an_encoder_out(function):
    """Not even the encoder's biases get a gradient, and fully masked encoders are no exception."""
    given = inputs()
    given["weights"] = np.array([[1, 0]] * 3, "float32")
    layer = MultiEncoderAttention(encoders=ENCODERS, key_dim=8, output_dim=16, attention=function)
    outputs = []
    for masked in (False, True):
        for scale in (1, 100):
            given["padding_masks"]["video"] = np.zeros((3, 6), bool) if masked else np.ones((3, 6), bool)
            video = tf.constant(scale * given["encoded"]["video"])
            with tf.GradientTape() as tape:
                tape.watch(video)
                outputs.append(layer(**{**given, "encoded": {**given["encoded"], "video": video}}))
                loss = tf.reduce_sum(outputs[-1] ** 2)
            variables = [weight.value for weight in layer.attentions[1].trainable_weights]
            for gradient in tape.gradient(loss, [video, *variables]):
                np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


def test_the_gradient_reaches_the_weights():
    given = inputs()
    layer = MultiEncoderAttention(encoders=ENCODERS, key_dim=8, output_dim=16)
    weights = tf.constant(WEIGHTS)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = tf.reduce_sum(layer(**{**given, "weights": weights}) ** 2)
    gradient = tape.gradient(loss, weights)
    assert gradient is not None
    assert np.all(gradient.numpy()[0] != 0)
