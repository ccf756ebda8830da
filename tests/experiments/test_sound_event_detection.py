"""A tiny run from media files to scores, in this process."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from event_files import read_scalars

from avkeras.commands.finish_run import finish_run
from avkeras.commands.recipe import run_recipe
from avkeras.data.manifest import read_manifest, write_manifest
from avkeras.datasets.demo import make_demo
from avkeras.errors import AvkerasError
from avkeras.evaluation.evaluate import evaluate
from avkeras.evaluation.score_files import read_scores
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection import run_sound_event_detection
from avkeras.experiments.detection_results import kept_videos
from avkeras.experiments.detection_scores import METRICS, Tuning
from avkeras.reports.visualize_media import visualize
from avkeras.runs.locks import TRAINING, locked_folder
from avkeras.training.callbacks import LastEpochs, MetricsFile

PARTS = ["all", "with video", "without video", "with video, video ignored", "video ignored, own tuning"]
PARTS += ["video of 0 %", "video of 50 %", "video of 100 %"]


@pytest.fixture(scope="module")
def values(tmp_path_factory, embedder_cache, embedders):
    folder = tmp_path_factory.mktemp("detection")
    manifest = make_demo(
        folder / "demo", task="dcase2020", clips={"train": 8, "validation": 4, "test": 6}, without_video=0.4
    )
    return SoundEventDetection(
        data=manifest.path,
        out=folder / "run",
        visual=[str(embedder_cache / "mean_colour")],
        visual_frames=4,
        blocks=1,
        dim=8,
        num_heads=2,
        key_dim=4,
        hidden_dim=8,
        filters=(2, 2, 2, 2, 2, 2, 8),
        epochs=3,
        steps_per_epoch=2,
        batch=(1, 1, 2),
        teacher_decay=0.5,
        availability=(0.0, 0.5, 1.0),
    )


@pytest.fixture(scope="module")
def report(values):
    report = run_sound_event_detection(values)
    assert not (values.out / "report.html").exists()  # it trains, tunes, scores and writes, and draws nothing
    assert not finish_run(values.out)
    return report


def test_the_table_has_every_part_and_metric(values, report):
    assert [row["part"] for row in report.rows] == PARTS
    counts = {row["part"]: row["clips"] for row in report.rows}
    assert counts["with video"] + counts["without video"] == counts["all"] == 6
    assert all(0 <= row[name] <= 1 for row in report.rows for name in METRICS)
    with open(values.out / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[row["part"], *(float(row[name]) for name in METRICS)] for row in rows] == [
        [row["part"], *(row[name] for name in METRICS)] for row in report.rows
    ]


def test_clips_that_lose_their_video_are_scored_as_if_they_never_had_it(report):
    rows = {row.pop("part"): row for row in map(dict, report.rows)}
    assert rows["video of 100 %"] == rows["with video"]
    # The weight of audio is scaled to 1 where nothing else is there.
    assert rows["video of 0 %"] == rows["with video, video ignored"]
    kept = kept_videos(np.array([True, False, True, True, True]), (0.25, 0.5))
    assert [places.sum() for places in kept.values()] == [1, 2]
    assert not (kept[0.25] & ~kept[0.5]).any()


def test_the_files_give_the_scores_of_the_table(values, report):
    found = evaluate(
        values.out / "predictions.tsv",
        values.out / "ground_truth.tsv",
        durations=values.out / "durations.tsv",
        scores=values.out / "scores",
        filters=report.tuning.psds_filters["PSDS2"],
        classes=report.tuning.classes,
    )
    assert found.counts["event"].macro_f1() == pytest.approx(report.rows[0]["EBF1"])
    assert found.psds["PSDS2"] == pytest.approx(report.rows[0]["PSDS2"])


def test_the_saved_student_has_the_chosen_weight_and_gives_the_written_scores(values, report):
    model = keras.saving.load_model(values.out / "model.keras")
    tuning = Tuning.read(values.out / "tuning.json")
    assert tuning == report.tuning
    assert model.inference_weight == tuning.weight
    assert tuning.weight_scores[str(tuning.weight)] == max(tuning.weight_scores.values())
    assert (values.out / "classes.txt").read_text().split() == list(report.manifest.classes)
    scores = read_scores(values.out / "scores")
    assert scores.clips == tuple(clip.id for clip in report.manifest.split("test"))
    teacher = keras.saving.load_model(values.out / "teacher.keras")
    assert any(np.any(own != other) for own, other in zip(model.get_weights(), teacher.get_weights(), strict=True))


def test_a_finished_run_is_not_repeated(values, report, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", None)
    monkeypatch.setattr(keras.Model, "predict", None)
    again = run_sound_event_detection(values)
    assert again.rows == report.rows
    assert again.tuning == report.tuning
    assert again.features.summary.reused == again.features.summary.clips


@pytest.mark.parametrize("name", ["tuning.json", "result.json"])
def test_a_result_that_is_gone_is_made_again_without_training(values, report, monkeypatch, name):
    monkeypatch.setattr(keras.Model, "fit", None)
    (values.out / name).unlink()
    again = run_sound_event_detection(values)
    assert again.rows == report.rows
    assert again.tuning == report.tuning


def test_the_losses_are_there_for_tensorboard(values, report):
    scalars = read_scalars(values.out / "tensorboard" / "train")
    assert [step for step, _ in scalars["epoch_loss"]] == [0, 1, 2]
    losses = MetricsFile(values.out / "metrics.csv").read("loss")
    np.testing.assert_allclose([value for _, value in scalars["epoch_loss"]], losses, rtol=1e-6)
    assert len(scalars["epoch_learning_rate"]) == 3


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_end(values, report, monkeypatch):
    interrupted = dataclasses.replace(values, out=values.out.parent / "interrupted")
    whole = LastEpochs.on_epoch_end

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        whole(self, epoch, logs)

    monkeypatch.setattr(LastEpochs, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_sound_event_detection(interrupted)
    monkeypatch.undo()
    assert not (interrupted.out / "model.keras").exists()
    again = run_sound_event_detection(interrupted)
    losses = [MetricsFile(folder / "metrics.csv").read("loss") for folder in (values.out, interrupted.out)]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]
    assert [row["EBF1"] for row in again.rows] == [row["EBF1"] for row in report.rows]
    for file in (values.out / "scores").iterdir():
        assert (interrupted.out / "scores" / file.name).read_bytes() == file.read_bytes()


def test_another_value_in_the_same_folder_is_refused(values, report):
    with pytest.raises(AvkerasError, match="holds a run with another dropout, seed"):
        run_sound_event_detection(dataclasses.replace(values, seed=1, dropout=0.2))


def test_a_folder_that_another_process_trains_into_is_refused(values, report):
    with (
        locked_folder(values.out, TRAINING),
        pytest.raises(AvkerasError, match="another process is training into this"),
    ):
        run_sound_event_detection(values)


def test_a_manifest_that_changed_since_is_refused(values, report):
    whole = values.data.read_bytes()
    manifest = read_manifest(values.data)
    clips = [dataclasses.replace(clip, events=clip.events[:1], labels=()) for clip in manifest.clips]
    write_manifest(values.data, clips, classes=manifest.classes)
    try:
        with pytest.raises(AvkerasError, match=r"trained on other clips or labels than .*; give another --out"):
            run_sound_event_detection(values)
    finally:
        values.data.write_bytes(whole)


def test_data_that_cannot_be_trained_or_scored_on_is_refused_before_any_work(values, report, tmp_path):
    manifest = read_manifest(values.data)

    def run(change):
        clips = [dataclasses.replace(clip, **change(clip)) for clip in manifest.clips]
        path = write_manifest(tmp_path / "manifest.tsv", clips, classes=manifest.classes).path
        run_sound_event_detection(dataclasses.replace(values, data=path, out=tmp_path / "run"))

    with pytest.raises(AvkerasError, match="no training clip is weak"):
        run(lambda clip: {"supervision": "strong"} if clip.supervision == "weak" else {})
    with pytest.raises(AvkerasError, match="no strong test clip has events"):
        run(lambda clip: {"supervision": "weak"} if clip.split == "test" else {})
    event = next(clip for clip in manifest.split("test")).events[0]
    with pytest.raises(AvkerasError, match=f"clip test-00000 has events of {event.label} that overlap"):
        run(lambda clip: {"events": (*clip.events, event)} if clip.id == "test-00000" else {})
    assert not (tmp_path / "run").exists()


def test_the_report_has_the_scores_of_the_table(values, report, browser_page):
    page = browser_page(values.out / "report.html")
    shown = [line.split("\t") for line in page.locator("#results tbody tr").all_inner_texts()]
    assert shown == [
        [row["part"], str(row["clips"]), *(f"{100 * row[name]:.1f} %" for name in METRICS)] for row in report.rows
    ]
    data = page.evaluate("data")
    # The curves are counted from the scores, the table's PSDS from events at 50 thresholds.
    for name in ("PSDS1", "PSDS2"):
        for row in report.rows[:3]:
            if row["part"] in data["detection"][name]:
                assert data["detection"][name][row["part"]]["value"] == pytest.approx(row[name], abs=1e-9)
    events = [row for row in data["classTables"][2]["rows"] if row[1]]
    assert np.mean([row[4] for row in events]) == pytest.approx(report.rows[0]["EBF1"])
    assert [row[5] for row in data["classTables"][2]["rows"]] == list(report.tuning.event_thresholds)
    assert sum(row[1] for row in events) == sum(len(clip.events) for clip in report.manifest.split("test"))
    clips = data["classTables"][0]["rows"]
    correct, items = sum(row[3] for row in clips), sum(row[1] + row[2] for row in clips)
    assert 2 * correct / items == pytest.approx(report.rows[0]["CBF1"])
    name = report.tuning.classes[0]
    page.locator("#class").select_option(name)
    assert page.locator("#thresholdValue").inner_text() == f"{report.tuning.clip_thresholds[0]:.3f}"
    losses = data["systems"][0]["losses"]["rows"]
    assert {row[0] for row in losses} == {clip.id for clip in report.manifest.split("test")}
    assert all((values.out / row[4][0][1]).is_file() for row in losses)
    assert str(values.out.parent) not in page.content()
    page.locator("#psdMetric").select_option("PSDS2")
    page.locator("#psdPart").select_option("with video")
    assert page.locator("#psd svg").count() > 0


def test_a_clip_gets_its_event_roll_and_the_weights_of_the_encoders(values, report, browser_page, tmp_path):
    weight = report.tuning.weight
    cases = ((True, ("png", "svg", "html"), [weight, 1 - weight]), (False, ("html",), [1.0, 0.0]))
    for with_video, formats, expected in cases:
        clip = next(clip for clip in report.manifest.clips if (clip.video is not None) == with_video)
        files = visualize(clip.audio, model=values.out, out=tmp_path, formats=formats)
        assert [path.name for path in files] == [f"{clip.audio.name}.events.{kind}" for kind in formats]
        if "svg" in formats:  # matplotlib writes the words of an SVG as comments beside the outlines of the letters
            assert f"audio {weight:.2f}" in files[1].read_text()
        page = browser_page(files[-1])
        cells = page.locator("#weights tbody td").all_inner_texts()
        assert [float(cell) for cell in cells] == pytest.approx(expected, abs=6e-4)
    with pytest.raises(AvkerasError, match="is a detection model, whose picture has no query frame"):
        visualize(clip.audio, model=values.out, out=tmp_path, query=1)


def test_the_values_are_written(values, report):
    config = json.loads((values.out / "config.json").read_text())
    assert config["batch"] == [1, 1, 2]
    assert "workers" not in config


def test_the_recipe_goes_on_with_a_run_and_shows_its_table(values, report, capsys):
    run_recipe({"small": values}, description="", arguments=["--workers", "1"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*PARTS, *METRICS))
    assert "bi-encoder transformer with mean_colour" in printed
    assert f"Audio weight {report.tuning.weight:g}, chosen by EBF1 on validation" in printed
    with pytest.raises(SystemExit, match="error: --preset: 'large' is none of small"):
        run_recipe({"small": values}, description="", arguments=["--preset", "large"])


@pytest.mark.slow
def test_other_postprocessing_is_tuned_and_scored_beside(values, report, tmp_path):
    assert not (values.out / "postprocessing.csv").exists()
    own = dataclasses.replace(values, out=tmp_path / "run", epochs=1, postprocessing=("boxes", "hysteresis"))
    rows = run_sound_event_detection(own).rows
    with open(own.out / "postprocessing.csv", newline="") as file:
        others = list(csv.DictReader(file))
    parts = [row["part"] for row in rows if row["part"] in PARTS[:3]]
    assert [(row["postprocessing"], row["part"]) for row in others] == [
        (name, part) for name in own.postprocessing for part in parts
    ]
    has = {"boxes": {"EBF1", "PSDS1", "PSDS2"}, "hysteresis": {"SBF1", "EBF1"}}
    for row in others:
        there = {name for name in ("SBF1", "EBF1", "PSDS1", "PSDS2") if row[name]}
        assert there == has[row["postprocessing"]]
        assert all(0 <= float(row[name]) <= 1 for name in there)
    with pytest.raises(AvkerasError, match="postprocessing: unknown 'box'; choose from boxes, hysteresis"):
        run_sound_event_detection(dataclasses.replace(own, out=tmp_path / "wrong", postprocessing=("box",)))
    assert not (tmp_path / "wrong").exists()
