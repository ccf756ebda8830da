"""`avkeras extract` killed at random moments, again and again: what is resumed ends with the bytes of one whole run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.data.manifest import Clip, write_manifest

KILLS = int(os.environ.get("AVKERAS_KILLS", "100"))
_A_ROW = 6  # kills of one extraction, at most


@pytest.fixture(scope="module")
def command(tmp_path_factory, embedders, embedder_cache):
    """Extraction of twelve clips for both systems, without the folder that it writes to."""
    folder = tmp_path_factory.mktemp("kills")
    clips = []
    for number in range(10):
        path = write_clip(
            folder / f"{number}.mp4",
            frame_times=np.arange(12 + number) / 10,
            sound=bursts(1.2 + number / 10, 44100, at=(0.1 * number,)),
            video_codec="mpeg4",
        )
        clips.append(Clip(f"c{number}", path, path if number % 3 else None, "train"))
    (folder / "text.wav").write_text("<html>")
    soundfile.write(folder / "silent.wav", np.zeros(20_000), 16_000)
    clips[4:4] = [
        Clip("text", folder / "text.wav", None, "train"),
        Clip("silent", folder / "silent.wav", None, "train"),
    ]
    manifest = write_manifest(folder / "manifest.tsv", clips, classes=["Car"])
    names = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    arguments = ["extract", str(manifest.path), "--embedders", *names, "--detection", "--visual-frames", "8"]
    code = "import sys; from avkeras.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", code, *arguments, "--out"]


def contents(folder):
    """The files but those that a kill left unfinished beside their names."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".partial-")]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def written(folder):
    """Lines of all indices so far."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/index.jsonl"))


def decoders_of(pid):
    """The processes that decode for a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and b"decoding_process" in (entry / "cmdline").read_bytes():
                found.append(entry)
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_killed_extractions_end_with_the_bytes_of_a_whole_one(command, tmp_path):
    begun = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    seconds = time.monotonic() - begun
    expected, lines = contents(tmp_path / "whole"), written(tmp_path / "whole")
    draw, kills, midway, resumed, orphans = random.Random(0), 0, 0, 0, []
    while kills < KILLS:
        folder = tmp_path / f"parts{resumed}"
        for _ in range(_A_ROW):
            process = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # A moment of the run's time, or one at which so much more was written.
            moment = time.monotonic() + draw.uniform(0, seconds)
            wanted = written(folder) + draw.randrange(lines // 3) if draw.random() < 0.7 else None
            while process.poll() is None:
                if time.monotonic() >= moment if wanted is None else written(folder) >= wanted > 0:
                    break
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.02))
            orphans += decoders_of(process.pid)
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                break  # it had ended
            kills += 1
            midway += 0 < written(folder) < lines
            if kills == KILLS:
                break
        subprocess.run([*command, str(folder)], check=True, capture_output=True)
        found = contents(folder)
        assert found.keys() == expected.keys()
        assert [str(name) for name in expected if found[name] != expected[name]] == []
        resumed += 1
        sys.stdout.write(f"{kills} kills, {midway} of them midway through the clips, of {resumed} extractions\n")
    assert midway > kills / 3
    deadline = time.monotonic() + 60
    while any(b"decoding_process" in (entry / "cmdline").read_bytes() for entry in orphans if entry.exists()):
        assert time.monotonic() < deadline, "processes that decode outlive the one that asked them"
        time.sleep(0.1)
