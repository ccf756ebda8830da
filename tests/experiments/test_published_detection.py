"""A published detection system from media files to a run's folder, its predictor and its SavedModel."""

import csv
import json

import keras
import numpy as np
import pytest

from avkeras.commands.finish_run import finish_run
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.evaluation.hysteresis import HysteresisSettings, decode_hysteresis, search_hysteresis
from avkeras.evaluation.metrics import event_f1
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.score_files import read_scores
from avkeras.experiments.configs import SoundEventDetection, system_values
from avkeras.experiments.detection import run_sound_event_detection
from avkeras.experiments.detection_scores import Tuning, fixed_event_f1, tune
from avkeras.serving.export_run import export
from avkeras.serving.predictor import load
from avkeras.systems.registry import NAMES

SMALL = {
    "crnn_2020": ("filters=2", "units=4", "layers=1"),
    "crnn_2021": ("filters=2", "units=4", "layers=1"),
    "conformer_encoder": ("filters=2", "dim=8", "heads=2", "hidden_dim=8", "blocks=1"),
    "transformer_encoder": ("filters=2", "dim=8", "heads=2", "hidden_dim=8", "blocks=1"),
    "audiovisual_crnn": ("filters=2", "units=4", "layers=1"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return demo_manifest(tmp_path_factory.mktemp("demo"), task="dcase2020", clips=(12, 6, 5))


def values_of(demo, out, name, **changes):
    changes = {"epochs": 2, "steps_per_epoch": 2, "batch": (2, 1, 2), "options": SMALL[name], "workers": 1} | changes
    return system_values(name, data=demo.path, out=out / name, **changes)


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    values = values_of(demo, tmp_path_factory.mktemp("run"), "transformer_encoder", decision="double")
    report = run_sound_event_detection(values)
    assert finish_run(values.out) == []
    return values, report


def test_the_run_folder_holds_what_the_experiment_writes(demo, trained):
    values, report = trained
    assert [row["part"] for row in report.rows] == ["all", "with video", "without video"]
    assert report.model_name.startswith("transformer_encoder, encoder-only")
    inputs = json.loads((values.out / "inputs.json").read_text())
    assert inputs["front_end"]["hop"] == 323
    assert inputs["lengths"] == {"audio": 496}
    assert (values.out / "report.html").is_file()
    best = json.loads((values.out / "best.json").read_text())
    assert best["epoch"] in (1, 2)


def test_the_student_of_the_best_epoch_is_kept_and_its_events_are_decided_by_two_thresholds(demo, trained):
    values, report = trained
    tuning = Tuning.read(values.out / "tuning.json")
    assert tuning == report.tuning
    assert tuning.decision == "double"
    scores = read_scores(values.out / "scores")
    settings = HysteresisSettings(**tuning.hysteresis["event"])
    options = {"classes": tuning.classes, "seconds_per_frame": tuning.seconds_per_vector}
    events = decode_hysteresis(scores.scores, settings=settings, durations=scores.durations, **options)
    truth = {clip.id: clip.events for clip in demo.split("test")}
    ebf1 = event_f1([truth[name] for name in scores.clips], events, classes=tuning.classes).macro
    assert report.rows[0]["EBF1"] == pytest.approx(ebf1)
    student = keras.saving.load_model(values.out / "model.keras")
    student.load_weights(values.out / "best.weights.h5")
    kept = keras.saving.load_model(values.out / "model.keras")
    for one, other in zip(kept.get_weights(), student.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("exported", [False, True])
def test_a_file_is_predicted_as_in_the_run(demo, trained, exported, tmp_path):
    values, _ = trained
    predictor = load(export(values.out, tmp_path / "1") if exported else values.out)
    clip = demo.split("test")[0]
    found = predictor.predict(clip.audio)
    with open(values.out / "clip_probabilities.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["id"] == clip.id)
    for name, value in found.probabilities.items():
        assert value == pytest.approx(float(row[name]), abs=5e-3)
    assert len(found.windows) == 1
    assert found.log_mel_hop == 323 / 16000
    assert found.log_mel.shape[1] == 64


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NAMES["detection"]) - {"transformer_encoder", "audiovisual_crnn"}))
def test_every_other_system_trains_and_answers(demo, name, tmp_path):
    values = values_of(demo, tmp_path, name)
    report = run_sound_event_detection(values)
    assert all(np.isfinite(list(row.values())[2:]).all() for row in report.rows)
    assert load(values.out).predict(demo.split("test")[0].audio).scores.shape[1] == 10


@pytest.mark.slow
def test_a_system_that_sees_is_scored_with_and_without_video_and_exported(demo, tmp_path, embedders, embedder_cache):
    folder = str(embedder_cache / "mean_colour")
    values = values_of(demo, tmp_path, "audiovisual_crnn", encoders=("log_mel", folder), batch=(0, 1, 2))
    report = run_sound_event_detection(values)
    parts = [row["part"] for row in report.rows]
    assert parts == ["all", "with video", "without video", "with video, video ignored", "video ignored, own tuning"]
    clip = next(clip for clip in demo.split("test") if clip.video)
    found = load(values.out).predict(clip.video)
    again = load(export(values.out, tmp_path / "1"), embedders=[folder]).predict(clip.video)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-5)
    assert found.encoder_weights == again.encoder_weights == ()  # it has none
    assert not [note for note in (*found.notes, *again.notes) if "gate" in note]


@pytest.mark.slow
def test_the_audiovisual_network_learns_more_than_chance_and_than_untrained(tmp_path, embedders, embedder_cache):
    clips = demo_manifest(tmp_path / "demo", task="dcase2020", clips=(60, 24, 24))
    changes = {"encoders": ("log_mel", str(embedder_cache / "mean_colour")), "decision": "median", "visual_frames": 8}
    changes |= {"options": ("filters=4", "units=16", "dropout=0.1", "momentum=0.8"), "teacher_decay": 0.9}
    rows = []
    for name, values in (
        ("learnt", {"epochs": 10, "steps_per_epoch": 20, "batch": (6, 6, 4), "learning_rate": 0.005}),
        ("untrained", {"epochs": 1, "steps_per_epoch": 1, "batch": (6, 6, 4), "learning_rate": 0.0}),
    ):
        report = run_sound_event_detection(values_of(clips, tmp_path / name, "audiovisual_crnn", **changes, **values))
        rows.append(report.rows[0])
    learnt, untrained = rows
    share = np.mean([[name in clip.labels for name in clips.classes] for clip in clips.split("test")])
    everything = 2 * share / (1 + share)  # all classes in every clip
    assert learnt["CBF1"] > max(untrained["CBF1"], everything) + 0.1
    assert learnt["EBF1"] > untrained["EBF1"]


@pytest.mark.slow
def test_a_run_that_had_stopped_is_scored_when_it_goes_on(demo, tmp_path, monkeypatch):
    from avkeras.experiments import detection_training

    monkeypatch.setattr(detection_training, "fixed_event_f1", lambda clips, found: 0.5)
    values = values_of(demo, tmp_path, "transformer_encoder", patience=1, epochs=5)

    class Killed(Exception):
        pass

    def kill(*arguments):
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr("avkeras.experiments.detection.tune_and_score", kill)
        with pytest.raises(Killed):
            run_sound_event_detection(values)
    epochs = sorted(path.name for path in (values.out / "epochs").glob("*.h5"))
    assert epochs == ["epoch-002.weights.h5"]  # the second was no better than the first
    monkeypatch.setattr(keras.Model, "fit", None)
    assert run_sound_event_detection(values).rows


class Clips:
    """What tuning asks of a set of clips."""

    def __init__(self, seed):
        from avkeras.data.manifest import Event

        random = np.random.default_rng(seed)
        self.classes, self.seconds_per_vector = ("Dog", "Cat"), 0.2
        self.frame = random.uniform(size=(6, 50, 2)) * 0.4
        self.events, self.targets = [], np.zeros((6, 2))
        for clip in range(6):
            start, label = int(random.integers(5, 30)), clip % 2
            self.frame[clip, start : start + 10, label] += random.uniform(0.2, 0.6, 10)
            self.events.append((Event(start * 0.2, (start + 10) * 0.2, self.classes[label]),))
            self.targets[clip, label] = 1
        self.durations = np.full(6, 10.0)
        self.probabilities = {"frame": self.frame, "clip": self.frame.max(axis=1)}


def test_each_rule_of_decision_finds_its_own_events():
    clips = Clips(0)
    found = {rule: tune(clips, {1.0: clips.probabilities}, decision=rule) for rule in ("median", "double", "fixed")}
    options = {"classes": clips.classes, "seconds_per_frame": 0.2, "durations": clips.durations}
    for metric in ("event", "segment"):
        settings, _ = search_hysteresis(clips.frame, clips.events, metric=metric, **options)
        events = decode_hysteresis(clips.frame, settings=settings, **options)
        assert found["double"].events(clips.frame, durations=clips.durations, metric=metric) == events
        fixed = decode_events(clips.frame, thresholds=0.5, filters=7, **options)
        assert found["fixed"].events(clips.frame, durations=clips.durations, metric=metric) == fixed
    assert found["fixed"].psds_filters == {"PSDS1": (7, 7), "PSDS2": (7, 7)}
    assert fixed_event_f1(clips, clips.probabilities) == event_f1(clips.events, fixed, classes=clips.classes).macro
    again = {rule: Tuning.of(json.loads(json.dumps(vars(tuning)))) for rule, tuning in found.items()}
    assert again == found


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (SoundEventDetection(system="gccaps"), "system: gccaps is for tagging; for detection there are crnn_2020"),
        (system_values("crnn_2020", block="conformer"), "block: crnn_2020 has no such value"),
        (SoundEventDetection(decision="global"), "decision: 'global' is none of median, double, fixed"),
        (SoundEventDetection(select="first"), "select: 'first' is none of last, best"),
    ],
)
def test_values_that_do_not_fit_are_refused(demo, values, answer, tmp_path):
    values.data, values.out = demo.path, tmp_path / "run"
    with pytest.raises(AvkerasError, match=answer):
        run_sound_event_detection(values)
    assert not values.out.exists()
