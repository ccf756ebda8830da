"""What the two models share: frozen parts are kept by every copy, and inputs go by their names."""

import copy
import pickle

import keras
import numpy as np
import pytest

from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.ensemble import ensemble
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.training.adam import Adam

SMALL = {"blocks": 1, "dim": 8, "key_dim": 4, "hidden_dim": 8}


@pytest.fixture
def model():
    return AudiovisualTransformer(classes=3, dims={"audio": 4, "video": 6}, **SMALL)


@pytest.fixture
def clips():
    random = np.random.default_rng(0)
    return {name: random.normal(size=(2, 5, dim)).astype("float32") for name, dim in (("audio", 4), ("video", 6))}


def frozen(model):
    return [layer.name for layer in model._flatten_layers(include_self=False) if not layer.trainable]


def test_frozen_parts_stay_frozen_in_every_copy(model, clips, tmp_path):
    model.get_layer("encoder_1").trainable = False
    model.get_layer("decoder_1").feed_forward.trainable = False
    model.compile(Adam(1e-2), "binary_crossentropy")
    model.fit(clips, np.ones((2, 3)), verbose=0)
    expected, count = frozen(model), len(model.trainable_weights)
    assert {"encoder_1", "feed_forward"} <= set(expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copies = [loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), AudiovisualTransformer.from_config(
        model.get_config())]  # fmt: skip
    for one in copies:
        assert frozen(one) == expected
        assert len(one.trainable_weights) == count
    assert ensemble([model, model]).get_layer("ensemble_1").get_layer("encoder_1").trainable is False
    # The optimizer goes on with its own moments.
    for own, other in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_model_without_frozen_parts_or_frozen_as_a_whole_names_none(model):
    assert "frozen" not in model.get_config()
    model.trainable = False
    assert "frozen" not in model.get_config()
    assert not AudiovisualTransformer.from_config(model.get_config()).trainable_weights


@pytest.mark.parametrize("call", ["model", "predict", "fit"])
def test_a_name_that_is_none_of_its_inputs_is_refused(model, clips, call):
    model.compile(Adam(1e-2), "binary_crossentropy")
    calls = {
        "model": model,
        "predict": lambda clips: model.predict(clips, verbose=0),
        "fit": lambda clips: model.fit(clips, np.ones((2, 3)), verbose=0),
    }
    for name in ("a", "vidoe", "zzz"):
        with pytest.raises(ValueError, match=f"has no input {name}: leave it out, or name it by one of its own, video"):
            calls[call]({**clips, name: clips["video"]})


def test_sizes_that_do_not_fit_are_named(model, clips):
    with pytest.raises(ValueError, match=r"video has \(2, 5\) \(clips, frames\), video_mask has \(2, 4\)"):
        model({**clips, "video_mask": np.ones((2, 4), bool)})
    with pytest.raises(ValueError, match="audio has 2 clips, video has 1: they must be as many"):
        model({**clips, "video": clips["video"][:1]})


def test_arguments_that_do_not_fit_are_named():
    dims = {"audio": 4, "video": 6}
    assert AudiovisualTransformer(classes=np.int64(5), dims=dims, **SMALL).output.shape == (None, 5)
    with pytest.raises(ValueError, match="classes must be a number above 0 or a list of names, not 'Car'"):
        AudiovisualTransformer(classes="Car", dims=dims)
    with pytest.raises(ValueError, match="positions must be a list of modalities, not 'video'"):
        AudiovisualTransformer(dims=dims, positions="video")
    with pytest.raises(ValueError, match="num_heads must be above 0, not 0"):
        MultiEncoder(num_heads=0)


def test_compiled_without_an_optimizer_it_is_evaluated(model, clips):
    model.compile(optimizer=None, loss="binary_crossentropy")
    assert np.isfinite(model.evaluate(clips, np.ones((2, 3)), verbose=0))


def test_the_model_with_encoder_weights_takes_what_the_model_takes(tmp_path):
    model = MultiEncoder(classes=2, visual_dims={"v": 6}, num_heads=1, filters=[4] * 6 + [8], **SMALL)
    random = np.random.default_rng(1)
    clips = {"audio": random.normal(size=(2, 64, 64)).astype("float32"), "v": np.ones((2, 8, 6), "float32")}
    model.with_encoder_weights().save(tmp_path / "model.keras")
    for given in (clips, {"audio": clips["audio"]}):
        expected = model.predict(given, verbose=0)
        for more in (model.with_encoder_weights(), keras.saving.load_model(tmp_path / "model.keras")):
            found = more.predict(given, verbose=0)
            assert found["encoder_weights"].shape == (2, 2)
            for name, value in expected.items():
                np.testing.assert_allclose(found[name], value, atol=1e-5)  # the sums of another graph
    with pytest.raises(ValueError, match="needs audio; a clip may lack its visual inputs only"):
        model.with_encoder_weights()({"v": clips["v"]})
