"""`avkeras train` killed at random moments, again and again: what is resumed ends with the bytes of one whole run."""

import os
import random
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from avkeras.datasets.demo import make_demo

KILLS = int(os.environ.get("AVKERAS_KILLS", "100")) // 2  # of each experiment
_A_ROW = 6  # kills of one run, at most
_SMALL = ("--blocks", "1", "--dim", "8", "--workers", "1", "--data", "../data/manifest.tsv", "--out", "run")


def tagging(folder, audio, video):
    make_demo(folder / "data", clips={"train": 24, "validation": 8, "test": 8}, seconds=(1.0, 3.0))
    sizes = ("--epochs", "12", "--steps_per_epoch", "8", "--batch_size", "8", "--keep", "3")
    return ["tagging", "--embedders", audio, video, "--systems", "audio+video", *sizes]


def detection(folder, audio, video):
    make_demo(folder / "data", task="dcase2020", clips={"train": 8, "validation": 4, "test": 6}, without_video=0.4)
    sizes = ("--epochs", "10", "--steps_per_epoch", "2", "--batch", "[1, 1, 2]", "--visual_frames", "4")
    model = ("--num_heads", "2", "--key_dim", "4", "--hidden_dim", "8", "--filters", "[2, 2, 2, 2, 2, 2, 8]")
    return ["detection", "--visual", video, "--teacher_decay", "0.5", *sizes, *model]


def contents(run):
    """What has to be the same: all but logs with times, pages that tell them, and a graph whose names are numbered.

    A Keras file is the model's description and weights in it: the archive around them and its third part have the time.
    """
    found = {}
    for path in sorted(run.rglob("*")):
        parts = path.relative_to(run).parts
        if not path.is_file() or path.suffix == ".html" or parts[-1] == "environment.jsonl" or "tensorboard" in parts:
            continue
        if any(part.startswith(".") for part in parts):  # what a kill left unfinished
            continue
        if "saved_model" in parts and "variables" not in parts:
            continue
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as file:
                parts = ("config.json", "model.weights.h5")
                found |= {f"{path.relative_to(run)}:{name}": file.read(name) for name in parts}
        else:
            found[str(path.relative_to(run))] = path.read_bytes()
    return found


def epochs(run):
    """Lines of the metrics so far."""
    return sum(len(path.read_bytes().splitlines()) - 1 for path in run.rglob("metrics.csv"))


def progress(run):
    """Epochs and files so far."""
    return epochs(run) + sum("tensorboard" not in path.parts for path in run.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [tagging, detection])
def test_killed_trainings_end_with_the_bytes_of_a_whole_one(experiment, tmp_path, embedders, embedder_cache):
    names = str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")
    code = "import sys; from avkeras.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "train", *experiment(tmp_path, *names), *_SMALL]

    def whole(folder):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return contents(folder / "run")

    (tmp_path / "whole").mkdir()
    whole(tmp_path / "whole")  # with the features, which every other run finds
    (tmp_path / "timed").mkdir()
    begun = time.monotonic()
    expected = whole(tmp_path / "timed")
    seconds, steps, last = time.monotonic() - begun, progress(tmp_path / "timed"), epochs(tmp_path / "timed")
    draw, kills, midway, resumed = random.Random(0), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / f"parts{resumed}"
        folder.mkdir()
        for _ in range(min(_A_ROW, KILLS - kills)):
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # A moment of the run's time, or one at which so much more was done.
            moment = time.monotonic() + draw.uniform(0, seconds)
            wanted = progress(folder) + draw.randrange(1, steps // 3) if draw.random() < 0.8 else None
            while process.poll() is None:
                if time.monotonic() >= moment if wanted is None else progress(folder) >= wanted:
                    break
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                break  # it had ended
            kills += 1
            midway += 0 < epochs(folder) < last
        found = whole(folder)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []
        resumed += 1
        sys.stdout.write(f"{experiment.__name__}: {kills} kills, {midway} of them between epochs, of {resumed} runs\n")
    assert midway >= max(1, kills // 5)
