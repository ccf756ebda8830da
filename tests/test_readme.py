"""The README's Python blocks run, in order, as one program."""

import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from avkeras.cli import build_parser

README = Path(__file__).parents[1] / "README.md"
SAVED = Path(__file__).parent / "data" / "saved_by_0_1"


def test_python_blocks_run_in_order(tmp_path):
    for name in ("tagging_run", "stores"):  # a run, its embedders and a clip
        with tarfile.open(SAVED / f"{name}.tar.xz") as archive:
            archive.extractall(tmp_path, filter="data")
    (tmp_path / "runs" / "tagging").rename(tmp_path / "runs" / "demo")
    (tmp_path / "my.tsv").write_text("id\taudio\tvideo\tsplit\tlabels\na1\tclip.mp4\tclip.mp4\ttrain\tCar\n")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 3
    program = "\n".join(blocks) + "\nassert np.allclose(answer, probabilities, atol=1e-5), 'served differs'\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Train horn" in done.stdout
    assert (tmp_path / "served" / "tagger" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "model.keras").is_file()
    assert (tmp_path / "served" / "1" / "assets.extra" / "classes.txt").is_file()


def test_every_command_names_files_that_exist():
    text = README.read_text(encoding="utf-8")
    root = README.parent
    for path in re.findall(r"python ((?:recipes|hub_models)/\w+\.py)", text):
        assert (root / path).is_file(), path
    for folder in re.findall(r"^    (avkeras/\w+|recipes|hub_models|benchmarks|tests) ", text, flags=re.MULTILINE):
        assert (root / folder).is_dir(), folder


def commands():
    lines = re.findall(r"^    (avkeras (?!--).*)$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines if not line.startswith("avkeras/")]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_lines_to_type_are_understood(words):
    parsed = build_parser(words).parse_args(words)
    assert parsed.command == words[0]
    if words[0] == "predict":
        assert vars(parsed["predict"])["files"] == ["clip.mp4"]


def test_a_line_predicts_without_a_model():
    assert ["predict", "clip.mp4", "--top", "5"] in commands()
