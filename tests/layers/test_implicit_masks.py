"""A mask that Keras attached to a sequence answers as the same mask given by name, and goes on with the frames."""

import keras
import numpy as np
import pytest

from avkeras import layers
from avkeras.models.audiovisual_transformer import AudiovisualTransformer

SIZES = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8}
CONFORMER = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "kernel_size": 3}
MASK = np.arange(6) < np.array([[6], [4], [1]])
FRAMES = np.where(MASK[..., None], np.random.default_rng(0).normal(size=(3, 6, 8)), 0).astype("float32")
OTHER = np.random.default_rng(1).normal(size=(3, 5, 8)).astype("float32")

# layer, arguments beside the masked one, name of the masked argument and of its mask, whether frames are kept
CASES = {
    "attention to itself": (layers.MultiHeadAttention(num_heads=2, key_dim=4), {}, "query", "padding_mask", True),
    "attention to other keys": (
        layers.MultiHeadAttention(num_heads=2, key_dim=4),
        {"query": OTHER},
        "value",
        "padding_mask",
        False,
    ),
    "relative attention": (
        layers.RelativeMultiHeadAttention(num_heads=2, key_dim=4),
        {},
        "query",
        "padding_mask",
        True,
    ),
    "batch norm": (layers.MaskedBatchNormalization(), {"training": True}, "inputs", "padding_mask", True),
    "class token": (layers.ClassToken(), {}, "inputs", "padding_mask", False),
    "convolution": (
        layers.ConvolutionModule(dim=8, kernel_size=3, dropout=0),
        {"training": True},
        "inputs",
        "padding_mask",
        True,
    ),
    "clean input": (layers.CleanInput(), {}, "inputs", "padding_mask", True),
    "aggregation": (layers.Aggregation(), {}, "inputs", "padding_mask", False),
    "transformer encoder": (layers.TransformerEncoderBlock(**SIZES), {}, "inputs", "padding_mask", True),
    "conformer encoder": (layers.ConformerEncoderBlock(**CONFORMER), {}, "inputs", "padding_mask", True),
    "transformer decoder": (
        layers.TransformerDecoderBlock(encoders=["audio"], **SIZES),
        {"encoded": {"audio": OTHER}},
        "inputs",
        "padding_mask",
        True,
    ),
    "conformer decoder": (
        layers.ConformerDecoderBlock(encoders=["audio"], **CONFORMER),
        {"encoded": {"audio": OTHER}},
        "inputs",
        "padding_mask",
        True,
    ),
    "conv frontend": (layers.ConvFrontend(filters=(4,), pooling=((2, 8),)), {}, "inputs", "padding_mask", False),
}


def masked(frames=FRAMES):
    return keras.layers.Masking()(frames)


def arrays(outputs):
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]


@pytest.mark.parametrize("name", CASES)
def test_an_attached_mask_is_read_and_goes_on(name):
    layer, others, argument, mask, kept = CASES[name]
    keras.utils.set_random_seed(0)
    found = layer(**others, **{argument: masked()})
    wanted = layer(**others, **{argument: FRAMES, mask: MASK})
    unmasked = layer(**others, **{argument: FRAMES})
    for one, other in zip(arrays(found), arrays(wanted), strict=True):
        np.testing.assert_array_equal(one, other)
    equal = (np.array_equal(one, other) for one, other in zip(arrays(wanted), arrays(unmasked), strict=True))
    assert name == "clean input" or not all(equal)  # the mask matters
    attached = getattr(keras.tree.flatten(found)[0], "_keras_mask", None)
    assert (attached is not None) == kept
    if kept:
        np.testing.assert_array_equal(attached, MASK)


@pytest.mark.parametrize("block", ["transformer decoder", "conformer decoder"])
def test_masks_of_what_was_encoded_are_read(block):
    layer = CASES[block][0]
    found = layer(OTHER, {"audio": masked()})
    np.testing.assert_array_equal(found, layer(OTHER, {"audio": FRAMES}, padding_masks={"audio": MASK}))
    assert not np.array_equal(found, layer(OTHER, {"audio": FRAMES}))


def test_a_mask_that_is_given_counts_more_than_one_that_is_attached():
    layer = CASES["transformer encoder"][0]
    np.testing.assert_array_equal(layer(masked(), np.ones_like(MASK)), layer(FRAMES))


@pytest.mark.parametrize(
    "layer",
    [
        layers.FeedForward(hidden_dim=4, output_dim=8),
        layers.SinusoidalPositions(),
        layers.LearnedPositions(max_length=9),
        layers.LengthLimit(max_frames=9, modality="audio"),
        layers.PerBandStandardization(),
        layers.Dropout(0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_of_single_frames_pass_it_on(layer):
    np.testing.assert_array_equal(layer(masked())._keras_mask, MASK)


def test_in_a_functional_model():
    inputs = keras.Input((None, 8))
    block = layers.TransformerEncoderBlock(**SIZES)
    model = keras.Model(inputs, layers.Aggregation()(block(keras.layers.Masking()(inputs))))
    wanted = layers.Aggregation()(block(FRAMES, MASK), MASK)
    np.testing.assert_allclose(model.predict_on_batch(FRAMES), wanted, atol=1e-6)  # a graph fuses otherwise


def test_a_model_reads_the_masks_of_its_sequences():
    dims = {"video": 8, "audio": 8}
    model = AudiovisualTransformer(classes=2, dims=dims, blocks=1, dim=8, num_heads=2, key_dim=4, hidden_dim=8)
    found = model({"video": masked(), "audio": OTHER})
    np.testing.assert_array_equal(found, model({"video": FRAMES, "video_mask": MASK, "audio": OTHER}))
    assert not np.array_equal(found, model({"video": FRAMES, "audio": OTHER}))
