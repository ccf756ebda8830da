"""The page of the choices: the options and constructors that it names are there."""

import inspect
import re
from pathlib import Path

import pytest

import avkeras
from avkeras.cli import build_parser

PAGE = (Path(__file__).parents[1] / "docs" / "choices.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## The (\d{4}) paper.*?\n(.*?)(?=^## The (?!\1)|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def options_of(*command):
    (parser,) = build_parser(command).children
    return set(parser.options())


@pytest.mark.parametrize(("paper", "experiment"), [("2019", "tagging"), ("2022", "detection")])
def test_every_option_that_the_page_names_exists(paper, experiment):
    own, evaluate = options_of("train", experiment), options_of("evaluate")
    named = re.findall(r"(avkeras evaluate )?(--[a-z][\w-]*)", PARTS[paper])
    assert len(named) > 8
    assert not {option for other, option in named if option not in (evaluate if other else own)}


def test_every_argument_that_the_page_names_exists():
    named = re.findall(r"(`\w+`(?:, `\w+`)*) of `(\w+)`", PAGE)
    assert len(named) == 3
    for arguments, name in named:
        wanted = set(re.findall(r"\w+", arguments))
        assert wanted <= set(inspect.signature(getattr(avkeras.models, name)).parameters)


def test_every_row_says_what_the_paper_says_what_is_done_why_and_how_to_change_it():
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    assert len(rows) > 40
    assert {len(cells) for cells in rows} == {5}
    assert not [cells[0] for cells in rows if not all(cells[place].strip() for place in (0, 1, 2, 3, 4))]


@pytest.mark.parametrize(
    "option",
    [
        "--max_ratio --complete_only --patience --keep --positions",
        "--momentum --kernel_size --frontend_kernel_size --pooling --filters --class_token --final_norm",
        "--training_weight --random_low --mixup_rate --mixup_scope --mixup_concentration --staircase",
        "--gate --modality_dropout --absent_token --late_fusion --tied_encoders",
    ],
)
def test_the_choices_that_are_values_are_on_the_page(option):
    assert not [name for name in option.split() if f"`{name}`" not in PAGE]
