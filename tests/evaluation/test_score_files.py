import dataclasses
import gzip

import numpy as np
import pytest

from avkeras.errors import ManifestError
from avkeras.evaluation.score_files import FrameScores, load_scores, read_scores, write_scores


def defects(read, path):
    with pytest.raises(ManifestError) as caught:
        read(path)
    return [line.replace(f"{path}", "FILE") for line in str(caught.value).splitlines()]


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
        "FILE/e.tsv: other classes than in a.tsv: without Dog; with Cat",
        "FILE/f.tsv:3: onset 1.5, offset 2, but the row before ends at 1: rows must follow each other in time without "
        "gaps, none of them empty",
    ]
    (tmp_path / "e.tsv").unlink()
    (tmp_path / "f.tsv").write_text("onset\toffset\tDog\n0\t0.7\t0.5\n0.7\t2\t0.5\n")
    assert defects(read_scores, tmp_path) == [
        "FILE/f.tsv:2: frames of equal length are needed here, and those of most files last 1 s"
    ]


def test_logits_are_refused_or_declared(tmp_path):
    (tmp_path / "a.tsv").write_text("onset\toffset\tDog\n0\t1\t0\n1\t2\t-3\n")
    assert defects(load_scores, tmp_path) == [
        "FILE/a.tsv:3: Dog -3: a score must lie in [0, 1]; logits have to be declared as such"
    ]
    notes = []
    found = load_scores(tmp_path, logits=True, notes=notes)
    assert found.tables["a"][:, 2] == pytest.approx([0.5, 1 / (1 + np.exp(3))])
    assert notes == [f"{tmp_path}: scores read as logits, through a sigmoid"]


def test_scores_as_others_write_them(tmp_path):
    """Uneven segments, another order of classes, UTF-16, gzip, carriage returns; the first file takes another way."""
    expected = np.array([[0, 0.7, 0.25, 0.5], [0.7, 10, 0.75, 1.0]])
    plain = "onset\toffset\tCat\tDog\n0\t0.7\t0.25\t0.5\n0.7\t10\t0.75\t1\n"
    other = "onset\toffset\tDog\tCat\n0\t0.7\t0.5\t0.25\n0.7\t10\t1\t0.75\n"
    for name in ("a", "z"):
        (tmp_path / f"{name}.tsv").write_text(plain)
    (tmp_path / "b.tsv").write_text(other)
    (tmp_path / "c.tsv").write_bytes(plain.encode("utf-16"))
    (tmp_path / "d.tsv.gz").write_bytes(gzip.compress(plain.encode()))
    (tmp_path / "e.csv").write_text(plain.replace("\t", ","))
    (tmp_path / "f.tsv").write_bytes(plain.replace("\n", "\r\n").encode())
    (tmp_path / "readme.md").write_text("not a score file")
    notes = []
    found = load_scores(tmp_path, notes=notes)
    assert list(found.tables) == list("abcdefz")
    assert all((table == expected).all() for table in found.tables.values())
    assert found.classes == ("Cat", "Dog")
    assert found.durations() == dict.fromkeys("abcdefz", 10.0)
    assert notes == [f"{tmp_path / 'e.csv'}: read with commas between the fields"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0\t1\t0.5\t0.5", "FILE/b.tsv:2: 4 fields, but the header has 3"),
        ("0\t1\t", "FILE/b.tsv:2: Dog '' is not a number"),
        ("0\t1\tnan", "FILE/b.tsv:2: Dog 'nan' is not a number"),
        (
            "0\t0\t0.5",
            "FILE/b.tsv:2: onset 0, offset 0: rows must follow each other in time without gaps, none of them",
        ),
    ],
)
def test_a_defect_is_found_in_a_file_that_looks_like_the_others(tmp_path, row, message):
    (tmp_path / "a.tsv").write_text("onset\toffset\tDog\n0\t1\t0.5\n1\t2\t0.5\n")
    (tmp_path / "b.tsv").write_text(f"onset\toffset\tDog\n{row}\n")
    (found,) = defects(load_scores, tmp_path)
    assert found.startswith(message)


def test_scores_that_cannot_be_written_are_refused(tmp_path):
    scores = FrameScores(("a/b",), ("Dog",), np.zeros((1, 4, 1)), 0.1, np.array([0.4]))
    with pytest.raises(ValueError, match="'a/b' cannot name a file"):
        write_scores(tmp_path, scores)
    with pytest.raises(ValueError, match="2 clip names for scores of 1 clips"):
        write_scores(tmp_path, dataclasses.replace(scores, clips=("a", "b")))
