"""From a data set's lists and a server of videos to the results of both recipes, by the commands that a user gives."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from media_server import MediaServer

from avkeras.cli import main
from avkeras.data.manifest import read_manifest
from avkeras.datasets import dcase2017
from avkeras.datasets.demo import make_demo

ROOT = Path(__file__).parents[2]
SECONDS = 4
COUNTS = {"train": 8, "validation": 4, "test": 4}
MIDS = {name: mid for mid, name in dcase2017.MIDS.items()}


def write_lists(folder, clips):
    """The official lists' files, of clips that are each a whole video; returns the videos' files by name."""
    rows = {name: [] for names in dcase2017.FILES.values() for name in names}
    files = {}
    for number, clip in enumerate(clips):
        video = f"video{number:06d}"
        files[video] = clip.video.read_bytes()
        part = next(part for part, split in dcase2017.PARTS.items() if split == clip.split)
        names, name = dcase2017.FILES[part], f"{video}_0.000_{SECONDS}.000"
        if part == "evaluation":
            rows[names[0]] += [f"{name}.wav\t0.000\t{SECONDS}.000\t{label}\n" for label in clip.labels]
        else:
            mids = ",".join(MIDS[label] for label in clip.labels)
            rows[names[0]].append(f'{video},0.000,{SECONDS}.000,"{",".join(clip.labels)}","{mids}"\r\n')
        if part != "training":
            rows[names[-1]] += [f"{name}.wav\t{e.onset:.3f}\t{e.offset:.3f}\t{e.label}\n" for e in clip.events]
    folder.mkdir()
    for name, lines in rows.items():
        (folder / name).write_text("".join(lines), newline="")
    return files


def run_recipe(name, *arguments, cwd):
    done = subprocess.run(
        [sys.executable, str(ROOT / "recipes" / name), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def results(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_lists_and_videos_become_the_results_of_both_recipes(embedders, embedder_cache, tmp_path, capsys):
    demo = make_demo(
        tmp_path / "demo", clips=COUNTS, without_video=0.0, seconds=(SECONDS, SECONDS), task="dcase2017", seed=3
    )
    files = write_lists(tmp_path / "lists", demo.clips)
    data = tmp_path / "dcase2017"
    with MediaServer(files) as server:
        options = ["--lists", tmp_path / "lists", "--source", server.template, "--sleep", 0, "--out", data]
        main(["fetch", "dcase2017", *map(str, options)])
    manifest = read_manifest(data / "manifest.tsv")
    assert {split: len(manifest.split(split)) for split in COUNTS} == COUNTS
    assert all(clip.video for clip in manifest.clips)
    names = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    extraction = [data / "manifest.tsv", "--embedders", *names, "--detection", "--visual-frames", 4, "--strict"]
    main(["extract", *map(str, extraction)])
    assert "16 clips: 16 done (0 without video), 0 failed" in capsys.readouterr().out
    stores = {path: path.read_bytes() for path in data.glob("records/*/*")}
    assert len(stores) == 4 * 3
    tagging = ["--preset", "small", "--data", data / "manifest.tsv", "--embedders", *names, "--out", "tagging"]
    run_recipe("dcase2017_av.py", *tagging, cwd=tmp_path)
    rows = results(tmp_path / "tagging" / "results.csv")
    assert [row["system"] for row in rows] == ["audio", "video", "audio+video"]
    assert {row["clips"] for row in rows} == {"4"}
    # All training clips of this task are weakly labelled.
    detection = ["--preset", "tiny", "--data", data / "manifest.tsv", "--visual", names[1], "--batch", "[0,4,0]"]
    run_recipe("dcase2020_multi_encoder.py", *detection, "--out", "detection", cwd=tmp_path)
    rows = {row["part"]: row for row in results(tmp_path / "detection" / "results.csv")}
    assert rows["all"]["clips"] == rows["with video"]["clips"] == "4"
    # Both found what `extract` had left.
    assert {path: path.read_bytes() for path in data.glob("records/*/*")} == stores
