"""Files that are whole or absent, JSON lines that survive kills, names made from ids, values that a run is held to."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from avkeras.errors import AvkerasError
from avkeras.runs.files import JsonLines, file_name, read_rows, whole_file, write_json, write_rows, write_text
from avkeras.runs.run_folder import pin_values, values_of_run


def test_a_file_is_what_it_was_where_writing_fails(tmp_path):
    file = tmp_path / "new" / "a.txt"
    write_text(file, "before")

    def write():
        with whole_file(file) as partial:
            assert partial.suffix == ".txt"
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert file.read_text() == "before"
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_a_full_disk_names_the_file(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def write(path):
        with whole_file(path) as partial:
            partial.symlink_to("/dev/full")  # all that is written to it fails as on a full disk
            partial.write_text("x" * 10_000)

    with pytest.raises(AvkerasError, match=r"a\.csv: cannot be written: No space left on device$"):
        write(tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_names_the_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AvkerasError, match=r"file/a\.json: cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})


def test_rows_have_the_columns_of_all(tmp_path):
    write_rows(tmp_path / "a.csv", [{"a": 1}, {"b": "x, y"}])
    assert read_rows(tmp_path / "a.csv") == [{"a": "1", "b": ""}, {"a": "", "b": "x, y"}]
    write_rows(tmp_path / "b.csv", [])
    assert read_rows(tmp_path / "b.csv") == []


def test_lines_of_several_processes_are_whole_and_one_cut_short_is_counted(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n": 0}\n{"n": ')  # what a kill leaves
    code = (
        "import sys; from avkeras.runs.files import JsonLines\n"
        "for n in range(50): JsonLines(sys.argv[1]).add({'n': n, 'text': 'x' * 5000})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(3)]
    assert all(process.wait() == 0 for process in running)
    lines, damaged = JsonLines(file).read()
    assert damaged == 1
    assert sorted(line["n"] for line in lines) == sorted([0, *list(range(50)) * 3])


IDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=400)


@given(IDS, IDS)
def test_ids_make_names_that_are_files_of_the_folder_and_differ(first, second):
    for id in (first, second):
        name = file_name(id)
        assert Path("/folder", name).parent == Path("/folder")
        assert name not in (".", "..")
        assert len(name.encode()) <= 200
    assert (file_name(first) == file_name(second)) == (first == second)


def test_names_of_ordinary_and_of_odd_ids(tmp_path):
    for id in ("Y-2_a b.c", "clip (1), größe"):
        assert file_name(id) == id
    for id in ("../../a", "/etc/passwd", "a" * 300, "50%", "..", "a\nb"):
        (tmp_path / file_name(id)).touch()
    assert len(list(tmp_path.iterdir())) == 6


@dataclasses.dataclass
class Values:
    out: Path
    seed: int = 0
    added: tuple[int, ...] = (1, 2)


def test_a_value_that_an_old_run_did_not_have_is_the_default(tmp_path):
    values = Values(tmp_path)
    pin_values(values, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["added"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    pin_values(values, tmp_path)
    assert values_of_run(tmp_path, [Values]) == values
    with pytest.raises(AvkerasError, match=r"holds a run with another added; give another folder \(out\)"):
        pin_values(dataclasses.replace(values, added=(1,)), tmp_path)
