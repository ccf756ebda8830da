import dataclasses
import shutil

import numpy as np
import pytest
import soundfile

from avkeras.datasets.demo.write import write_mp4
from avkeras.errors import AvkerasError, MediaError
from avkeras.features.embedders import Embedder, load_embedder
from avkeras.media.audio import load_audio
from avkeras.media.video import load_frames
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.serving.export_tagging import export_model
from avkeras.serving.predictor import load

CLASSES = ["Car", "Train", "Scream"]
RATE = 16_000


def sound(seconds, seed=0):
    """Noise whose level wanders, so that no two windows are alike."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.uniform(0.01, 0.3, int(np.ceil(seconds))), RATE)[: round(seconds * RATE)]
    return (random.normal(0, 1, len(level)) * level).clip(-1, 1).astype("float32")


def write_clip(path, seconds, size=(32, 48)):
    random = np.random.default_rng(1)
    pictures = [np.full((*size, 3), random.integers(0, 256, 3), np.uint8) for _ in range(round(seconds * 5))]
    write_mp4(path, sound(seconds)[:, None], RATE, pictures, frame_rate=5, encoder="mpeg4")
    return path


def by_hand(model, embedders, path, window=slice(None), video=True):
    """The model's probabilities for some frames of a clip, without the code under test."""
    audio = embedders["audio"](load_audio(path))[window]
    times = embedders["audio"].frame_times(1000)[window][: len(audio)]
    inputs = {"audio": audio[None], "video": np.zeros((1, len(audio), embedders["video"].spec.dim), "float32")}
    if video:
        pictures, seen = load_frames(path, times, size=embedders["video"].spec.size)
        assert seen.all()
        inputs["video"] = embedders["video"](pictures / np.float32(255))[None]
    else:
        inputs["video_mask"] = np.zeros((1, len(audio)), bool)
    return np.asarray(model(inputs))[0]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    soundfile.write(folder / "heard.wav", sound(4.0), RATE)
    soundfile.write(folder / "short.wav", sound(0.5), RATE)
    write_clip(folder / "short.mp4", 3.0)
    write_clip(folder / "long.mp4", 11.0)
    return folder


@pytest.fixture(scope="module")
def model():
    return AudiovisualTransformer(classes=CLASSES, dims={"video": 6, "audio": 128}, dim=16, key_dim=8, blocks=1)


@pytest.fixture(scope="module")
def folder(model, embedders, tmp_path_factory):
    return export_model(
        model,
        tmp_path_factory.mktemp("model") / "1",
        classes=CLASSES,
        threshold=0.5,
        embedders=embedders,
        bundle=True,
        frames=4,
    )


@pytest.fixture(scope="module")
def predictor(folder):
    return load(folder)


def values(prediction):
    assert list(prediction.probabilities) == CLASSES
    return list(prediction.probabilities.values())


def test_a_clip_is_predicted_as_by_hand(predictor, model, embedders, clips):
    found = predictor.predict(clips / "short.mp4")
    np.testing.assert_allclose(values(found), by_hand(model, embedders, clips / "short.mp4"), atol=1e-5)
    assert found.labels == tuple(name for name, value in found.probabilities.items() if value >= 0.5)
    assert [(round(window.start, 2), round(window.end, 2)) for window in found.windows] == [(0.0, 2.88)]
    assert len(found.notes) == 1
    assert "vggish_stand_in" in found.notes[0]
    assert "NOT VGGish" in found.notes[0]


def test_a_file_without_video_is_predicted_from_its_sound(predictor, model, embedders, clips):
    found = predictor.predict(clips / "heard.wav")
    np.testing.assert_allclose(values(found), by_hand(model, embedders, clips / "heard.wav", video=False), atol=1e-5)
    assert any("no video track" in note for note in found.notes)
    padded = predictor.predict(clips / "short.wav")
    assert any("padded by 7600 samples" in note for note in padded.notes)


def test_a_long_file_is_predicted_in_windows_and_the_highest_counts(predictor, model, embedders, clips):
    found = predictor.predict(clips / "long.mp4")
    starts = [0, 4, 7]  # 11 frames in windows of 4, the last one ends with the file
    expected = [by_hand(model, embedders, clips / "long.mp4", slice(start, start + 4)) for start in starts]
    np.testing.assert_allclose(values(found), np.max(expected, axis=0), atol=1e-5)
    np.testing.assert_allclose([window.start for window in found.windows], np.multiply(starts, 0.96), atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 1e-4
    assert any("highest of 3 windows of 3.8 s" in note for note in found.notes)


def test_pictures_may_be_in_another_file(predictor, clips):
    soundfile.write(clips / "apart.wav", load_audio(clips / "short.mp4"), RATE, subtype="FLOAT")
    apart = predictor.predict(clips / "apart.wav", video=clips / "short.mp4")
    np.testing.assert_allclose(values(apart), values(predictor.predict(clips / "short.mp4")), atol=1e-5)


def test_embedders_that_are_not_bundled_are_given_and_must_be_those_of_training(model, embedders, clips, tmp_path):
    folder = export_model(model, tmp_path / "1", classes=CLASSES, threshold=[0.0, 0.5, 1.1], embedders=embedders)
    with pytest.raises(AvkerasError, match="mean_colour is neither bundled nor known"):
        load(folder, embedders={"audio": embedders["audio"]})
    predictor = load(folder, embedders=embedders)
    found = predictor.predict(clips / "long.mp4")
    np.testing.assert_allclose(values(found), by_hand(model, embedders, clips / "long.mp4"), atol=1e-5)
    assert len(found.windows) == 1  # nothing says how long clips were in training
    assert "Car" in found.labels
    assert "Scream" not in found.labels
    spec = dataclasses.replace(embedders["video"].spec, name="other")
    other = Embedder(spec, embedders["video"].function, fingerprint="other")
    with pytest.raises(AvkerasError, match=r"mean_colour \(video\); other is another one.*fingerprints differ"):
        load(folder, embedders=embedders | {"video": other})


def test_a_model_that_only_sees_needs_video(embedders, clips, tmp_path):
    model = AudiovisualTransformer(
        classes=3, dims={"video": 6}, first="video", second="video", dim=16, key_dim=8, blocks=1
    )
    folder = export_model(
        model, tmp_path / "1", classes=CLASSES, threshold=0.5, embedders=embedders, bundle=True, frames=10
    )
    predictor = load(folder)
    found = predictor.predict(clips / "short.mp4")
    pictures, _ = load_frames(clips / "short.mp4", [0.48, 1.44, 2.4], size=(8, 12))
    inputs = {"video": embedders["video"](pictures / np.float32(255))[None]}
    np.testing.assert_allclose(values(found), np.asarray(model(inputs))[0], atol=1e-5)
    with pytest.raises(AvkerasError, match=r"heard.wav: this model only sees .*no video track"):
        predictor.predict(clips / "heard.wav")


@pytest.mark.slow
def test_the_real_visual_embedder_is_bundled_whole(embedders, embedder_cache, clips, tmp_path):
    import tensorflow as tf

    embedders = embedders | {"video": load_embedder("efficientnet_lite0", cache_dir=embedder_cache)}
    model = AudiovisualTransformer(classes=3, dims={"video": 1280, "audio": 128}, dim=16, key_dim=8, blocks=1)
    folder = export_model(model, tmp_path / "1", classes=CLASSES, threshold=0.5, embedders=embedders, bundle=True)
    expected = by_hand(model, embedders, clips / "short.mp4")
    moved = shutil.move(folder, tmp_path / "elsewhere")
    np.testing.assert_allclose(values(load(moved).predict(clips / "short.mp4")), expected, atol=1e-4)

    waveform = load_audio(clips / "short.mp4")[None]
    pictures, seen = load_frames(clips / "short.mp4", [0.48, 1.44, 2.4], size=(224, 224))
    served = tf.saved_model.load(str(moved)).signatures["media"](
        waveform=tf.constant(waveform),
        samples=tf.constant([waveform.shape[1]]),
        frames=tf.constant(pictures[None]),
        frame_mask=tf.constant(seen[None]),
    )
    np.testing.assert_allclose(served["probabilities"][0], expected, atol=1e-4)


def test_what_is_no_model_or_no_media_is_named_in_one_line(predictor, tmp_path):
    for wrong, words in ((tmp_path, "holds no finished run and no model exported"), (tmp_path / "a", "no such folder")):
        with pytest.raises(AvkerasError, match=words) as error:
            load(wrong)
        assert "\n" not in str(error.value)
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(MediaError, match=r"text.mp4: this is text"):
        predictor.predict(tmp_path / "text.mp4")
