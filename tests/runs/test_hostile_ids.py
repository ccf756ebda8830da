"""Ids that are no harmless file names go through every step, and nothing is written outside the folder of a run."""

import csv
import dataclasses

import numpy as np
import pytest

from avkeras.commands.finish_run import run_experiment
from avkeras.data.clip_set import ClipSet
from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import Clip, Event, read_manifest, write_manifest
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.datasets.demo import make_demo
from avkeras.datasets.ledger import Entry, Ledger, read_ledger
from avkeras.evaluation.files import read_events
from avkeras.evaluation.score_files import read_scores
from avkeras.experiments.configs import AudioTagging
from avkeras.experiments.detection_files import write_predictions
from avkeras.experiments.detection_scores import Tuning
from avkeras.runs.files import file_name

IDS = (
    "../../../ESCAPE/a",
    "/absolute/path/b",
    "x" * 300,
    "x" * 299 + "y",
    "50% off",
    "50%25 off",
    "--help",
    "-dash-_11chars_10.000_20.000",
    "__underscore",
    ".hidden",
    "Tür",
    "a:b*?",
    "=1+1",
    '"quoted, with a comma"',
)


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "deep" / "in" / "here" / "data"
    folder.mkdir(parents=True)
    (folder / "a.wav").touch()
    events = (Event(0.0, 0.1, "Dog"),)
    clips = [Clip(id, folder / "a.wav", None, "test", ("Dog",), events, "strong") for id in IDS]
    write_manifest(folder / "m.tsv", clips, classes=["Cat", "Dog"])
    return read_manifest(folder / "m.tsv")


def files_in(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_manifest_and_a_store_give_back_every_id(manifest):
    assert tuple(clip.id for clip in manifest.clips) == IDS
    folder = manifest.path.parent / "audio"
    with RecordWriter(folder, {"dim": 2}) as store:
        for number, id in enumerate(IDS):
            store.write(id, "m", np.full((3, 2), number))
    reader = RecordReader(folder)
    assert tuple(reader.records) == IDS
    clips = ClipSet(manifest.clips, {"audio": reader}, manifest.classes)
    values = clips.inputs(np.arange(len(IDS)))["audio"].numpy()
    assert values[:, 0, 0].tolist() == list(range(len(IDS)))


def test_the_files_of_a_detection_run_stay_in_its_folder(manifest, tmp_path):
    store = manifest.path.parent / "audio"
    with RecordWriter(store, {"dim": 2}) as writer:
        for id in IDS:
            writer.write(id, "m", np.ones((16, 2)))
    clips = DetectionSet(manifest.clips, {"audio": RecordReader(store)}, manifest.classes, lengths={"audio": 16})
    before, run = files_in(tmp_path), tmp_path / "deep" / "in" / "here" / "runs" / "one"
    run.mkdir(parents=True)
    numbers = np.random.default_rng(0).random((len(IDS), 2, 2)).astype("float32")
    both = {name: (0.5, 0.5) for name in ("clip_thresholds", "segment_thresholds", "event_thresholds")}
    tuning = Tuning(
        classes=("Cat", "Dog"),
        seconds_per_vector=clips.seconds_per_vector,
        weight=0.5,
        weight_scores={},
        segment_filters=(1, 1),
        event_filters=(1, 1),
        psds_filters={},
        **both,
    )
    write_predictions(clips, {"frame": numbers, "clip": numbers[:, 0]}, tuning, run)
    assert all(path.is_relative_to(run) for path in files_in(tmp_path) - before)
    scores = read_scores(run / "scores")
    assert sorted(scores.clips) == sorted(map(file_name, IDS))
    place = dict(zip(map(file_name, IDS), range(len(IDS)), strict=True))
    for name, values in zip(scores.clips, scores.scores, strict=True):
        np.testing.assert_allclose(values, numbers[place[name]], atol=1e-6)
    assert set(read_events(run / "predictions.tsv")) == set(IDS)
    with open(run / "clip_probabilities.csv", newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == list(IDS)


@pytest.fixture
def trainable(tmp_path):
    """Real clips under those ids, enough of them to train, tune and score on."""
    demo = make_demo(
        tmp_path / "deep" / "in" / "here" / "data",
        clips={"train": 6, "validation": 4, "test": 4},
        without_video=0.0,
        seconds=(1.0, 1.5),
    )
    clips = [dataclasses.replace(clip, id=id) for clip, id in zip(demo.clips, (*IDS[4:], *IDS[:4]), strict=True)]
    return write_manifest(demo.path, clips, classes=demo.classes)


def test_a_whole_run_writes_nothing_outside_its_folder(trainable, tmp_path, embedders, embedder_cache, capsys):
    before, run = files_in(tmp_path), tmp_path / "deep" / "in" / "here" / "runs" / "one"
    shown = [clip.id for clip in trainable.split("test")]
    run_experiment(
        AudioTagging(
            data=trainable.path,
            out=run,
            records=run / "records",
            embedders=(str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")),
            systems=("audio+video",),
            blocks=1,
            dim=4,
            epochs=1,
            steps_per_epoch=1,
            batch_size=4,
            workers=1,
        )
    )
    assert all(path.is_relative_to(run) for path in files_in(tmp_path) - before)
    folder = run / "audio+video"
    for name in ("model.keras", "saved_model/saved_model.pb", "curves.png", "../report.html"):
        assert (folder / name).is_file()
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == shown
    with open(folder / "attention" / "chosen.csv", newline="", encoding="utf-8") as file:
        chosen = [row["clip"] for row in csv.DictReader(file)]
    assert set(chosen) <= set(shown)
    drawn = {path.name for path in (folder / "attention").glob("*.png")}
    assert drawn == {f"{file_name(id)}.png" for id in chosen}
    assert "not made" not in capsys.readouterr().err


def test_a_ledger_gives_back_every_id(tmp_path):
    with Ledger(tmp_path) as ledger:
        for id in IDS:
            ledger.write(Entry(id, "failed", why="gone"))
    assert tuple(read_ledger(tmp_path)) == IDS
