"""A model that knows several sequences, called with some of them: the others are absent from every clip."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.ensemble import ensemble
from avkeras.models.multi_encoder import MultiEncoder

SMALL = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "blocks": 1}


def transformer():
    return AudiovisualTransformer(classes=3, dims={"video": 6, "audio": 4}, **SMALL)


def multi_encoder():
    filters = (2, 2, 2, 2, 2, 2, 8)
    return MultiEncoder(classes=3, visual_dims={"a": 6, "b": 3}, filters=filters, max_frames=40, bands=8, **SMALL)


MODELS = {
    "audiovisual": transformer,
    "ensemble": lambda: ensemble([transformer(), transformer()]),
    "multi-encoder": multi_encoder,
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def sound(model):
    frames, dim = (40 if dict(model.input).keys() & {"a"} else 5), model.input["audio"].shape[-1]
    return np.random.default_rng(0).normal(size=(2, frames, dim)).astype("float32")


def with_masks(model, audio):
    """The same clips as before: every other sequence is there, of junk, and masked throughout."""
    given = {"audio": audio, "audio_mask": np.ones(audio.shape[:2], bool)}
    for name in model.input:
        if not name.endswith("_mask") and name != "audio":
            given[name] = np.full((2, 5, model.input[name].shape[-1]), np.nan, "float32")
            given[f"{name}_mask"] = np.zeros((2, 5), bool)
    return given


def flat(outputs):
    outputs = outputs if isinstance(outputs, dict) else {"probabilities": outputs}
    return {name: np.asarray(value) for name, value in outputs.items()}


def same(found, expected):
    found, expected = flat(found), flat(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)


def test_audio_alone_is_answered_as_absent_video(model, tmp_path):
    audio = sound(model)
    expected = model(with_masks(model, audio))
    assert np.isfinite(next(iter(flat(expected).values()))).all()
    same(model({"audio": audio}), expected)
    same(model({"audio": audio, **{name: None for name in model.input if name != "audio"}}), expected)
    same(model.predict({"audio": audio}, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    same(keras.saving.load_model(tmp_path / "model.keras").predict({"audio": audio}, verbose=0), expected)


def test_a_graph_of_audio_alone(model):
    """As an export makes it, of any batch and length; and as a part of another Keras model."""
    audio = sound(model)
    graph = tf.function(lambda x: model({"audio": x}, training=False))
    graph = graph.get_concrete_function(tf.TensorSpec((None, None, audio.shape[-1])))
    same(graph(tf.constant(audio)), model(with_masks(model, audio)))
    given = keras.Input((None, audio.shape[-1]))
    same(keras.Model(given, model({"audio": given}))(audio), model(with_masks(model, audio)))


@pytest.mark.slow
def test_fit_on_audio_alone_equals_fit_on_clips_without_video():
    histories = []
    for full in (False, True):
        keras.utils.set_random_seed(0)
        model = transformer()
        model.compile("sgd", "binary_crossentropy")
        audio = sound(model)
        given = with_masks(model, audio) if full else {"audio": audio}
        histories.append(model.fit(given, np.eye(2, 3), epochs=2, verbose=0).history["loss"])
    assert histories[0][0] != histories[0][1]
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_video_alone_is_answered_as_absent_audio():
    model, video = transformer(), np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    absent = {"audio": np.zeros((2, 5, 4), "float32"), "audio_mask": np.zeros((2, 5), bool)}
    same(model({"video": video}), model({"video": video, **absent}))


def test_a_model_without_its_input_says_what_it_needs():
    model = AudiovisualTransformer(classes=3, dims={"video": 6}, first="video", second="video", **SMALL)
    with pytest.raises(ValueError, match="needs video, but is given audio"):
        model({"audio": np.zeros((1, 5, 4), "float32")})
    with pytest.raises(ValueError, match="needs audio; a clip may lack its visual inputs only"):
        multi_encoder()({"a": np.zeros((1, 5, 6), "float32")})
    with pytest.raises(ValueError, match="needs video or audio, but is given nothing"):
        transformer()({})


@pytest.mark.parametrize("options", [{"block": "conformer"}, {"absent_token": True, "gate": True}])
def test_video_of_no_frames_at_all_is_absent(options):
    """A batch of clips without video, padded to the longest one, has none."""
    model = MultiEncoder(
        classes=3, visual_dims={"video": 6}, filters=(4, 8), pooling=((2, 2), (2, 4)), bands=8, max_frames=16,
        kernel_size=3, **options, **SMALL,
    )  # fmt: skip
    audio = np.random.default_rng(0).normal(size=(2, 16, 8)).astype("float32")
    given = {"audio": audio, "video": np.zeros((2, 0, 6), "float32"), "video_mask": np.zeros((2, 0), bool)}
    for some in (given, {name: value for name, value in given.items() if name != "video_mask"}):
        same(model(some), model({"audio": audio}))
