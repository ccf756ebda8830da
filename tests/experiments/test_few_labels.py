"""Detection with few labels: no strong clips, no unlabelled ones, and labels that a first model gives."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from avkeras.cli import main
from avkeras.data.manifest import Clip, read_manifest, write_manifest
from avkeras.datasets.demo import make_demo
from avkeras.errors import AvkerasError
from avkeras.evaluation.files import read_events
from avkeras.experiments import detection, pseudo_labels
from avkeras.experiments.configs import SoundEventDetection, system_values
from avkeras.experiments.detection import run_sound_event_detection
from avkeras.runs.run_folder import values_of_run

SMALL = {"epochs": 1, "steps_per_epoch": 2, "workers": 1, "options": ("filters=2", "units=4", "layers=1")}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    counts = {"train": 9, "validation": 3, "test": 3}
    return make_demo(folder, task="dcase2020", clips=counts, without_video=1.0, seconds=(4, 4))


def data(demo, folder, change):
    """Returns a manifest of the demo's clips, changed; None leaves one out. Their ids begin as some of YouTube's do."""
    named = [dataclasses.replace(clip, id=f"{'-_'[place % 2]}{clip.id}") for place, clip in enumerate(demo.clips)]
    clips = [change(clip) for clip in named]
    return write_manifest(folder / "manifest.tsv", [clip for clip in clips if clip], classes=demo.classes).path


def values_of(demo, path, out, **changes):
    records = demo.path.parent / "records"
    return system_values("crnn_2020", data=path, records=records, out=out, **SMALL | changes)


def without_strong(clip: Clip):
    if clip.split != "train" or clip.supervision != "strong":
        return clip
    return dataclasses.replace(clip, events=(), supervision="weak")


def losses(folder):
    with (folder / "metrics.csv").open() as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}


@pytest.fixture(scope="module")
def first(demo, tmp_path_factory):
    """A run as of DCASE 2018: weak and unlabelled training clips, the former also by the events of nobody."""
    folder = tmp_path_factory.mktemp("first")
    values = values_of(demo, data(demo, folder, without_strong), folder / "run", batch=(0, 3, 2))
    return values, run_sound_event_detection(values)


def test_weak_and_unlabelled_clips_are_enough(first):
    values, report = first
    found = losses(values.out)
    assert found["strong_bce"] == 0
    assert min(found["weak_bce"], found["clip_consistency"], found["frame_consistency"]) > 0
    assert all(np.isfinite(row[name]) for row in report.rows for name in ("CBF1", "SBF1", "EBF1", "PSDS1"))


def test_files_of_clips_whose_ids_begin_with_a_dash_are_those_that_evaluate_takes(first, tmp_path):
    values, report = first
    truth, durations, scores = (str(values.out / name) for name in ("ground_truth.tsv", "durations.tsv", "scores"))
    options = ["--truth", truth, "--durations", durations, "--scores", scores, "--json", str(tmp_path / "a.json")]
    main(["evaluate", str(values.out / "predictions.tsv"), *options, "--tuning", str(values.out / "tuning.json")])
    found, row = json.loads((tmp_path / "a.json").read_text()), report.rows[0]
    assert [found["figures"][name] for name in ("EBF1", "PSDS1")] == pytest.approx([row["EBF1"], row["PSDS1"]])
    assert (found["clips"], found["notes"]) == (3, [])
    heard = {event.label for own in read_events(values.out / "predictions.tsv").values() for event in own}
    assert {one["class"] for one in found["classes"] if one["event_predicted"]} == heard != set()


@pytest.mark.slow
def test_no_clip_need_be_unlabelled(demo, tmp_path):
    path = data(demo, tmp_path, lambda clip: None if clip.supervision == "unlabelled" else clip)
    values = values_of(demo, path, tmp_path / "run", batch=(2, 1, 0))
    assert run_sound_event_detection(values).rows
    found = losses(values.out)
    assert min(found["weak_bce"], found["strong_bce"], found["frame_consistency"]) > 0


class Trained(Exception):
    """Training would have begun."""


def test_a_first_models_events_are_the_labels_of_a_second(demo, first, tmp_path, monkeypatch):
    teacher, seen = first[0].out, []

    def train(model, training, *arguments, **options):
        seen.append(training)
        raise Trained

    monkeypatch.setattr(detection, "build_mean_teacher", lambda *arguments, **options: None)
    monkeypatch.setattr(detection, "train_mean_teacher", train)
    path = data(demo, tmp_path, without_strong)
    values = values_of(demo, path, tmp_path / "second", batch=(2, 2, 0), teacher=teacher)
    with pytest.raises(Trained):
        run_sound_event_detection(values)
    manifest, given = read_manifest(path), json.loads((values.out / "pseudo_labels.json").read_text())
    unlabelled = [clip.id for clip in manifest.split("train") if clip.supervision == "unlabelled"]
    assert list(given) == unlabelled
    clips = {clip.id: clip for clip in seen[0].clips}
    assert len(clips) == len(manifest.split("train"))
    for clip in manifest.split("train"):
        if clip.id not in given:
            assert clips[clip.id] == clip  # what people labelled stays
            continue
        events = [tuple(event) for event in given[clip.id]]
        assert [tuple(event) for event in clips[clip.id].events] == events
        assert set(clips[clip.id].labels) == {event[2] for event in events}
        assert clips[clip.id].supervision == "strong"
    with (values.out / "pseudo_labels.csv").open() as file:
        counts = {row["class"]: (int(row["clips"]), int(row["events"])) for row in csv.DictReader(file)}
    assert sum(events for _, events in counts.values()) == sum(map(len, given.values())) > 0
    assert counts["(not labelled)"] == (0, 0)
    assert values_of_run(values.out, [SoundEventDetection]).teacher == teacher
    # A run that goes on reads what the teacher said.
    monkeypatch.setattr(pseudo_labels, "_predict", lambda *arguments: pytest.fail("asked again"))
    with pytest.raises(Trained):
        run_sound_event_detection(values)
    assert seen[1].clips == seen[0].clips


@pytest.mark.slow
def test_a_second_model_of_another_kind_learns_from_the_first(demo, first, tmp_path, capsys):
    small = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "filters": [2, 2, 2, 2, 2, 2, 8]}
    given = {"epochs": 1, "steps_per_epoch": 2, "batch": [2, 2, 0], "teacher": first[0].out, "visual": [], **small}
    given |= {"data": data(demo, tmp_path, without_strong), "records": demo.path.parent / "records"}
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    main(["train", "detection", *options, "--out", str(tmp_path / "second")])
    assert "unlabelled clips labelled by" in capsys.readouterr().out
    assert losses(tmp_path / "second")["strong_bce"] > 0
    main(["train", "--resume", str(tmp_path / "second")])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": (0, 0, 4)}, "batch: neither strong nor weak clips: nothing tells the model what is heard"),
        ({"batch": (0, 3, 2), "teacher": "none"}, r"teacher: .*none: holds no finished detection run \(tuning.json"),
        ({"batch": (1, 3, 2), "teacher": "first"}, r"teacher: unlabelled clips become strong .* such as \[3, 3, 0\]"),
        ({"batch": (1, 3, 0), "teacher": "first", "out": "first"}, "teacher: .*: is the run itself"),
        ({"batch": (1, 3, 2)}, "no training clip is strong; set the number of strong clips in batch to 0"),
    ],
)
def test_values_that_do_not_fit_are_refused_before_any_work(demo, first, tmp_path, changes, words):
    folders = {"first": first[0].out, "none": tmp_path / "none"}
    changes = {name: folders.get(value, value) if name != "batch" else value for name, value in changes.items()}
    path = data(demo, tmp_path, without_strong)
    with pytest.raises(AvkerasError, match=words):
        run_sound_event_detection(values_of(demo, path, **{"out": tmp_path / "run", **changes}))
    assert not (tmp_path / "run").exists()


def test_a_teacher_needs_clips_to_label_and_the_classes(demo, first, tmp_path):
    path = data(demo, tmp_path, lambda clip: None if clip.supervision == "unlabelled" else clip)
    with pytest.raises(AvkerasError, match="no training clip is unlabelled; set the number of unlabelled clips in bat"):
        run_sound_event_detection(values_of(demo, path, tmp_path / "run", batch=(2, 1, 2)))
    with pytest.raises(AvkerasError, match="no training clip is unlabelled, there is nothing to label"):
        run_sound_event_detection(values_of(demo, path, tmp_path / "run", batch=(2, 1, 0), teacher=first[0].out))
    path = write_manifest(tmp_path / "manifest.tsv", demo.clips, classes=[*demo.classes, "Zebra"]).path
    with pytest.raises(AvkerasError, match="its model has no class 'Zebra'"):
        run_sound_event_detection(values_of(demo, path, tmp_path / "run", batch=(2, 1, 0), teacher=first[0].out))
