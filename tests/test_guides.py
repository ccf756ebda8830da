"""The guides' programs run, and their command lines and the README's can be given."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avkeras.cli import build_parser

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
TEXTS = [ROOT / "README.md", *GUIDES]


def command_lines():
    for file in TEXTS:
        for line in re.findall(r"^    (avkeras .*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
            yield pytest.param(shlex.split(line, comments=True)[1:], id=f"{file.stem}: {line[:50]}")


@pytest.mark.parametrize("guide", [guide for guide in GUIDES if "```python" in guide.read_text()], ids=lambda g: g.stem)
def test_the_programs_of_a_guide_run(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a1", "a2"):
        soundfile.write(f"{name}.wav", np.zeros(16_000, np.int16), 16_000)
    Path("my.tsv").write_text(
        "id\taudio\tsplit\tlabels\na1\ta1.wav\ttrain\tCar|Train\na2\ta2.wav\tvalidation\tBus\n", encoding="utf-8"
    )
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile("\n".join(blocks), str(guide), "exec"), {})


@pytest.mark.parametrize("words", list(command_lines()))
def test_a_command_line_can_be_given(words):
    assert build_parser(words).parse_args(words).command == words[0]
