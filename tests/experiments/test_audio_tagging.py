"""The 2019 recipe as a user runs it, on a small demo set, and what it leaves."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avkeras.errors import AvkerasError
from avkeras.reports.visualize_media import visualize

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "dcase2017_av.py"
SMALL = ("--preset", "small", "--out", "runs/small", "--demo_clips", "[16, 8, 12]", "--systems", "video", "audio+video")


def run(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the recipe ran once, with less than its small preset."""
    folder = tmp_path_factory.mktemp("recipe")
    done = run(RECIPE, *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    (folder / "output.txt").write_text(done.stdout)
    return folder


def test_the_table_and_the_files(folder):
    output = (folder / "output.txt").read_text()
    assert "vggish_stand_in is a stand-in" in output
    assert "avkeras predict clip.mp4 --model runs/small/" in output
    with open(folder / "runs/small/results.csv", newline="") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"video", "audio+video"}
    assert int(rows["audio+video"]["clips"]) == 12
    assert int(rows["video"]["clips"]) < 12
    for system, row in rows.items():
        assert f"{100 * float(row['f1']):.1f} %" in output
        here = folder / "runs/small" / system
        for name in ("metrics.csv", "model.keras", "predictions.csv", "curves.png", "saved_model/saved_model.pb"):
            assert (here / name).is_file(), (system, name)
        with open(here / "attention" / "chosen.csv", newline="") as file:
            chosen = [row["clip"] for row in csv.DictReader(file)]
        assert sorted(chosen) == sorted(path.stem for path in (here / "attention").glob("*.png"))
        assert len(chosen) == 3
        assert len(list((here / "epochs").glob("*.h5"))) == 2
    values = json.loads((folder / "runs/small/config.json").read_text())
    assert values["embedders"] == ["vggish_stand_in", "efficientnet_lite0"]


def test_the_report_shows_the_systems_side_by_side(folder, browser_page):
    page = browser_page(folder / "runs/small/report.html")
    with open(folder / "runs/small/results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [line.split("\t") for line in page.locator("#results tbody tr").all_inner_texts()]
    assert [row[:3] for row in shown] == [
        [row["system"], row["clips"], f"{100 * float(row['f1']):.1f} %"] for row in rows
    ]
    parts = [line.split("\t") for line in page.locator("#parts tbody tr").all_inner_texts()]
    assert [[row[0], row[-1]] for row in parts if row[1] == "all"] == [[row[0], row[2]] for row in shown]
    assert page.locator("#pr path.series").count() == 2
    assert "vggish_stand_in is a stand-in" in page.locator(".warning").first.inner_text()
    links = [link.get_attribute("href") for link in page.locator("#losses a, #pictures a").all()]
    assert len(links) == 12 + 6
    assert all((folder / "runs/small" / link).is_file() for link in links)
    assert str(folder) not in page.content()
    tables = page.locator("#tables").inner_text()
    assert "Clips of ../demo-16-8-12-seed0/manifest.tsv" in tables
    assert "Apache-2.0" in tables
    page.locator("#system").select_option("video")
    threshold = next(float(row["threshold"]) for row in rows if row["system"] == "video")
    assert page.locator("#thresholdValue").inner_text() == f"{threshold:.3f}"


def test_a_clip_of_the_users_own_is_drawn_and_gets_a_page(folder, browser_page):
    clip = next(path for path in sorted((folder / "runs").glob("demo-*/media/test-*")) if path.suffix == ".mp4")
    model = folder / "runs/small/audio+video"
    files = visualize(clip, model=model / "saved_model", out=folder / "drawn", query=1)
    assert [path.name for path in files] == [f"{clip.name}.attention.{kind}" for kind in ("png", "svg", "html")]
    page = browser_page(files[2])
    assert "query frame 1 " in page.locator("#query").inner_text()
    with open(model / "predictions.csv", newline="") as file:
        expected = next(row for row in csv.DictReader(file) if row["id"] == clip.stem)
    for row in page.locator("#probabilities tbody tr").all():
        name, value = row.locator("th").inner_text(), float(row.locator("td").first.inner_text().strip(" ✓"))
        assert value == pytest.approx(float(expected[name]), abs=0.01)
    with pytest.raises(AvkerasError, match="holds no finished run and no model exported by avkeras"):
        visualize(clip, model=folder, out=folder / "drawn")
    with pytest.raises(AvkerasError, match="formats: 'gif' is none of png, svg, html"):
        visualize(clip, model=model, out=folder / "drawn", formats=("gif",))


def test_again_does_nothing_anew_and_other_values_are_refused(folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs/small").glob("*/model.keras")}
    (folder / "runs/small/report.html").unlink()  # as in a run of a version that wrote none
    again = run(RECIPE, *SMALL, cwd=folder)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "36 embedded before" in again.stdout
    assert (folder / "runs/small/report.html").is_file()
    assert before == {path: path.stat().st_mtime_ns for path in before}
    other = run(RECIPE, *SMALL, "--attention", "softmax", cwd=folder)
    assert other.returncode == 1
    assert other.stderr.strip().splitlines()[-1].startswith("error: runs/small: holds a run with another attention")


def test_predict_on_files_of_the_users_own(folder):
    clips = sorted((folder / "runs").glob("demo-*/media/test-*"))
    model = folder / "runs/small/audio+video/saved_model"
    (folder / "no.mp4").write_text("not a film")
    code = "import sys; from avkeras.cli import main; main(sys.argv[1:])"
    done = run("-c", code, "predict", clips[0], folder / "no.mp4", clips[1], "--model", model, "--json", cwd=folder)
    assert done.returncode == 1
    assert "no.mp4: " in done.stderr
    assert done.stderr.strip().splitlines()[-1] == "error: 1 of 3 files could not be predicted"
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["path"]) for answer in answers] == clips[:2]
    with open(folder / "runs/small/audio+video/predictions.csv", newline="") as file:
        expected = next(row for row in csv.DictReader(file) if row["id"] == clips[0].stem)
    for name, value in answers[0]["probabilities"].items():
        assert abs(value - float(expected[name])) < 2e-3, name  # the recipe's embeddings are in half precision
    assert any("stand-in" in note for note in answers[0]["notes"])


def test_a_bad_manifest_is_reported_before_any_work(folder):
    (folder / "my.tsv").write_text("id\taudio\tsplit\tlabels\na\tgone.wav\ttrain\tCar\nb\tgone.wav\tdev\tCar\n")
    done = run(RECIPE, "--data", "my.tsv", "--preset", "small", "--out", "runs/mine", cwd=folder)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "my.tsv:" in line]
    assert len(lines) == 3
    assert "my.tsv:3: split 'dev'" in done.stderr
    assert not (folder / "runs/mine").exists()


def test_an_embedder_that_cannot_be_had_is_named_with_what_to_do(folder):
    clip = sorted((folder / "runs").glob("demo-*/manifest.tsv"))[0]
    done = run(RECIPE, "--data", clip, "--out", "runs/paper", cwd=folder)
    assert done.returncode == 1
    assert "https://tfhub.dev/google/vggish/1" in done.stderr
    assert "TFHUB_CACHE_DIR" in done.stderr
    assert "vggish_stand_in (a stand-in, audio)" in done.stderr
