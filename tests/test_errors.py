"""Errors of avkeras, which go from process to process: of a table's runs, of a cluster, of decoding."""

import pickle

import pytest

from avkeras.data.manifest import read_manifest
from avkeras.errors import AvkerasError, ManifestError, MediaError, WriteError
from avkeras.runs.files import write_text


@pytest.mark.parametrize(
    "error",
    [
        AvkerasError("a.tsv: is damaged"),
        MediaError("a.wav", "no such file"),
        WriteError("a.csv", OSError(28, "No space left on device")),
        WriteError("a.csv", OSError("no number")),
        ManifestError(["m.tsv:2: id is empty", "m.tsv:3: audio is empty"]),
    ],
)
def test_an_error_says_the_same_in_another_process(error):
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is type(error)
    assert str(there) == str(error)
    assert vars(there) == vars(error)


def test_errors_as_they_are_raised_reach_another_process(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError) as unwritten:
        write_text(tmp_path / "file" / "a.txt", "")
    with pytest.raises(ManifestError) as unread:
        read_manifest(tmp_path / "absent.tsv")
    for raised in (unwritten.value, unread.value):
        assert str(pickle.loads(pickle.dumps(raised))) == str(raised)
