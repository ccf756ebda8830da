"""Both recipes on JAX and PyTorch, in processes of their own, as a user types them."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AVKERAS = "import sys; from avkeras.cli import main; sys.exit(main())"

pytestmark = pytest.mark.slow  # per backend four processes that import, trace and compile: one to three minutes


@pytest.fixture(params=["jax", "torch"])
def backend(request):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install 'avkeras[backends]'")
    return request.param


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """`avkeras predict` draws what it found into the working folder."""
    monkeypatch.chdir(tmp_path)


def run(backend, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def predict(backend, clip, model):
    """The answer of `avkeras predict`."""
    return json.loads(run(backend, "-c", AVKERAS, "predict", clip, "--model", model, "--json").stdout)


def rows(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_tagging_recipe_trains_and_scores_and_tensorflow_adds_its_saved_models(backend, tmp_path):
    out = tmp_path / "run"
    recipe = [ROOT / "recipes/dcase2017_av.py", "--preset", "small", "--systems", "audio", "--out", out]
    said = run(backend, *recipe)
    (result,) = rows(out / "results.csv")
    assert float(result["f1"]) >= 0
    assert "saved_model" not in said.stdout
    assert "KERAS_BACKEND=tensorflow avkeras train --resume" in said.stderr
    assert not (out / "audio/saved_model").exists()
    clip = next(tmp_path.glob("demo-*/**/*.mp4"))
    before = predict(backend, clip, out / "audio")["probabilities"]
    run("tensorflow", "-c", AVKERAS, "train", "--resume", out)
    assert rows(out / "results.csv") == [result]
    after = predict("tensorflow", clip, out / "audio/saved_model")["probabilities"]
    assert after == pytest.approx(before, abs=1e-5)  # a few rounded sums in another order


def test_the_detection_recipe_trains_and_scores(backend, tmp_path):
    out = tmp_path / "run"
    said = run(backend, ROOT / "recipes/dcase2020_multi_encoder.py", "--preset", "tiny", "--out", out)
    assert {"all", "with video", "without video"} <= {row["part"] for row in rows(out / "results.csv")}
    assert "SavedModel" not in said.stderr
    clip = next(tmp_path.glob("demo-*/**/*.mp4"))
    assert predict(backend, clip, out)["path"] == str(clip)
