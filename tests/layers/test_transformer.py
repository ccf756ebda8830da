import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.attention import ATTENTION_FUNCTIONS
from avkeras.layers.transformer import TransformerDecoderBlock, TransformerEncoderBlock

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.normal(size=(3, 5, 16)).astype("float32")
FRAME_MASK = np.arange(5) < [[5], [3], [1]]
CONFIG = {"dim": 16, "num_heads": 2, "key_dim": 8, "hidden_dim": 24, "attention": "normalized_sigmoid"}
ALTERNATIVES = {
    "dim": 12,
    "num_heads": 3,
    "key_dim": 4,
    "hidden_dim": 8,
    "attention": "softmax",
    "dropout": 0.5,
    "epsilon": 0.5,
    "layer_norm_epsilon": 0.1,
    "pre_norm": True,
}


def encoder_inputs(config):
    return {"inputs": FRAMES[..., : config["dim"]], "padding_mask": FRAME_MASK}


def decoder_inputs(config=CONFIG):
    random = np.random.default_rng(1)
    return {
        **encoder_inputs(config),
        "encoded": {
            "audio": random.normal(size=(3, 4, 16)).astype("float32"),
            "video": random.normal(size=(3, 6, 16)).astype("float32"),
        },
        "padding_masks": {"audio": np.arange(4) < [[4], [2], [4]], "video": np.arange(6) < [[6], [6], [3]]},
        "weights": np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], "float32"),
    }


@pytest.mark.parametrize("pre_norm", [False, True])
def test_encoder_harness(pre_norm):
    alternatives = ALTERNATIVES | {"pre_norm": not pre_norm}
    check_layer(TransformerEncoderBlock, CONFIG | {"pre_norm": pre_norm}, encoder_inputs, alternatives=alternatives)


@pytest.mark.parametrize("returned", [pytest.param(False, marks=pytest.mark.slow), True])
def test_decoder_harness(returned):
    check_layer(
        TransformerDecoderBlock,
        CONFIG | {"encoders": ("audio", "video"), "pre_norm": returned},
        decoder_inputs,
        call=lambda layer, inputs, **options: layer(**inputs, return_attention_scores=returned, **options),
        alternatives=ALTERNATIVES | {"encoders": ("video", "audio"), "pre_norm": not returned},
    )


def normalize(x, norm):
    gamma, beta = norm.get_weights()
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + norm.epsilon)
    return (x - x.mean(axis=-1, keepdims=True)) / spread * gamma + beta


def randomize(layer):
    for weight in layer.trainable_weights:
        weight.assign(RANDOM.normal(size=weight.shape) * 0.3)


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_order_of_the_sublayers(kind, pre_norm):
    """Post-norm: norm(x + f(x)); pre-norm: x + f(norm(x))."""
    if kind == "encoder":
        block, given = TransformerEncoderBlock(**CONFIG, pre_norm=pre_norm), encoder_inputs(CONFIG)
    else:
        block = TransformerDecoderBlock(**CONFIG, encoders=("audio", "video"), pre_norm=pre_norm)
        given = decoder_inputs()
    block(**given)
    randomize(block)
    steps = [(lambda x: block.self_attention(x, padding_mask=FRAME_MASK), block.self_attention_norm)]
    if kind == "decoder":
        parts = [given[name] for name in ("encoded", "padding_masks", "weights")]
        steps.append((lambda x: block.cross_attention(x, *parts), block.cross_attention_norm))
    steps.append((block.feed_forward, block.feed_forward_norm))
    x = FRAMES
    for sublayer, norm in steps:
        if pre_norm:
            x = x + sublayer(normalize(x, norm).astype("float32")).numpy()
        else:
            x = normalize(x + sublayer(x.astype("float32")).numpy(), norm)
    np.testing.assert_allclose(block(**given), x, atol=1e-4)


@pytest.mark.parametrize("function", ATTENTION_FUNCTIONS)
@pytest.mark.parametrize("pre_norm", [False, True])
def test_padded_frames_change_no_real_frame(function, pre_norm):
    block = TransformerDecoderBlock(**CONFIG | {"attention": function}, encoders=("audio", "video"), pre_norm=pre_norm)
    given = decoder_inputs()
    outputs = []
    for junk in (0, 50):
        soiled = dict(given, inputs=np.where(FRAME_MASK[..., None], FRAMES, np.float32(junk)))
        soiled["encoded"] = {
            name: np.where(given["padding_masks"][name][..., None], frames, np.float32(junk))
            for name, frames in given["encoded"].items()
        }
        outputs.append(block(**soiled).numpy()[FRAME_MASK])
    np.testing.assert_array_equal(*outputs)


def test_no_causal_mask():
    block = TransformerEncoderBlock(**CONFIG)
    frames = tf.constant(FRAMES)
    with tf.GradientTape() as tape:
        tape.watch(frames)
        first = tf.reduce_sum(block(frames)[:, 0] ** 3)
    assert (np.abs(tape.gradient(first, frames).numpy()).sum(axis=-1) > 0).all()


def test_frames_out_of_order_give_the_same_out_of_order():
    """No position is known inside a block."""
    block, order = TransformerEncoderBlock(**CONFIG), [3, 1, 4, 0, 2]
    np.testing.assert_allclose(block(FRAMES[:, order]), block(FRAMES).numpy()[:, order], atol=1e-5)


def test_a_gate_of_0_shuts_the_encoder_out():
    given = decoder_inputs()
    block = TransformerDecoderBlock(**CONFIG, encoders=("audio",))
    arguments = {
        "padding_mask": given["padding_mask"],
        "padding_masks": {"audio": given["padding_masks"]["audio"]},
        "weights": np.array([[1.0], [0.0], [1.0]], "float32"),
    }
    encoded = tf.constant(given["encoded"]["audio"])
    with tf.GradientTape() as tape:
        tape.watch(encoded)
        output = block(FRAMES, {"audio": encoded}, **arguments)
        loss = tf.reduce_sum(output**3)
    gradient = tape.gradient(loss, encoded).numpy()
    assert (gradient[1] == 0).all()
    assert (gradient[[0, 2]] != 0).any(axis=(1, 2)).all()
    other = block(FRAMES, {"audio": -encoded}, **arguments)
    np.testing.assert_array_equal(other[1], output[1])
    assert (other.numpy()[[0, 2]] != output.numpy()[[0, 2]]).any(axis=(1, 2)).all()


def test_where_dropout_falls():
    """2019, section 3.2.7: attention weights, after attention, after both feed-forward maps."""
    block = TransformerDecoderBlock(**CONFIG, encoders=("audio",), dropout=0.2)
    rates = {part.name: part.rate for part in block._flatten_layers() if hasattr(part, "rate")}
    assert rates == dict.fromkeys(
        (
            "attention_dropout",
            "self_attention_dropout",
            "cross_attention_dropout",
            "hidden_dropout",
            "output_dropout",
        ),
        0.2,
    )


def test_dropout_acts_only_in_training():
    block = TransformerEncoderBlock(**CONFIG, dropout=0.5)
    np.testing.assert_array_equal(block(FRAMES), block(FRAMES))
    first, second = block(FRAMES, training=True), block(FRAMES, training=True)
    assert keras.ops.any(first != second)
