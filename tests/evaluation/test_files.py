import dataclasses

import numpy as np
import pytest

from avkeras.data.manifest import Event
from avkeras.errors import ManifestError
from avkeras.evaluation.files import (
    FrameScores,
    read_durations,
    read_events,
    read_scores,
    write_events,
    write_scores,
)


def defects(read, path):
    with pytest.raises(ManifestError) as caught:
        read(path)
    return [line.replace(f"{path}", "FILE") for line in str(caught.value).splitlines()]


def test_events_come_back(tmp_path):
    events = {
        "b.wav": (Event(0.1, 1 / 3, "Dog"), Event(0.2, 10.0, "Alarm bell")),
        "a.wav": (),
        "c": (Event(0, 0, "x"),),
    }
    write_events(tmp_path / "events.tsv", events)
    assert (tmp_path / "events.tsv").read_text().splitlines()[0] == "filename\tonset\toffset\tevent_label"
    found = read_events(tmp_path / "events.tsv")
    assert found == events
    assert list(found) == list(events)


def test_real_files_are_read(mini):
    found = read_events(mini.folder / "ground_truth.tsv")
    durations = read_durations(mini.folder / "durations.tsv")
    assert sum(map(len, found.values())) == mini.expected["event"]["overall_counts"]["Nref"]
    assert sum(durations.values()) == pytest.approx(mini.expected["total_duration_s"])
    assert set(found) <= set(durations)


def test_other_ways_to_write_the_same(tmp_path):
    # Columns in any order and more of them, a byte order mark, CRLF, an empty line, cut empty fields
    path = tmp_path / "events.tsv"
    path.write_bytes(b"\xef\xbb\xbfevent_label\tfilename\tonset\toffset\tnote\r\nDog\ta\t1\t2.5\tx\r\n\r\n\tb\r\n")
    assert read_events(path) == {"a": (Event(1.0, 2.5, "Dog"),), "b": ()}


def test_all_defects_of_events_are_reported(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text(
        "filename\tonset\toffset\tevent_label\n"
        "a\t0\tten\tDog\n"
        "a\t2\t1\tDog\n"
        "\t1\t2\tDog\n"
        "a\t1\t2\t\n"
        "a\tnan\tinf\tDog\n"
        "a\t1\t2\tDog\tmore\n"
        "a\t1\t2\tDog\n"
    )
    assert defects(read_events, path) == [
        "FILE:2: offset 'ten' is not a number",
        "FILE:3: onset 2, offset 1: an event begins at 0 or later and ends after",
        "FILE:4: no filename",
        "FILE:5: an event without event_label",
        "FILE:6: onset 'nan' is not a number",
        "FILE:6: offset 'inf' is not a number",
        "FILE:7: 5 fields, but the header has 4",
    ]
    path.write_text("a\t0\t1\tDog\n")
    assert defects(read_events, path) == [
        "FILE:1: no column filename, onset, offset, event_label; the first line must be: filename onset offset "
        "event_label (tab-separated)"
    ]


def test_all_defects_of_durations_are_reported(tmp_path):
    path = tmp_path / "durations.tsv"
    path.write_text("filename\tduration\na\t0\nb\t1\nb\t1\nc\t?\n")
    assert defects(read_durations, path) == [
        "FILE:2: duration 0 is not above 0",
        "FILE:4: b has a duration already",
        "FILE:5: duration '?' is not a number",
    ]


@pytest.mark.parametrize("hop", [10 / 64, 0.02, 1 / 3])
def test_scores_come_back(tmp_path, hop):
    scores = np.random.default_rng(0).random((3, 50, 2))
    durations = np.array([50 * hop, 20.5 * hop, hop])
    written = FrameScores(("a", "b", "c.d"), ("Cat", "Dog"), scores, hop, durations)
    write_scores(tmp_path / "scores", written)
    found = read_scores(tmp_path / "scores")
    assert (found.clips, found.classes, found.seconds_per_frame) == (written.clips, written.classes, hop)
    assert (found.durations == durations).all()
    for index, length in enumerate([50, 21, 1]):
        assert (found.scores[index, :length] == scores[index, :length]).all()
        assert (found.scores[index, length:] == 0).all()


def test_scores_with_rounded_times_are_read(tmp_path):
    starts = np.arange(512) * 10 / 512
    rows = [f"{start:.3f}\t{start + 10 / 512:.3f}\t0.5" for start in starts]
    (tmp_path / "a.tsv").write_text("\n".join(["onset\toffset\tDog", *rows]) + "\n")
    assert read_scores(tmp_path).seconds_per_frame == pytest.approx(10 / 512, rel=1e-4)


def test_all_defects_of_scores_are_reported(tmp_path):
    assert defects(read_scores, tmp_path) == ["FILE: no score files (<clip>.tsv) in this folder"]
    (tmp_path / "a.tsv").write_text("onset\toffset\tDog\n0\t1\t0.5\n1\t2\t0.5\n")
    (tmp_path / "b.tsv").write_text("onset\toffset\tDog\n0\t1\tloud\n")
    (tmp_path / "c.tsv").write_text("onset\toffset\tDog\n")
    (tmp_path / "d.tsv").write_text("onset\toffset\n0\t1\n")
    assert defects(read_scores, tmp_path) == [
        "FILE/b.tsv:2: Dog 'loud' is not a number",
        "FILE/c.tsv: no frames",
        "FILE/d.tsv:1: no class; the first line must be: onset offset class1 class2 ... (tab-separated)",
    ]
    for name in "bcd":
        (tmp_path / f"{name}.tsv").unlink()
    (tmp_path / "e.tsv").write_text("onset\toffset\tCat\n0\t1\t0.5\n")
    (tmp_path / "f.tsv").write_text("onset\toffset\tDog\n0\t1\t0.5\n1.5\t2\t0.5\n")
    assert defects(read_scores, tmp_path) == [
        "FILE/e.tsv: other classes than in a.tsv",
        "FILE/f.tsv:3: frames must follow each other every 1 s",
    ]


def test_scores_that_cannot_be_written_are_refused(tmp_path):
    scores = FrameScores(("a/b",), ("Dog",), np.zeros((1, 4, 1)), 0.1, np.array([0.4]))
    with pytest.raises(ValueError, match="'a/b' cannot name a file"):
        write_scores(tmp_path, scores)
    with pytest.raises(ValueError, match="2 clip names for scores of 1 clips"):
        write_scores(tmp_path, dataclasses.replace(scores, clips=("a", "b")))
