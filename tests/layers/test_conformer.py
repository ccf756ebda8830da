import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.conformer import ConformerDecoderBlock, ConformerEncoderBlock
from avkeras.layers.convolution_module import ConvolutionModule
from avkeras.layers.relative_attention import RelativeMultiEncoderAttention

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.normal(size=(2, 6, 8)).astype("float32")
MASK = np.array([[True] * 4 + [False] * 2, [True] * 6])
ENCODED = {
    "audio": RANDOM.normal(size=(2, 5, 8)).astype("float32"),
    "tce": RANDOM.normal(size=(2, 7, 8)).astype("float32"),
}
MASKS = {"audio": np.ones((2, 5), bool), "tce": np.array([[False] * 7, [True] * 7])}
WEIGHTS = np.array([[1, 0], [0.25, 0.75]], "float32")
BLOCK = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 10, "kernel_size": 3, "max_distance": 4}
ALTERNATIVES = {
    "encodings": "causal",
    "dim": 8,
    "num_heads": 3,
    "key_dim": 5,
    "hidden_dim": 9,
    "kernel_size": 5,
    "max_distance": 3,
    "dropout": 0.5,
    "momentum": 0.5,
    "batch_norm_epsilon": 0.5,
    "layer_norm_epsilon": 0.5,
}


def test_convolution_module_harness():
    alternatives = {"dim": 6, "kernel_size": 5, "dropout": 0.5, "momentum": 0.5, "batch_norm_epsilon": 0.5}
    check_layer(ConvolutionModule, {"dim": 8}, {"inputs": FRAMES, "padding_mask": MASK}, alternatives=alternatives)


def test_convolution_module_is_what_the_paper_lists():
    layer = ConvolutionModule(dim=8, kernel_size=3)
    layer.build(FRAMES.shape)
    layer.set_weights([RANDOM.uniform(0.1, 1, size=w.shape) for w in layer.weights if w.dtype == "float32"])
    w = {v.path.split("/", 1)[-1]: v.numpy() for v in layer.weights}
    x = FRAMES @ w["gated_map/kernel"] + w["gated_map/bias"]
    x = x[..., :8] / (1 + np.exp(-x[..., 8:]))
    x = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    x = sum(x[:, tap : tap + 6] * w["depthwise/kernel"][tap, :, 0] for tap in range(3))
    scale = w["batch_norm/gamma"] / np.sqrt(w["batch_norm/moving_variance"] + 1e-3)
    x = (x - w["batch_norm/moving_mean"]) * scale + w["batch_norm/beta"]
    x = x / (1 + np.exp(-x))
    wanted = x @ w["output_map/kernel"] + w["output_map/bias"]
    np.testing.assert_allclose(layer(FRAMES), wanted, rtol=1e-4, atol=1e-5)


def test_encoder_block_harness():
    alternatives = {**ALTERNATIVES, "dim": 6}
    inputs = lambda config: {"inputs": FRAMES[..., : config["dim"]], "padding_mask": MASK}  # noqa: E731
    check_layer(ConformerEncoderBlock, BLOCK, inputs, alternatives=alternatives)


def decoder_inputs(config):
    encoded = {name: ENCODED[name][..., : config["dim"]] for name in config["encoders"]}
    padding_masks = {name: MASKS[name] for name in config["encoders"]}
    frames, weights = FRAMES[..., : config["dim"]], WEIGHTS[:, : len(encoded)]
    return {
        "inputs": frames,
        "encoded": encoded,
        "padding_mask": MASK,
        "padding_masks": padding_masks,
        "weights": weights,
    }


def test_decoder_block_harness():
    config = {**BLOCK, "encoders": ["audio", "tce"]}
    alternatives = {**ALTERNATIVES, "dim": 6, "encoders": ["audio"], "query_offset": 0}
    check_layer(ConformerDecoderBlock, config, decoder_inputs, alternatives=alternatives)


def test_the_encoder_block_is_the_sum_of_its_sublayers():
    block = ConformerEncoderBlock(**BLOCK)
    block.build(FRAMES.shape)
    x = FRAMES + 0.5 * block.first_feed_forward(block.first_feed_forward_norm(FRAMES))
    x = x + block.self_attention(block.self_attention_norm(x), padding_mask=MASK)
    x = x + block.convolution(block.convolution_norm(x), padding_mask=MASK)
    x = x + 0.5 * block.second_feed_forward(block.second_feed_forward_norm(x))
    np.testing.assert_allclose(block(FRAMES, MASK), block.output_norm(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("part", [ConvolutionModule(dim=8, dropout=0.0), ConformerEncoderBlock(**BLOCK, dropout=0.0)])
def test_padding_changes_nothing_while_training(part):
    mask = np.repeat(np.arange(6)[None] < 4, 2, axis=0)
    part.build(FRAMES.shape)
    start = part.get_weights()
    found = []
    for frames, *padding_mask in ((FRAMES[:, :4],), (np.where(mask[..., None], FRAMES, np.float32(1e3)), mask)):
        part.set_weights(start)
        with tf.GradientTape() as tape:
            output = part(frames, *padding_mask, training=True)[:, :4]
            loss = tf.reduce_sum(output**3)
        gradients = tape.gradient(loss, [v.value for v in part.trainable_variables])
        found.append([output, *gradients, *part.non_trainable_variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_the_decoder_aligns_its_frames_behind_the_token_with_those_of_the_encoder():
    """One encoding raised, contents silenced: frame i attends to frame i, the token to what comes nearest."""
    layer = RelativeMultiEncoderAttention(
        encoders=["audio"], num_heads=1, key_dim=4, output_dim=8, max_distance=4, query_offset=-1, dropout=0.0
    )
    layer.build(FRAMES.shape, {"audio": ENCODED["audio"].shape})
    attention = layer.attentions[0]
    attention.query_kernel.assign(np.zeros(attention.query_kernel.shape))
    attention.distance_bias.assign(np.ones((1, 4)))
    encodings = np.zeros((1, 4, 9), "float32")
    encodings[:, :, 4] = 100
    attention.distance_encodings.assign(encodings)
    padding_masks = {"audio": MASKS["audio"]}
    _, scores = layer(FRAMES, {"audio": ENCODED["audio"]}, padding_masks, np.ones((2, 1)), return_attention_scores=True)
    np.testing.assert_array_equal(np.argmax(scores["audio"], axis=-1)[:, 0, 1:], [[0, 1, 2, 3, 4]] * 2)
