import keras
import numpy as np
import pytest

from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.ensemble import ensemble
from avkeras.models.multi_encoder import MultiEncoder

TINY = {"classes": 3, "dims": {"video": 6, "audio": 5}, "dim": 16, "key_dim": 8, "blocks": 1}


def clips(seed=0):
    random = np.random.default_rng(seed)
    return {
        "video": random.normal(size=(4, 7, 6)).astype("float32"),
        "audio": random.normal(size=(4, 7, 5)).astype("float32"),
    }


def answer(model, inputs):
    return np.asarray(model(inputs))


@pytest.fixture(scope="module")
def models():
    return [AudiovisualTransformer(**TINY) for _ in range(3)]


@pytest.fixture(scope="module")
def average(models):
    return ensemble(models, name="last_epochs")


def test_the_answer_is_the_average_of_the_members(models, average):
    expected = np.mean([answer(model, clips()) for model in models], axis=0)
    found = answer(average, clips())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.ptp([answer(model, clips()) for model in models], axis=0).max() > 1e-3  # they do differ
    assert found.dtype == np.float32


def test_masks_reach_every_member(models, average):
    inputs = clips() | {"video_mask": np.zeros((4, 7), bool)}
    inputs["video"] = np.full_like(inputs["video"], np.nan)
    expected = np.mean([answer(model, inputs) for model in models], axis=0)
    np.testing.assert_allclose(answer(average, inputs), expected, atol=1e-6)
    assert np.abs(expected - answer(average, clips())).max() > 1e-3


def test_saved_and_loaded_it_answers_the_same(average, tmp_path):
    average.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    masked = clips() | {"audio_mask": np.arange(7)[None, :] < np.array([[7], [5], [3], [1]])}
    for inputs in (clips(), masked):
        np.testing.assert_array_equal(answer(loaded, inputs), answer(average, inputs))
    assert loaded.name == "last_epochs"
    assert type(loaded) is type(average)


def test_training_a_member_further_leaves_the_ensemble_as_it_is():
    model = AudiovisualTransformer(**TINY)
    average = ensemble([model])
    before = answer(average, clips())
    model.set_weights([weight + 1 for weight in model.get_weights()])
    np.testing.assert_array_equal(answer(average, clips()), before)
    assert model.name not in [layer.name for layer in average.layers]


def test_the_same_object_given_at_each_epoch_is_that_epoch():
    """A generator that loads each epoch's weights into one model gives the ensemble of the epochs."""
    model = AudiovisualTransformer(**TINY)
    answers = []

    def epochs():
        for epoch in range(2):
            model.set_weights([weight + 0.1 * epoch for weight in model.get_weights()])
            answers.append(answer(model, clips()))
            yield model

    found = ensemble(epochs()).predict(clips(), verbose=0)
    np.testing.assert_allclose(found, np.mean(answers, axis=0), atol=1e-6)
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_detection_models_are_averaged_output_by_output(tmp_path):
    small = {"filters": [4] * 7, "dim": 4, "key_dim": 4, "hidden_dim": 4, "blocks": 1, "num_heads": 1}
    students = [MultiEncoder(classes=3, visual_dims={"visual": 6}, **small) for _ in range(2)]
    students[1].set_inference_weight(0.9)
    average = ensemble(students)
    random = np.random.default_rng(0)
    inputs = {"audio": random.normal(size=(2, 64, 64)), "visual": random.normal(size=(2, 8, 6))}
    inputs = {name: value.astype("float32") for name, value in inputs.items()}
    found = average.predict(inputs, verbose=0)
    answers = [student.predict(inputs, verbose=0) for student in students]
    assert set(found) == {"clip", "frame"}
    for name, probabilities in found.items():
        expected = [answer[name] for answer in answers]
        np.testing.assert_allclose(probabilities, np.mean(expected, axis=0), atol=1e-6)
        assert np.abs(expected[0] - expected[1]).max() > 1e-3
    average.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    without = {"audio": inputs["audio"]}
    for name, probabilities in loaded.predict(without, verbose=0).items():
        np.testing.assert_array_equal(probabilities, average.predict(without, verbose=0)[name])
    with pytest.raises(ValueError, match="ensemble needs audio"):
        loaded({"visual": inputs["visual"]})


def test_models_that_do_not_fit_each_other_are_refused(models):
    other = AudiovisualTransformer(**TINY | {"classes": 4})
    with pytest.raises(ValueError, match="model 2"):
        ensemble([models[0], other])
    with pytest.raises(ValueError, match="at least one"):
        ensemble([])
