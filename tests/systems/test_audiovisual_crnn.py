"""The audiovisual recurrent network of Boes and Van hamme (2021)."""

import numpy as np
import pytest
from plain_formulas import both_ways, double, frontend, layer_norm, shaken, sigmoid, softmax, weighted_mean

from avkeras.features.registry import KNOWN
from avkeras.layers.conv_frontend import POOLING
from avkeras.systems import find_system

SYSTEM = find_system("audiovisual_crnn")
DIMS = {"heard": 5, "seen": 7}
SMALL = {"classes": 4, "filters": 2, "units": 3, "dims": DIMS}
RANDOM = np.random.default_rng(1)


def make_clips():
    """Two clips of 400 frames; the second has no pictures."""
    mask = np.broadcast_to(np.arange(512) < 400, (2, 512))
    levels = RANDOM.normal(-40, 20, (2, 512, 64)).astype("float32")
    seen = np.broadcast_to(np.array([[True], [False]]), (2, 64))
    return {
        "audio": np.where(mask[..., None], levels, np.nan),
        "audio_mask": mask,
        "heard": RANDOM.normal(size=(2, 11, 5)).astype("float32"),
        "heard_mask": np.broadcast_to(np.arange(11) < 9, (2, 11)),
        "seen": np.where(seen[..., None], RANDOM.normal(size=(2, 64, 7)), np.nan).astype("float32"),
        "seen_mask": seen,
    }


def by_hand(model, clips, absent):
    """Clip and frame probabilities of 50 vectors."""
    weights = double(model)
    mean, deviation = weights["standardization"]
    x = (clips["audio"][:, :400].astype("float64") - mean) / deviation
    x = frontend(x, model.get_layer("frontend"), POOLING, lambda z, index: np.maximum(z, 0))
    streams = [x]
    for name, frames, last in (("heard", 11, 8), ("seen", 64, 63)):
        kernel, bias = weights[f"{name}_map"]
        rows = layer_norm(clips[f"{name}"].astype("float64") @ kernel + bias, *weights[f"{name}_norm"])
        # The middle of a vector lies in this frame.
        places = [min(int((place + 0.5) * frames / 64), last) for place in range(50)]
        streams.append(rows[:, places])
    streams[2][1] = absent
    kernel, bias = weights["fusion"]
    x = np.concatenate(streams, axis=-1) @ kernel + bias
    for number in (1, 2):
        x = both_ways(x, model.get_layer(f"recurrent_{number}"), reset_after=True)
    kernel, bias = weights["frame_probabilities"]
    frames = sigmoid(x @ kernel + bias)
    kernel, bias = weights["attention"]
    return weighted_mean(frames, softmax(x @ kernel + bias)), frames


@pytest.mark.parametrize("absent_token", [False, True])
def test_its_answer_is_that_of_the_formula_and_absent_pictures_are_zeros_or_a_vector(absent_token):
    model, clips = shaken(SYSTEM.build(**SMALL, absent_token=absent_token)), make_clips()
    absent = np.asarray(model.get_layer("seen_frames").token, "float64") if absent_token else 0.0
    found = model.predict(clips, verbose=0)
    clip, frames = by_hand(model, clips, absent)
    np.testing.assert_allclose(found["frame"][:, :50], frames, atol=2e-5)
    np.testing.assert_allclose(found["clip"], clip, atol=2e-5)
    assert not found["frame"][:, 50:].any()


def test_its_size_is_that_of_the_table():
    dims = {name: KNOWN[name].dim for name in SYSTEM.values["encoders"][1:]}
    assert list(dims.values()) == [128, 512, 4096]
    model = SYSTEM.build(classes=10, dims=dims, **SYSTEM.options)
    maps = (16, 32, 64, 128, 128, 128, 128)
    convolutions = sum(9 * one * other + 2 * other for one, other in zip((1, *maps), maps, strict=False))
    streams = sum(dim * 128 + 128 + 2 * 128 for dim in dims.values()) + 4 * 128 * 128 + 128
    recurrent = sum(2 * 3 * (width * 128 + 128 * 128 + 2 * 128) for width in (128, 256))
    assert convolutions + streams + recurrent + 2 * (256 * 10 + 10) == SYSTEM.parameters
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == SYSTEM.parameters
    assert model.output["frame"].shape == (None, 64, 10)
    assert model.output["clip"].shape == (None, 10)


def test_without_embeddings_it_is_a_network_of_sound():
    model = SYSTEM.build(**{**SMALL, "dims": {}})
    assert list(model.input) == ["audio", "audio_mask"]
    assert "fusion" not in {layer.name for layer in model.layers}


def test_a_batch_whose_pictures_have_no_frame_is_one_without_pictures():
    model, clips = SYSTEM.build(**SMALL), make_clips()
    clips = {name: value for name, value in clips.items() if not name.startswith("seen")}
    expected = model.predict(clips, verbose=0)
    found = model.predict(clips | {"seen": np.zeros((2, 0, 7), "float32")}, verbose=0)
    for name, probabilities in expected.items():
        np.testing.assert_allclose(found[name], probabilities, atol=1e-6)  # sums of other lengths, of zeros
