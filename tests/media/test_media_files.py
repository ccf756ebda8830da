from pathlib import Path

import pytest
from container_corpus import CONTAINERS

from avkeras.errors import AvkerasError
from avkeras.media.media_files import media_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.wav", "a.MP4", "notes.txt", "deep/er/c.ogg", "deep/d[1].flac", ".hidden/e.wav", ".f.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    monkeypatch.chdir(tmp_path)
    return Path("in")


def test_a_folder_stands_for_the_media_in_it(folder):
    assert media_files(folder) == [folder / name for name in ("a.MP4", "b.wav", "deep/d[1].flac", "deep/er/c.ogg")]


def test_every_container_that_is_read_is_found_in_a_folder(tmp_path):
    for name in CONTAINERS:
        (tmp_path / name).touch()
    assert media_files(tmp_path) == sorted(tmp_path / name for name in CONTAINERS)


def test_a_pattern_stands_for_what_it_matches_and_a_name_for_itself(folder):
    given = ["in/*.wav", "in/deep/d[1].flac", "in/**/*.ogg", "in/notes.txt", "gone.wav", "in/b.wav"]
    names = ["in/b.wav", "in/deep/d[1].flac", "in/deep/er/c.ogg", "in/notes.txt", "gone.wav", "in/b.wav"]
    assert media_files(given) == list(map(Path, names))
    assert media_files("in/d*p") == [folder / "deep/d[1].flac", folder / "deep/er/c.ogg"]


def test_what_stands_for_nothing_is_named(folder):
    with pytest.raises(AvkerasError, match=r"in/\*\.mp3: nothing matches this pattern"):
        media_files("in/*.mp3")
    (folder / "none").mkdir()
    with pytest.raises(AvkerasError, match="in/none: no file in this folder ends as media do"):
        media_files([folder / "none"])
