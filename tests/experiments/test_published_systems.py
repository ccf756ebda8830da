"""A published system from media files to a run's folder, its predictor and its SavedModel."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
import soundfile

from avkeras.commands.finish_run import finish_run
from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Clip, read_manifest, write_manifest
from avkeras.data.records import RecordReader
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError, MediaError
from avkeras.evaluation.thresholds import best_global_threshold, micro_f1
from avkeras.experiments.configs import AudioTagging, SoundEventDetection, check_system, system_values
from avkeras.experiments.tagging import build_system, run_audio_tagging, tagging_features
from avkeras.features.regions import write_regions
from avkeras.reports.visualize_media import visualize
from avkeras.runs.locks import TRAINING, locked_folder
from avkeras.serving.event_tables import found_events
from avkeras.serving.export_run import export
from avkeras.serving.predictor import load
from avkeras.serving.tagger_scores import score_tagger
from avkeras.systems.registry import NAMES, find_system

SMALL = {
    "gccaps": ("filters=6", "capsules=4", "dropout=0.0", "capsule_dropout=0.0", "momentum=0.6"),
    "gated_crnn": ("filters=6", "last_filters=16", "units=8", "momentum=0.6"),
    "cnn_transformer": ("filters=2", "momentum=0.6"),
    "cnn_gru": ("filters=2", "momentum=0.6"),
}
TONES = {"low": 300.0, "middle": 1000.0, "high": 3000.0}
VALUES = {"epochs": 2, "steps_per_epoch": 4, "batch_size": 8, "learning_rate": 0.01, "workers": 1}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return demo_manifest(tmp_path_factory.mktemp("demo"), task="dcase2017", clips=(24, 12, 8))


def run(demo, out, name="gccaps", **changes):
    changes = {"options": SMALL[name], "keep": 1, **VALUES, **changes}
    values = system_values(name, data=demo.path, out=out / name, **changes)
    return values, run_audio_tagging(values)


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    values, report = run(demo, tmp_path_factory.mktemp("run"), keep=2)
    assert finish_run(values.out) == []
    return values, report


def test_the_run_folder_holds_what_the_experiment_writes(demo, trained):
    values, report = trained
    (result,) = report.results
    assert result.folder == values.out / "gccaps"
    assert (result.clips, result.decision, result.threshold) == (8, "capsule", 0.35)
    for name in ("metrics.csv", "model.keras", "predictions.csv", "decisions.csv", "curves.png", "saved_model"):
        assert (result.folder / name).exists(), name
    assert (values.out / "report.html").is_file()
    inputs = json.loads((result.folder / "inputs.json").read_text())
    assert inputs["inputs"] == {"audio": 64}
    assert inputs["frames"] == 240
    with open(result.folder / "predictions.csv", newline="") as file:
        found = np.array([[float(row[name]) for name in demo.classes] for row in csv.DictReader(file)])
    truth = np.array([[name in clip.labels for name in demo.classes] for clip in demo.split("test")])
    decided = found >= 0.35
    empty = ~decided.any(axis=1)
    decided[empty, found[empty].argmax(axis=1)] = True
    assert result.f1 == micro_f1(truth, decided)
    with open(result.folder / "decisions.csv", newline="") as file:
        rules = {row["decision"]: float(row["test"]) for row in csv.DictReader(file)}
    assert list(rules) == ["global", "class_wise", "automatic", "capsule"]
    assert rules["capsule"] == pytest.approx(result.f1, abs=1e-6)


def test_levels_are_extracted_once_and_a_finished_run_is_not_repeated(demo, trained, monkeypatch):
    values, report = trained
    assert report.features.summary.clips == 44
    monkeypatch.setattr(keras.Model, "fit", None)
    again = run_audio_tagging(values)
    assert again.features.summary.reused == 44
    assert again.results[0].f1 == report.results[0].f1
    store = RecordReader(report.features.stores["audio"])
    assert store.dim == 64
    assert {record.frames for record in store.records.values()} == {240}


def test_a_manifest_that_changed_since_is_refused(demo, trained):
    values, _ = trained
    whole = demo.path.read_bytes()
    manifest = read_manifest(demo.path)
    write_manifest(demo.path, manifest.clips[1:], classes=manifest.classes)
    try:
        with pytest.raises(AvkerasError, match=r"trained on other clips or labels than .*; give another --out"):
            run_audio_tagging(values)
    finally:
        demo.path.write_bytes(whole)


def test_a_folder_that_another_process_trains_into_is_refused(trained):
    values, _ = trained
    with (
        locked_folder(values.out, TRAINING),
        pytest.raises(AvkerasError, match="another process is training into this"),
    ):
        run_audio_tagging(values)


@pytest.mark.parametrize("bundle", ["keras", "saved_model"])
def test_a_file_is_predicted_as_in_the_run(demo, trained, bundle, tmp_path):
    values, _ = trained
    folder = values.out / "gccaps"
    if bundle == "keras":
        folder = export(values.out, tmp_path / "1")
        card = (folder / "assets.extra" / "MODEL_CARD.md").read_text()
        assert "gccaps, after Iqbal" in card
        assert "16 kHz, hop 664" in card
    predictor = load(folder)
    clip = demo.split("test")[0]
    found = predictor.predict(clip.audio)
    with open(values.out / "gccaps" / "predictions.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["id"] == clip.id)
    for name, value in found.probabilities.items():
        assert value == pytest.approx(float(row[name]), abs=2e-3)
    assert len(found.labels) >= 1  # the rule of capsules
    assert len(found.windows) == 1
    # A window in which no class reaches the threshold has its most probable one, in tables as in labels.
    events = found_events(found, decision=predictor.answer.decision)
    assert [event.label for event in events] == list(found.labels)
    silent = predictor.predict(np.zeros(16_000 * 25, "float32"), rate=16_000)
    assert [round(window.start, 2) for window in silent.windows] == [0.0, 9.96, 19.92]
    assert silent.windows[-1].end == silent.duration == 25.0
    # Scored without clips to choose thresholds on, it decides as it does for a file.
    rows = [dataclasses.replace(clip, id=f"{clip.id} again") for clip in demo.split("test")]
    write_manifest(tmp_path / "test.tsv", rows, classes=demo.classes)
    scores = score_tagger(predictor, read_manifest(tmp_path / "test.tsv"))
    assert scores.decision == predictor.answer.decision
    decided = scores.decision.decide(scores.probabilities)
    assert decided.any(axis=1).all()  # the rule of capsules
    assert scores.figures["micro_f1"] == pytest.approx(micro_f1(scores.targets, decided))


def test_there_is_no_attention_to_draw(demo, trained, tmp_path):
    values, _ = trained
    with pytest.raises(AvkerasError, match="its model has no cross-modal attention that could be drawn"):
        visualize(demo.clips[0].audio, model=values.out, out=tmp_path)
    with pytest.raises(MediaError):
        load(values.out).predict(tmp_path / "gone.wav")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn_gru", "gated_crnn", "cnn_transformer"])
def test_every_other_system_trains_and_answers(demo, name, tmp_path):
    values, report = run(demo, tmp_path, name, epochs=1, steps_per_epoch=2, decision="class_wise")
    (result,) = report.results
    assert len(result.threshold) == len(demo.classes)
    found = load(values.out).predict(demo.split("test")[0].audio)
    assert set(found.labels) == {
        label
        for label, threshold in zip(demo.classes, result.threshold, strict=True)
        if found.probabilities[label] >= threshold
    }


@pytest.mark.slow
def test_the_two_stream_network_learns_from_regions_and_answers(tmp_path, embedders, embedder_cache):
    demo = demo_manifest(tmp_path / "demo", task="dcase2017", clips=(160, 60, 60))
    given = ["vggish_stand_in", str(write_regions(tmp_path / "regions", embedder=embedder_cache / "mean_colour"))]
    options = {"options": ("regions=14", "units=64"), "epochs": 8, "steps_per_epoch": 20, "batch_size": 16}
    values = system_values(
        "two_stream", data=demo.path, out=tmp_path / "run", embedders=given, learning_rate=0.003, workers=1, **options
    )
    (result,) = run_audio_tagging(values).results
    with open(result.folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = {clip.id: clip for clip in demo.split("test")}
    stores = {name: RecordReader(folder) for name, folder in tagging_features(values, demo).stores.items()}
    assert {name: store.dim for name, store in stores.items()} == {"audio": 128, "video": 14 * 6}
    scored = ClipSet([clips[row["id"]] for row in rows], stores, demo.classes)
    untrained = build_system(values, classes=len(demo.classes), dims=scored.dims)
    validation = np.array([[name in clip.labels for name in demo.classes] for clip in demo.split("validation")])
    chance = np.tile(validation.mean(axis=0), (len(scored), 1))
    for other in (chance, untrained.predict(scored.dataset(), verbose=0)):
        # Their thresholds are the best on test.
        best = max(micro_f1(scored.targets, other, threshold=threshold) for threshold in np.unique(other))
        assert result.f1 > best + 0.1
    clip = clips[rows[0]["id"]]
    found = load(result.folder).predict(clip.video)
    for name, value in found.probabilities.items():
        assert value == pytest.approx(float(rows[0][name]), abs=2e-3)
    with pytest.raises(AvkerasError, match="gives no attention"):
        visualize(clip.video, model=values.out, out=tmp_path)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Clips of three classes, each a tone that comes and goes in noise."""
    folder, random = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    time, clips = np.arange(80_000) / 16_000, []
    for split, count in (("train", 40), ("validation", 24), ("test", 24)):
        for number in range(count):
            labels = [name for name in TONES if random.uniform() < 0.5]
            sound = random.normal(0, 0.02, len(time))
            for name in labels:
                swell = np.sin(np.pi * (time * random.uniform(0.5, 1) + random.uniform())) ** 2
                sound = sound + 0.2 * swell * np.sin(2 * np.pi * TONES[name] * time)
            soundfile.write(folder / f"{split}{number}.wav", sound.clip(-1, 1), 16_000)
            clips.append(Clip(f"{split}{number}", folder / f"{split}{number}.wav", None, split, tuple(labels)))
    return write_manifest(folder / "manifest.tsv", clips, classes=list(TONES))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SMALL))
def test_training_beats_the_untrained_state_and_chance(tones, tmp_path, name):
    if name in ("gccaps", "gated_crnn"):
        changes = {"epochs": 5 if name == "gccaps" else 12, "steps_per_epoch": 12}
    else:
        changes = {"epochs": 25, "steps_per_epoch": 20, "learning_rate": 0.003}
        changes |= {"options": ("filters=8", "momentum=0.8")}
    values, report = run(tones, tmp_path, name, decision="global", **changes)
    store = RecordReader(report.features.stores["audio"])
    sets = {split: ClipSet(tones.split(split), {"audio": store}, tones.classes) for split in ("validation", "test")}

    def score(found):
        threshold, _ = best_global_threshold(sets["validation"].targets, found["validation"])
        return micro_f1(sets["test"].targets, found["test"], threshold=threshold)

    untrained = build_system(values, classes=len(tones.classes), training=False)
    predicted = {split: untrained.predict(clips.dataset(), verbose=0) for split, clips in sets.items()}
    rates = sets["validation"].targets.mean(axis=0)
    chance = {split: np.tile(rates, (len(clips), 1)) for split, clips in sets.items()}
    assert report.results[0].f1 > score(predicted) + 0.1
    assert report.results[0].f1 > score(chance) + 0.1


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (AudioTagging(system="yolo"), "system: 'yolo' is none of gated_crnn, gccaps"),
        (SoundEventDetection(system="gccaps"), "system: gccaps is for tagging; for detection there are crnn_2020"),
        (AudioTagging(options=("rounds=1",)), "options: they are those of a system; name it too"),
        (system_values("gccaps", options=("heads=3",)), "options: 'heads=3' is none of gccaps's, which are filters=64"),
        (system_values("gccaps", options=("rounds=few",)), "options: 'rounds=few': a whole number is wanted"),
        (system_values("gated_crnn", options=("published_code=1",)), "'published_code=1': true or false is wanted"),
        (system_values("gccaps", blocks=2), "blocks: gccaps has no such value; it has the options filters"),
        (system_values("gccaps", embedders=["yamnet", "vgg16"]), "embedders: gccaps has no such value"),
    ],
)
def test_values_that_a_system_does_not_have_are_refused(values, answer):
    with pytest.raises(AvkerasError, match=answer):
        check_system(values)


def test_every_system_tells_where_its_figures_are_from():
    for task, names in NAMES.items():
        for name in names:
            system = find_system(name)
            assert (system.name, system.task) == (name, task)
            assert system.read
            assert system.paper
            assert all(0 < one.value < 100 and one.source and one.on for one in system.published)
            check_system(system_values(name))
