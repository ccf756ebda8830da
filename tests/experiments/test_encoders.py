"""Detection models with encoders of embedded sound, beside or in place of those of pictures, from clips to answers."""

import dataclasses

import numpy as np
import pytest
import soundfile
import tensorflow as tf

import avkeras as av
from avkeras.datasets.demo import make_demo
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection import (
    DetectionReport,
    detection_set,
    run_sound_event_detection,
)
from avkeras.experiments.detection_inputs import detection_features
from avkeras.experiments.detection_results import predict
from avkeras.experiments.detection_training import build_mean_teacher
from avkeras.features.embedders import EmbedderSpec
from avkeras.features.log_mel import log_mel
from avkeras.features.saved_model import export_embedder
from avkeras.media.audio import load_audio

PARTS = ["all", "with video", "without video", "with video, video ignored", "video ignored, own tuning"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, embedders, embedder_cache):
    """An embedder of sound at 32 kHz, a row of 5 values each half second, and one of pictures."""

    def levels(waveform):
        rows = tf.reshape(waveform[: tf.size(waveform) // 16_000 * 16_000], (-1, 5, 3_200))
        return tf.math.log(tf.reduce_mean(tf.abs(rows), axis=2) + 1e-3)

    spec = EmbedderSpec("levels", "audio", 5, window=0.5, hop=0.5, least_samples=16_000, sample_rate=32_000)
    heard = export_embedder(levels, tmp_path_factory.mktemp("embedders") / "levels", spec=spec)
    return {"heard": str(heard), "seen": str(embedder_cache / "mean_colour")}


@pytest.fixture(scope="module")
def values(tmp_path_factory, folders):
    folder = tmp_path_factory.mktemp("encoders")
    clips = {"train": 8, "validation": 4, "test": 4}
    manifest = make_demo(folder / "demo", task="dcase2020", clips=clips, without_video=0.4)
    return SoundEventDetection(
        data=manifest.path,
        out=folder / "run",
        encoders=("log_mel", folders["heard"], folders["seen"]),
        visual_frames=4,
        blocks=1,
        dim=8,
        num_heads=2,
        key_dim=4,
        hidden_dim=8,
        filters=(2, 2, 2, 2, 2, 2, 8),
        gate=True,
        modality_dropout=0.2,
        absent_token=True,
        epochs=1,
        steps_per_epoch=1,
        batch=(1, 1, 1),
    )


@pytest.fixture(scope="module")
def features(values):
    return detection_features(values, av.data.read_manifest(values.data))


@pytest.fixture(scope="module")
def clips(values, features):
    manifest = av.data.read_manifest(values.data)
    return detection_set("test", manifest, features.readers(), DetectionReport(values, manifest, features))


def test_each_encoder_has_its_input_and_its_own_availability(features, clips):
    assert list(features.stores) == ["audio", "levels", "mean_colour"]
    assert features.visual == ["mean_colour"]
    x, _ = clips.load(np.arange(len(clips)))
    assert (x["levels"].shape, x["mean_colour"].shape) == ((4, 21, 5), (4, 4, 6))
    seen = np.array([clip.video is not None for clip in clips.clips])
    assert seen.any()
    assert not seen.all()
    np.testing.assert_array_equal(x["mean_colour_mask"].numpy().any(axis=1), seen)
    for place, clip in enumerate(clips.clips):
        rows = len(load_audio(clip.audio, sample_rate=32_000)[: 2 * (512 * 313 - 1)]) // 16_000
        np.testing.assert_array_equal(x["levels_mask"][place], np.arange(21) < rows)


@pytest.mark.slow
def test_where_video_is_ignored_embedded_sound_is_heard(values, features, clips):
    seen = clips.has("mean_colour")
    dims = {name: store.dim for name, store in clips.stores.items() if name != "audio"}
    plain = dataclasses.replace(values, absent_token=False)  # nothing stands in for what is ignored
    student = build_mean_teacher(plain, visual_dims=dims, classes=clips.classes).student
    there = predict(student, clips, values, 0.5)["frame"]
    ignored = predict(student, clips, values, 0.5, without=features.visual)["frame"]
    np.testing.assert_array_equal(ignored[~seen], there[~seen])
    assert np.abs(ignored[seen] - there[seen]).max(axis=(1, 2)).min() > 1e-6
    deaf = predict(student, clips, values, 0.5, without=["levels", *features.visual])["frame"]
    assert np.abs(ignored - deaf).max(axis=(1, 2)).min() > 1e-6
    np.testing.assert_array_equal(deaf, predict(student, clips, values, 1.0)["frame"])


def test_an_encoder_that_cannot_be_is_refused_in_one_line(values, folders, tmp_path):
    def refused(message, **changed):
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        with pytest.raises(AvkerasError, match=message):
            run_sound_event_detection(dataclasses.replace(values, out=out, **changed))

    heard = folders["heard"]
    refused("log_mel, which the decoder reads, is needed once", encoders=(heard,))
    refused("log_mel, which the decoder reads, is needed once", encoders=("log_mel", "log_mel", heard))
    refused("encoders: .*levels names an embedder twice", encoders=("log_mel", heard, heard))
    refused("is an embedder for audio, one for video is wanted", encoders=(), visual=(heard,))
    pooling = ((8, 2), (4, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 1))
    refused("encoders: levels gives 21 frames of 10 s, and pooling leaves 16 vectors", pooling=pooling)


@pytest.mark.slow
def test_a_run_is_tuned_scored_loaded_and_exported_with_its_encoders(values, folders, tmp_path):
    report = run_sound_event_detection(values)
    assert [row["part"] for row in report.rows] == PARTS
    assert report.model_name == "tri-encoder transformer with levels and mean_colour"
    clip = next(clip for clip in report.manifest.split("test") if clip.video)
    detector = av.load(values.out)
    found = detector.predict(clip.audio)
    weight = report.tuning.weight
    shares = np.array([weight, (1 - weight) / 2, (1 - weight) / 2])
    given = np.array(list(found.encoder_weights[0].values()))
    assert list(found.encoder_weights[0]) == ["audio", "levels", "mean_colour"]
    assert given.sum() == pytest.approx(1)
    assert 0 < np.abs(given - shares).max() < 0.1  # the gate has been trained for a step; a vector stands in for video
    # As from the stores, but for their half precision.
    scores = av.evaluation.read_scores(values.out / "scores")
    stored = scores.scores[scores.clips.index(clip.id)]
    np.testing.assert_allclose(found.scores[: len(stored)], stored[: len(found.scores)], atol=2e-3)
    exported = av.export(detector, tmp_path / "served" / "1")
    again = av.load(exported, embedders=list(folders.values())).predict(clip.audio)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-5)
    assert again.notes == found.notes
    exported_shares = np.array(list(again.encoder_weights[0].values()))
    np.testing.assert_allclose(exported_shares, given, atol=1e-5)
    # A long clip is heard window by window, as clips are in training.
    waveform = np.tile(load_audio(clip.audio, sample_rate=32_000), 3)
    soundfile.write(tmp_path / "long.wav", waveform, 32_000, subtype="FLOAT")
    long = detector.predict(tmp_path / "long.wav")
    window = 512 * 313
    second = load_audio(tmp_path / "long.wav")[window : 2 * window - 1]
    rows = detector.embedders["levels"](
        load_audio(tmp_path / "long.wav", sample_rate=32_000)[2 * window :][: 2 * window - 2]
    )
    x = {"audio": log_mel(second).numpy()[None], "levels": rows[None]}
    by_hand = detector.model.keras(x)["frame"][0].numpy()
    np.testing.assert_allclose(long.scores[64:128], by_hand, atol=1e-5)


@pytest.mark.slow
def test_sound_alone_may_feed_several_encoders(values, folders):
    alone = dataclasses.replace(values, out=values.out.parent / "sound", encoders=("log_mel", folders["heard"]))
    report = run_sound_event_detection(alone)
    assert [row["part"] for row in report.rows] == PARTS[:3]
    assert set(report.tuning.weight_scores) == {str(weight) for weight in values.weights}
    assert report.features.with_video is None
