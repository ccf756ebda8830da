"""Files that the user has are taken by their official names and left where they are."""

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.datasets.adopt import adopt
from avkeras.datasets.ledger import Entry, Ledger
from avkeras.datasets.task_lists import SourceClip
from avkeras.errors import AvkerasError

CLIPS = [
    SourceClip("-5QrBL6MzLg_60.000_70.000", "training", "train", "weak", video="-5QrBL6MzLg", start=60.0, end=70.0),
    SourceClip("Yabcdefghij_0_10", "public", "test", "strong", video="Yabcdefghij", start=0.0, end=10.0),
    SourceClip("00", "synthetic20", "train", "strong"),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_clip(path, frame_times=np.arange(5) / 10, sound=bursts(0.5, 16000), video_codec="mpeg4").read_bytes()


@pytest.fixture(scope="module")
def silent_film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_clip(path, frame_times=np.arange(5) / 10, video_codec="mpeg4").read_bytes()


def put(media, name, content=None):
    file = media / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        soundfile.write(file, np.zeros(1600, np.float32), 16000)
    else:
        file.write_bytes(content)
    return str(file)


def take(tmp_path, clips=CLIPS):
    with Ledger(tmp_path / "out") as ledger:
        return adopt(clips, tmp_path / "media", ledger), dict(ledger.entries)


@pytest.mark.parametrize(
    ("clip", "names"),
    [
        (0, ["Y-5QrBL6MzLg_60.000_70.000", "-5QrBL6MzLg_60.000_70.000", "deep/er/-5QrBL6MzLg_60_70"]),
        (1, ["YYabcdefghij_0_10", "Yabcdefghij_0.000_10.000"]),
        (2, ["synthetic20/soundscapes/00"]),
    ],
)
@pytest.mark.parametrize("extension", [".wav", ".FLAC", ".mp4"])
def test_names(tmp_path, film, clip, names, extension):
    for number, name in enumerate(names):
        case = tmp_path / str(number)
        file = put(case / "media", name + extension, film if extension == ".mp4" else None)
        result, entries = take(case)
        assert (result.adopted, result.notes) == (1, [])
        video = file if extension == ".mp4" else ""
        assert entries == {CLIPS[clip].id: Entry(CLIPS[clip].id, "done", audio=file, video=video)}


def test_sound_and_pictures_in_two_files(tmp_path, silent_film, film):
    sound = put(tmp_path / "media", "Y-5QrBL6MzLg_60.000_70.000.wav")
    pictures = put(tmp_path / "media", "video/-5QrBL6MzLg_60.000_70.000.mp4", silent_film)
    both = put(tmp_path / "media", "00.mkv", film)
    _, entries = take(tmp_path)
    assert (entries[CLIPS[0].id].audio, entries[CLIPS[0].id].video) == (sound, pictures)
    assert (entries["00"].audio, entries["00"].video) == (both, both)


def test_ambiguous_names_are_told_and_left(tmp_path):
    first = put(tmp_path / "media", "a/Y-5QrBL6MzLg_60.000_70.000.wav")
    second = put(tmp_path / "media", "b/-5QrBL6MzLg_60_70.flac")
    (tmp_path / "media" / "00.wav").symlink_to(first)
    (tmp_path / "media" / "b" / "00.wav").symlink_to(first)  # the same file twice is one
    (tmp_path / "media" / "a" / "circle").symlink_to(tmp_path / "media")
    result, entries = take(tmp_path)
    assert list(entries) == ["00"]
    assert len(result.notes) == 1
    for word in ("-5QrBL6MzLg_60.000_70.000: ambiguous audio files", first, second):
        assert word in result.notes[0]


def test_bad_and_unknown_files_are_told(tmp_path, silent_film):
    put(tmp_path / "media", "00.wav", b"<html>")
    put(tmp_path / "media", "Yabcdefghij_0_10.mp4", silent_film)
    put(tmp_path / "media", "holiday.mp4", silent_film)
    put(tmp_path / "media", "notes.txt", b"")
    result, entries = take(tmp_path)
    assert entries == {}
    texts = sorted(note.split(": ", 1)[-1] for note in result.notes)
    assert any("this is text, not media: not taken" in text for text in texts)
    assert any("has no sound: not taken" in text for text in texts)
    assert any("names that match no clip that was asked for: 1" in text for text in texts)


def test_what_is_there_stays_and_gets_what_it_lacks(tmp_path, silent_film):
    have = Entry(CLIPS[0].id, "done", audio="audio/x.flac", video_why="HTTP 404")
    with Ledger(tmp_path / "out") as ledger:
        ledger.write(have)
        ledger.write(Entry(CLIPS[1].id, "gone", why="HTTP 404"))
    pictures = put(tmp_path / "media", "-5QrBL6MzLg_60.000_70.000.mp4", silent_film)
    sound = put(tmp_path / "media", "Yabcdefghij_0_10.wav")
    _, entries = take(tmp_path)
    assert entries[CLIPS[0].id] == Entry(CLIPS[0].id, "done", audio="audio/x.flac", video=pictures)
    assert entries[CLIPS[1].id] == Entry(CLIPS[1].id, "done", audio=sound)
    again, same = take(tmp_path)
    assert (again.adopted, again.notes, same) == (0, [], entries)


def test_no_folder(tmp_path):
    with pytest.raises(AvkerasError, match=r"^media: .*: no such folder"):
        take(tmp_path)
