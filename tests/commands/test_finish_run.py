"""What is made of a run after its experiment: a step that fails is said and counted, and costs nothing else."""

from pathlib import Path

import pytest

from avkeras.commands.finish_run import finish_run, run_experiment
from avkeras.commands.terminal import with_options
from avkeras.data.manifest import Clip, write_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import AudioTagging
from avkeras.experiments.inputs import Features, write_inputs
from avkeras.experiments.tagging import TaggingReport
from avkeras.experiments.tagging_scores import SystemResult
from avkeras.features.write_clips import Summary
from avkeras.runs.files import write_json, write_rows
from avkeras.runs.locks import locked_folder
from avkeras.runs.run_folder import pin_values


@pytest.fixture
def report(tmp_path):
    """A run whose experiment is done, but whose model, embedders and features are gone."""
    (tmp_path / "a.wav").touch()
    clip = Clip("a", tmp_path / "a.wav", None, "test", ("Car",))
    manifest = write_manifest(tmp_path / "manifest.tsv", [clip], classes=["Car"])
    values = AudioTagging(data=manifest.path, out=tmp_path / "run", systems=("audio",))
    pin_values(values, values.out)
    features = Features({"audio": tmp_path / "gone"}, {}, Summary(clips=1))
    write_inputs(values.out, manifest, features, skipped=[])
    folder = values.out / "audio"
    result = SystemResult("audio", folder, 0.5, 0.4, None, 1, None, 2)
    write_rows(folder / "metrics.csv", [{"epoch": n, "loss": 1 / n, "val_loss": 1 / n} for n in (1, 2)])
    write_json(folder / "result.json", result.row())
    (folder / "model.keras").write_bytes(b"damaged")
    write_rows(values.out / "results.csv", [result.row()])
    return TaggingReport(values, manifest, features, [result])


def test_every_step_is_tried_and_those_that_fail_are_named(report):
    out = report.values.out
    failed = dict(finish_run(out))
    assert set(failed) == {"audio/saved_model", "audio/attention", "report.html"}
    assert all("\n" not in reason for reason in failed.values())
    assert "predictions.csv" in failed["audio/attention"]
    assert (out / "audio/curves.png").is_file()
    assert (out / "audio/model.keras").read_bytes() == b"damaged"
    time = (out / "audio/curves.png").stat().st_mtime_ns
    assert set(dict(finish_run(out))) == set(failed)
    assert (out / "audio/curves.png").stat().st_mtime_ns == time  # what is there is not made again


def test_the_command_shows_the_table_all_the_same_and_ends_with_status_1(report, monkeypatch, capsys):
    monkeypatch.setattr("avkeras.experiments.tagging.run_audio_tagging", lambda values, **options: report)
    with pytest.raises(
        AvkerasError, match=r"3 of the steps after training failed; scores and models in .*/run are whole"
    ):
        run_experiment(report.values)
    said = capsys.readouterr()
    assert "40.0 %" in said.out
    assert [line.split(":")[:2] for line in said.err.splitlines() if line.startswith("not made")] == [
        ["not made", " audio/saved_model"],
        ["not made", " audio/attention"],
        ["not made", " report.html"],
    ]


def test_one_process_at_a_time_finishes_a_run(report):
    with (
        locked_folder(report.values.out, "finishing this run"),
        pytest.raises(AvkerasError, match="run: another process is finishing this run; wait for it"),
    ):
        finish_run(report.values.out)
    assert not (report.values.out / "audio/curves.png").exists()


def test_an_experiment_knows_nothing_of_what_comes_after_it():
    """The strict order of imports says it, too; here for those who change that."""
    folder = Path(__file__).parents[2] / "avkeras" / "experiments"
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    assert "avkeras.reports" not in text
    assert "avkeras.serving" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rows 13: there are 12", "--rows 13: there are 12"),
        ("first, second: give both", "--first, --second: give both"),
        ("visual_frames: 0", "--visual-frames: 0"),
        ("runs/a: is full; give another folder (out)", "runs/a: is full; give another folder (--out)"),
        ("rows of a.csv: damaged", "rows of a.csv: damaged"),
        ("epochs 3: odd", "epochs 3: odd"),  # not an option of this command
        ("a.wav: no sound (truncated)", "a.wav: no sound (truncated)"),
    ],
)
def test_arguments_in_errors_are_shown_as_the_options_of_the_command(text, shown):
    assert with_options(text, ["--out", "--rows", "--first", "--second", "--visual-frames"]) == shown
