import dataclasses
import json

import numpy as np
import pytest
import soundfile

from avkeras.cli import main
from avkeras.data.manifest import Event
from avkeras.datasets.demo.write import write_mp4
from avkeras.errors import AvkerasError, MediaError
from avkeras.experiments.detection_scores import Tuning
from avkeras.features.extract_detection import picture_times
from avkeras.features.log_mel import log_mel
from avkeras.media.audio import load_audio
from avkeras.media.video import load_frames
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.reports.event_roll import event_roll_figure
from avkeras.serving.export_detection import export_detection_model
from avkeras.serving.predictor import load

CLASSES = ("Cat", "Dog", "Speech")
RATE = 16_000
PICTURES = 4  # per 10 s
STEP = 8 * 313 / RATE


def sound(seconds):
    random = np.random.default_rng(0)
    level = np.repeat(random.uniform(0.01, 0.3, int(np.ceil(seconds))), RATE)[: round(seconds * RATE)]
    return (random.normal(0, 1, len(level)) * level).clip(-1, 1).astype("float32")


def write_clip(path, seconds):
    random = np.random.default_rng(1)
    pictures = [np.full((32, 48, 3), random.integers(0, 256, 3), np.uint8) for _ in range(round(seconds * 5))]
    write_mp4(path, sound(seconds)[:, None], RATE, pictures, frame_rate=5, encoder="mpeg4")
    return path


@pytest.fixture(scope="module")
def model():
    return MultiEncoder(
        classes=CLASSES,
        visual_dims={"mean_colour": 6},
        blocks=1,
        dim=8,
        num_heads=2,
        key_dim=4,
        hidden_dim=8,
        filters=(2, 2, 2, 2, 2, 2, 8),
    )


TUNING = Tuning(
    classes=CLASSES,
    seconds_per_vector=STEP,
    weight=0.5,
    weight_scores={"0.5": 0.3},
    clip_thresholds=(0.0, 0.5, 1.0),
    segment_thresholds=(0.5, 0.5, 0.5),
    segment_filters=(1, 1, 1),
    event_thresholds=(0.0, 0.5, 1.0),
    event_filters=(1, 3, 5),
    psds_filters={"PSDS1": (1, 1, 1), "PSDS2": (1, 1, 1)},
)


@pytest.fixture(scope="module")
def folder(model, embedders, embedder_cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save(folder / "model.keras")
    TUNING.write(folder / "tuning.json")
    write_inputs(folder, embedder_cache, embedders["video"].fingerprint)
    return folder


def write_inputs(folder, embedder_cache, fingerprint):
    visual = {"mean_colour": {"embedder": str(embedder_cache / "mean_colour"), "fingerprint": fingerprint}}
    inputs = {"visual": visual, "visual_frames": PICTURES, "max_frames": 512}
    (folder / "inputs.json").write_text(json.dumps(inputs))


@pytest.fixture(scope="module")
def predictor(folder):
    return load(folder)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 4)


def by_hand(model, waveform, pictures=None):
    """Frame probabilities of one window, without padding and without the code under test."""
    x = {"audio": log_mel(waveform).numpy()[None]}
    x["mean_colour"] = np.zeros((1, 2, 6), "float32") if pictures is None else pictures[None]
    x["mean_colour_mask"] = np.full(x["mean_colour"].shape[:2], pictures is not None)
    return model(x)["frame"][0].numpy()


def test_a_clip_is_predicted_from_its_sound_and_its_pictures(predictor, model, embedders, clip):
    found = predictor.predict(clip)
    waveform = load_audio(clip)
    frames, seen = load_frames(clip, picture_times(len(waveform), visual_frames=PICTURES), size=(8, 12))
    assert seen.all()
    expected = by_hand(model, waveform, embedders["video"](frames.astype("float32") / 255))
    np.testing.assert_allclose(found.scores[: len(expected)], expected, atol=1e-5)
    assert found.notes == ()
    assert found.duration == len(waveform) / RATE
    # A threshold of 0 finds its class from end to end, one of 1 nowhere.
    assert [event for event in found.events if event.label == "Cat"] == [Event(0.0, found.duration, "Cat")]
    assert "Speech" not in [event.label for event in found.events]
    assert "Cat" in found.labels
    assert "Speech" not in found.labels


def test_a_file_without_video_is_predicted_from_its_sound(predictor, model, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(3), RATE)
    found = predictor.predict(tmp_path / "a.wav")
    expected = by_hand(model, load_audio(tmp_path / "a.wav"))
    np.testing.assert_allclose(found.scores[: len(expected)], expected, atol=1e-5)
    assert found.notes == ("video not used: it has no video track",)


def test_a_long_file_is_cut_into_windows_whose_frames_are_joined(predictor, model, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(25), RATE)
    found = predictor.predict(tmp_path / "a.wav")
    waveform = load_audio(tmp_path / "a.wav")
    assert found.scores.shape == (3 * 64, 3)
    second = by_hand(model, waveform[512 * 313 : 2 * 512 * 313 - 1])
    np.testing.assert_allclose(found.scores[64:128], second, atol=1e-5)
    assert found.notes[-1] == "longer than a clip in training: cut into 3 windows"
    # The event runs on over the borders of the windows, to the end of the file.
    assert [event for event in found.events if event.label == "Cat"] == [Event(0.0, 25.0, "Cat")]


def test_pictures_of_a_later_window_are_those_of_its_time(predictor, model, embedders, tmp_path):
    path = write_clip(tmp_path / "long.mp4", 14)
    waveform, window = load_audio(path), 512 * 313
    times = window / RATE + picture_times(len(waveform) - window, visual_frames=PICTURES)
    frames, seen = load_frames(path, times, size=(8, 12))
    assert seen.all()
    expected = by_hand(model, waveform[window:], embedders["video"](frames / np.float32(255)))
    np.testing.assert_allclose(predictor.predict(path).scores[64:][: len(expected)], expected, atol=1e-5)


def test_a_file_without_sound_is_refused(predictor, tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(MediaError, match="this is text"):
        predictor.predict(tmp_path / "a.txt")


def test_the_command_prints_events_and_draws_them(folder, predictor, clip, tmp_path, capsys):
    main(["predict", str(clip), "--model", str(folder), "--figures", str(tmp_path), "--json"])
    printed = json.loads(capsys.readouterr().out)
    expected = predictor.predict(clip)
    assert printed["figure"] == str(tmp_path / "clip.mp4.events.png")
    assert (tmp_path / "clip.mp4.events.png").read_bytes()[:4] == b"\x89PNG"
    assert [Event(**event) for event in printed["events"]] == list(expected.events)
    main(["predict", str(clip), "--model", str(folder), "--figures", str(tmp_path)])
    assert "0.00 -    4.0" in capsys.readouterr().out


def test_pictures_of_files_of_one_name_are_refused(folder, clip, tmp_path):
    other = tmp_path / "other" / clip.name
    other.parent.mkdir()
    other.write_bytes(clip.read_bytes())
    with pytest.raises(SystemExit) as error:
        main(["predict", str(clip), str(other), "--model", str(folder), "--figures", str(tmp_path)])
    advice = "2 files are called clip.mp4; give them one by one, each with a folder of its own"
    assert error.value.code == f"error: --figures {tmp_path}: {advice}"
    assert not list(tmp_path.glob("*.png"))


def test_the_command_gives_events_as_tables_and_as_labels(folder, predictor, clip, capsys):
    expected = predictor.predict(clip).events
    assert expected
    rows = [[f"{onset:.3f}", f"{offset:.3f}", label] for onset, offset, label in expected]
    header = ["filename", "onset", "offset", "event_label"]
    for form, wanted in (("tsv", [header, *([clip.name, *row] for row in rows)]), ("audacity", rows)):
        main(["predict", str(clip), "--model", str(folder), "--format", form])
        assert [line.split("\t") for line in capsys.readouterr().out.splitlines()] == wanted
    with pytest.raises(SystemExit) as error:
        main(["predict", str(clip), "--model", str(folder), "--format", "csv", "--top", "2"])
    assert "--top: a detection model finds events" in str(error.value.code)


def test_an_exported_model_finds_what_the_run_finds(folder, model, predictor, embedders, clip, tmp_path):
    visual = {"mean_colour": embedders["video"]}
    options = {"tuning": TUNING, "embedders": visual, "visual_frames": PICTURES}
    exported = export_detection_model(model, tmp_path / "1", **options)
    found = load(exported, embedders=visual)
    assert found.kind == "detection"
    found = found.predict(clip)
    expected = predictor.predict(clip)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert found.events == expected.events
    assert found.notes == expected.notes
    for name, weight in expected.encoder_weights[0].items():
        assert found.encoder_weights[0][name] == pytest.approx(weight)
    with pytest.raises(AvkerasError, match="mean_colour is neither bundled nor known by name"):
        load(exported)


def test_a_folder_that_holds_no_model_or_another_embedder_is_refused(folder, embedder_cache, embedders, tmp_path):
    (tmp_path / "tuning.json").write_text("{}")
    with pytest.raises(AvkerasError, match=r"holds no finished detection run \(model.keras is missing\)"):
        load(tmp_path)
    write_inputs(folder, embedder_cache, "another")
    with pytest.raises(AvkerasError, match=r"mean_colour embedder .*mean_colour computed something else"):
        load(folder)
    write_inputs(folder, embedder_cache, embedders["video"].fingerprint)


def test_the_figure_has_pictures_only_where_there_is_video(predictor, clip, tmp_path):
    from matplotlib.image import imread

    soundfile.write(tmp_path / "a.wav", sound(4), RATE)
    seen = imread(event_roll_figure(tmp_path / "seen.png", predictor.predict(clip)))
    heard = imread(event_roll_figure(tmp_path / "heard.png", predictor.predict(tmp_path / "a.wav")))
    assert seen.shape[1] == heard.shape[1]
    assert seen.shape[0] > heard.shape[0] + 100


def test_events_and_true_events_are_drawn_at_their_times(predictor, clip, tmp_path):
    from matplotlib.image import imread

    prediction = predictor.predict(clip)
    prediction = dataclasses.replace(
        prediction, events=(Event(2.0, 3.0, "Dog"),), scores=np.zeros_like(prediction.scores)
    )
    image = imread(event_roll_figure(tmp_path / "a.png", prediction, truth=[Event(0.0, 1.0, "Cat")]))[..., :3]
    red = np.abs(image - np.array([0xE4, 0x57, 0x2E]) / 255).max(axis=2) < 0.02
    columns = np.flatnonzero(red.sum(axis=0) > 10)
    dots, left, width = 150, 1.9, 9.0 - 1.9 - 0.25
    seconds = (columns / dots - left) / width * prediction.duration
    bar = seconds[seconds > 0]
    assert bar.min() == pytest.approx(2.0, abs=0.05)
    assert bar.max() == pytest.approx(3.0, abs=0.05)
