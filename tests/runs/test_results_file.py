"""Results of many runs: added by several processes at once, cut short, read with pandas."""

import subprocess
import sys

import pandas as pd
import pytest

from avkeras.errors import AvkerasError
from avkeras.runs.results_file import ResultsFile

ADD = """
import sys
from avkeras.runs.results_file import ResultsFile
for seed in range(50):
    ResultsFile(sys.argv[1]).add({"cell": sys.argv[2], "seed": seed, "text": "x" * 500})
"""


def test_processes_add_lines_side_by_side(tmp_path):
    path = tmp_path / "results.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", ADD, path, name]) for name in "abc"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert sorted(ResultsFile(path).runs()) == [(name, seed) for name in "abc" for seed in range(50)]
    table = pd.read_json(path, lines=True)
    assert table.groupby("cell").size().to_dict() == {"a": 50, "b": 50, "c": 50}


def test_a_line_cut_short_is_counted_and_harms_no_other(tmp_path):
    path = tmp_path / "results.jsonl"
    file = ResultsFile(path)
    file.add({"cell": "a", "seed": 0})
    with open(path, "ab") as raw:
        raw.write(b'{"cell": "a", "seed": 1, "micro')
    assert file.damaged() == 1
    file.add({"cell": "a", "seed": 1, "micro_f1": 0.5})
    assert file.runs()["a", 1]["micro_f1"] == 0.5
    assert file.damaged() == 1
    assert path.read_bytes().startswith(b'{"cell": "a", "seed": 0}\n{"cell": "a", "seed": 1, "micro\n')


def test_of_a_run_that_is_there_twice_the_first_counts(tmp_path):
    file = ResultsFile(tmp_path / "results.jsonl")
    file.add({"cell": "a", "seed": 0, "micro_f1": 0.1})
    file.add({"cell": "a", "seed": 0, "micro_f1": 0.2})
    assert [run["micro_f1"] for run in file.runs().values()] == [0.1]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(AvkerasError, match=str(tmp_path)):
        ResultsFile(tmp_path).add({"cell": "a", "seed": 0})
