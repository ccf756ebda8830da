from dataclasses import replace
from pathlib import Path

import pytest

from avkeras.data.manifest import Clip, Event, Manifest, read_manifest, write_manifest
from avkeras.errors import ManifestError


def write(folder, *rows, header="id\taudio\tvideo\tsplit\tlabels\tevents\tsupervision"):
    path = folder / "my.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_round_trip_keeps_every_value(tmp_path):
    for name in ("a.wav", "b.mp4"):
        (tmp_path / name).touch()
    clips = (
        Clip("a", tmp_path / "a.wav", None, "train", ("Air horn, truck horn",), (), "weak"),
        Clip(
            "b",
            tmp_path / "b.mp4",
            tmp_path / "b.mp4",
            "test",
            ("Bus", "Air horn, truck horn"),
            (Event(3601.1209, 3601.12121, "Bus"), Event(1, 2, "Air horn, truck horn")),
            "strong",
        ),
        Clip("c", tmp_path / "a.wav", None, "train", (), (), "unlabelled"),
    )
    written = write_manifest(tmp_path / "sub" / "m.tsv", clips, classes=["Bus", "Air horn, truck horn"])
    read = read_manifest(tmp_path / "sub" / "m.tsv")
    assert read.digest() == written.digest()
    assert read.classes == ("Bus", "Air horn, truck horn")
    for before, after in zip(clips, read.clips, strict=True):
        assert after.audio.resolve() == before.audio.resolve()
        assert (after.video is None) == (before.video is None)
        assert (after.id, after.split, after.labels, after.events, after.supervision) == (
            before.id, before.split, before.labels, before.events, before.supervision,
        )  # fmt: skip
    assert [clip.id for clip in read.split("train")] == ["a", "c"]


def test_the_digest_tells_clips_and_classes_and_not_where_media_lie():
    event = Event(1, 2.5, "Bus")
    clip = Clip("a", Path("a.wav"), Path("a.mp4"), "train", ("Bus",), (event,), "strong", ("Bus",))
    digest = Manifest(Path("m.tsv"), (clip,), ("Bus", "Car")).digest()
    moved = replace(clip, audio=Path("b/a.wav"), video=Path("b/a.mp4"), labels=(), events=(Event(1.0, 2.5, "Bus"),))
    assert Manifest(Path("b/m.tsv"), (moved,), ("Bus", "Car")).digest() == digest
    changes = (
        {"id": "b"},
        {"video": None},
        {"split": "test"},
        {"labels": ("Bus", "Car")},
        {"events": (event._replace(offset=3),)},
        {"supervision": "weak"},
        {"seen": ()},
    )
    others = [Manifest(Path("m.tsv"), (replace(clip, **change),), ("Bus", "Car")) for change in changes]
    others += [Manifest(Path("m.tsv"), (clip,), ("Car", "Bus")), Manifest(Path("m.tsv"), (), ("Bus", "Car"))]
    assert len({digest, *(other.digest() for other in others)}) == 10


def test_only_four_columns_are_needed_and_classes_default_to_the_labels(tmp_path):
    (tmp_path / "a.wav").touch()
    path = write(tmp_path, "1\ta.wav\ttrain\tTrain|Bus", "2\ta.wav\ttest\tBus", header="id\taudio\tsplit\tlabels")
    manifest = read_manifest(path)
    assert manifest.classes == ("Bus", "Train")
    assert manifest.clips[0].video is None
    assert manifest.clips[0].supervision == "weak"


def test_labels_default_to_the_classes_of_the_events(tmp_path):
    (tmp_path / "a.wav").touch()
    clip = read_manifest(write(tmp_path, "1\ta.wav\t\ttrain\t\t0 1 Bus|2 3 Bus|0.5 1 Car\t")).clips[0]
    assert clip.labels == ("Bus", "Car")
    assert clip.supervision == "strong"


def test_every_defect_is_reported_at_once_with_its_row(tmp_path):
    (tmp_path / "a.wav").touch()
    path = write(
        tmp_path,
        "1\ta.wav\t\ttrain\tBus\t\tweak",
        "1\tgone.wav\tgone.mp4\tdev\tBus\t\tweak",
        "",
        "3\t\t\ttrain\tPlane\t2 1 Bus|x y Bus|1 2\tsome",
        "4\ta.wav\t\ttrain\tBus\t0 1 Car\tstrong\textra",
    )
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, classes=["Bus", "Car"])
    text = str(caught.value)
    for row, part in (
        (3, "id '1' stands already in row 2"),
        (3, "gone.wav does not exist"),
        (3, "gone.mp4 does not exist"),
        (3, "split 'dev' is none of train, validation, test"),
        (5, "audio is empty"),
        (5, "class 'Plane' is not in the class list"),
        (5, "event '2 1 Bus' must have 0 <= onset < offset"),
        (5, "event 'x y Bus' is not of the form"),
        (5, "event '1 2' is not of the form"),
        (5, "supervision 'some' is none of"),
        (6, "has 8 fields, the header 7"),
    ):
        assert any(line.startswith(f"{path}:{row}: ") and part in line for line in text.splitlines()), (row, part)
    assert len(caught.value.defects) == 11


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "column 'id' is missing"),
        (b"id\taudio\tsplit\tlabels\tcolour\n", "column 'colour' is not known"),
        (b"id\tid\taudio\tsplit\tlabels\n", "stands there twice"),
        (b"id\taudio\tsplit\tlabels\n", "holds no clips"),
        (b"\xff\xfe\x00", "is UTF-16 text; save it as UTF-8"),
        (b"id\taudio\tsplit\tlabels\n1\ta.wav\ttest\tT\xfcr\n", "m.tsv:2: is not UTF-8 text (byte fc), maybe Latin-1"),
        (b"id,audio,split,labels\n1,a.wav,test,Bus\n", "m.tsv:1: its columns stand between commas, not tabs"),
        (b'"id";"audio";"split";"labels"\n', "m.tsv:1: its columns stand between semicolons, not tabs"),
        (b"id,audio split;labels\n", "column 'id' is missing"),
        (b"id\taudio\tsplit\tlabels\n1\x00\ta.wav\ttest\tBus\n", r"m.tsv:2: id '1\x00' holds a control character"),
    ],
)
def test_bad_tables(tmp_path, content, part):
    (tmp_path / "m.tsv").write_bytes(content)
    with pytest.raises(ManifestError, match=r"m\.tsv") as caught:
        read_manifest(tmp_path / "m.tsv")
    assert part in str(caught.value)


def test_a_missing_table_and_a_class_list_with_a_class_twice(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path / "none.tsv")
    (tmp_path / "classes.txt").write_text("Bus\nBus\n")
    with pytest.raises(ManifestError, match="'Bus' stands there twice"):
        read_manifest(write(tmp_path))


def test_an_event_of_a_class_that_labels_leaves_out_is_a_defect(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ManifestError, match="an event says 'Car', labels does not"):
        read_manifest(write(tmp_path, "1\ta.wav\t\ttrain\tBus\t0 1 Car\tstrong"))


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "m.tsv").write_bytes("\ufeffid\taudio\tsplit\tlabels\r\n1\ta.wav\ttest\tBus\r\n".encode())
    assert read_manifest(tmp_path / "m.tsv").clips[0].labels == ("Bus",)


def test_a_tab_in_a_field_is_refused_by_the_writer(tmp_path):
    with pytest.raises(ManifestError, match="tab"):
        write_manifest(tmp_path / "m.tsv", [Clip("a\tb", tmp_path / "a", None, "train")], classes=[])


def test_the_class_list_may_have_a_byte_order_mark_and_is_named_where_it_is_no_text(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "classes.txt").write_bytes("\ufeffCar\r\nTür\r\n".encode())
    path = write(tmp_path, "1\ta.wav\t\ttrain\tCar\t\tweak")
    assert read_manifest(path).classes == ("Car", "Tür")
    (tmp_path / "classes.txt").write_bytes("Car\nTür\n".encode("latin-1"))
    with pytest.raises(ManifestError, match=r"classes\.txt:2: is not UTF-8 text \(byte fc\), .*; save it as UTF-8"):
        read_manifest(path)
