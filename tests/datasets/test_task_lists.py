"""The official lists as they are: counts of the whole lists, every trap in excerpts, and defects."""

import hashlib
import json
import lzma
import re
import shutil
from pathlib import Path

import pytest
from media_server import MediaServer

from avkeras.data.manifest import Clip, Event, read_manifest, write_manifest
from avkeras.datasets import audioset, dcase2017, dcase2018, dcase2020, vggsounder
from avkeras.datasets.demo.tasks import TASKS
from avkeras.datasets.remote_lists import RemoteList, place_lists
from avkeras.datasets.task_lists import parse_name
from avkeras.errors import AvkerasError

DATA = Path(__file__).parents[1] / "data"
ONE = "-5QrBL6MzLg_60.000_70.000.wav"
STRONG = "groundtruth_strong_label_testing_set.csv"
MODULES = {"dcase2017": dcase2017, "dcase2020": dcase2020}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The whole official lists of both tasks."""
    folder = tmp_path_factory.mktemp("lists")
    for name, module in MODULES.items():
        assert place_lists(module.LISTS, folder / name, own=DATA / name / "lists") == []
    return {name: module.read_lists(folder / name) for name, module in MODULES.items()}


@pytest.fixture
def excerpt(tmp_path):
    """Copies the excerpts of a task and returns their folder."""

    def copy(task):
        return Path(shutil.copytree(DATA / task / "excerpt", tmp_path / task))

    return copy


def counts_of(task):
    return json.loads((DATA / task / "counts.json").read_text())


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("training", "training"),
        ("testing", "testing (paper: validation)"),
        ("evaluation", "evaluation (paper: test)"),
    ],
)
def test_counts_of_2017(whole, part, named):
    expected, found = counts_of("dcase2017")["partitions"][named], whole["dcase2017"].count()[part]
    assert found.clips == expected["clips"] == dcase2017.CLIPS[part]
    assert found.labels == expected["labels"]
    assert found.clips_per_class == expected["clips_per_class"]
    clips = [clip for clip in whole["dcase2017"].clips if clip.part == part]
    assert {clip.split for clip in clips} == {dcase2017.PARTS[part]}
    for number, count in expected["labels_per_clip"].items():
        assert sum(len(clip.labels) == int(number) for clip in clips) == count
    for seconds, count in expected["nominal_duration_s"].items():
        assert sum(abs(clip.end - clip.start - float(seconds)) < 1e-6 for clip in clips) == count
    if part != "training":
        assert found.rows_per_class == expected["strong_rows_per_class"]
        assert sum(found.rows_per_class.values()) == expected["strong_rows"]
        zero = expected["strong_rows_zero_zero"]
        assert any(f"not heard: {zero}, no event" in note for note in whole["dcase2017"].notes)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("synthetic20", "synthetic20 (strong)"),
        ("weak", "weak"),
        ("unlabel_in_domain", "unlabel_in_domain"),
        ("validation", "validation, cleaned version (DESED master, DCASE 2021+)"),
        ("public", "public evaluation"),
    ],
)
def test_counts_of_2020(whole, part, named):
    expected, found = counts_of("dcase2020")["partitions"][named], whole["dcase2020"].count()[part]
    assert found.clips == expected["clips"] == dcase2020.CLIPS[part]
    if part != "unlabel_in_domain":
        assert found.clips_per_class == expected["clips_per_class"]
    if part == "weak":  # three rows name a class twice
        assert found.labels == expected["labels"] - 3 == sum(expected["clips_per_class"].values())
    if "events" in expected:
        assert found.events == expected["events"]
        assert found.rows_per_class == expected["events_per_class"]
        assert found.without_labels == expected["clips_without_events"]


@pytest.mark.parametrize("task", MODULES)
def test_whole_lists_are_valid_and_fit_the_manifest(whole, task, tmp_path):
    module, lists = MODULES[task], whole[task]
    assert module.validate(lists) == []
    assert len({clip.id for clip in lists.clips}) == len(lists.clips)
    clips = [
        Clip(clip.id, tmp_path / f"{clip.id}.flac", None, clip.split, clip.labels, clip.events, clip.supervision)
        for clip in [*lists.clips[:-1600:10], *lists.clips[-1600:]]
    ]
    write_manifest(tmp_path / "manifest.tsv", clips, classes=lists.classes)
    assert read_manifest(tmp_path / "manifest.tsv", check_files=False).clips == tuple(clips)


@pytest.mark.parametrize("task", MODULES)
def test_classes_are_the_official_ones_and_those_of_the_demo(task):
    classes = counts_of(task)["classes"]
    assert list(MODULES[task].CLASSES) == [name if isinstance(name, str) else name["name"] for name in classes]
    assert TASKS[task].classes == MODULES[task].CLASSES


def test_class_codes_are_those_of_the_class_list():
    lines = (DATA / "dcase2017" / "excerpt" / "sound_event_list_17_classes.txt").read_text().splitlines()[1:]
    assert [tuple(line.split("\t")[::2]) for line in lines] == list(dcase2017.MIDS.items())


def test_traps_of_2017(excerpt):
    folder = excerpt("dcase2017")
    assert b"\r\n" in (folder / "training_set.csv").read_bytes()
    assert b"\r\n" not in (folder / "groundtruth_strong_label_testing_set.csv").read_bytes()
    lists = dcase2017.read_lists(folder)
    clips = {clip.id: clip for clip in lists.clips}
    assert clips["-Gbohom8C4Q_30.000_40.000"].labels == ("Train horn", "Air horn, truck horn", "Train")
    first = clips["2ceUOv8A3FE_20.000_30.000"]  # there is no header: the first row is a clip
    assert (first.video, first.start, first.end, first.part) == ("2ceUOv8A3FE", 20.0, 30.0, "training")
    assert first.supervision == "weak"
    assert Event(2.705, 9.0, "Train horn") in clips["-E0shPRxAbo_30.000_40.000"].events  # two that overlap
    assert clips["dSfcznv4KLo_30.000_40.000"].events.count(Event(0.0, 5.942, "Car")) <= 1
    assert clips["--zLzL0sq3M_30.000_40.000"].events == ()
    assert clips["--zLzL0sq3M_30.000_40.000"].labels == ("Car", "Car passing by")
    kept = clips["-oCvKmNbhl0_30.000_40.000"]  # one row says 0 0, another that the class was heard
    assert [event.label for event in kept.events].count("Truck") >= 1
    assert any(clip.video.startswith("Y") for clip in lists.clips)
    assert min(clip.end - clip.start for clip in lists.clips) == pytest.approx(1.0)
    assert len(lists.notes) == 4


def test_traps_of_2020(excerpt):
    lists = dcase2020.read_lists(excerpt("dcase2020"))
    clips = {clip.id: clip for clip in lists.clips}
    empty = [clip for clip in lists.clips if clip.part == "validation" and not clip.labels]
    assert [clip.events for clip in empty] == [(), (), ()]
    assert {clip.supervision for clip in empty} == {"strong"}
    public = clips["sdHVFACi42A_16_27"]
    assert (public.video, public.start, public.end) == ("sdHVFACi42A", 16.0, 27.0)
    assert max(event.offset for event in public.events) == 11.0
    assert clips["Y8X4RhPRTYQk_220.000_230.000"].labels == ("Running_water",)
    late = clips["Y4p-h_aOrhIw_30.000_40.000"]
    assert max(event.offset for event in late.events) == 10.115
    assert clips["00"].video is None
    assert clips["00"].supervision == "strong"
    assert clips["WP8aI1IXNCQ_0_5"].key == clips["YWP8aI1IXNCQ_0.000_5.000"].key
    assert sorted(note.split(":")[0] for note in lists.notes) == ["public.tsv", "validation.tsv", "weak.tsv"]
    durations = dcase2020.read_durations(DATA / "dcase2020" / "excerpt" / "validation_durations.tsv")
    assert set(durations) == {clip.id for clip in lists.clips if clip.part == "validation"}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Y-5QrBL6MzLg_60.000_70.000", ("-5QrBL6MzLg", 60.0, 70.0)),
        ("-5QrBL6MzLg_60_70", ("-5QrBL6MzLg", 60.0, 70.0)),
        ("Yabcdefghij_0_10", ("Yabcdefghij", 0.0, 10.0)),  # 11 characters: the Y is the id's
        ("YYabcdefghij_0_10", ("Yabcdefghij", 0.0, 10.0)),
        ("Y__________2_1.5_2", ("__________2", 1.5, 2.0)),
        ("00", None),
        ("abcdefghijk", None),
        ("abcdefghijkl_0_10", None),
    ],
)
def test_official_names(name, place):
    assert parse_name(name) == place


@pytest.mark.parametrize(
    ("task", "file", "row", "words"),
    [
        ("dcase2017", "training_set.csv", "abcdefghijk,0.000,10.000,Cow,/m/000\r\n", "class '/m/000' is not in the"),
        ("dcase2017", "training_set.csv", "short,0.000,10.000,Car,/m/0k4j\r\n", "is not a video and its times"),
        ("dcase2017", "testing_set.csv", '2ceUOv8A3FE,20.000,30.000,"Car",/m/0k4j,x\r\n', "has 6 fields, not 5"),
        (
            "dcase2017",
            "groundtruth_strong_label_testing_set.csv",
            f"{ONE}\t3\t2\tCar\n",
            "must have 0 <= onset < offset",
        ),
        ("dcase2017", STRONG, f"{ONE}\tx\t2\tCar\n", "are not numbers"),
        ("dcase2017", STRONG, "a\t1\t2\tCar\n", "clip 'a' is not in testing_set.csv"),
        ("dcase2017", "groundtruth_weak_label_evaluation_set.csv", "a.wav\t0\t1\tCar\n", "is not of the form"),
        ("dcase2020", "weak.tsv", "YKK227gPpRn4_31.000_41.000.wav\tCow\n", "class 'Cow' is not in the class list"),
        ("dcase2020", "weak.tsv", "KK227gPpRn4_30_40.wav\tCat\n", "clip 'KK227gPpRn4_30_40' stands there twice"),
        ("dcase2020", "public.tsv", "what.wav\t0\t1\tCat\n", "'what' is not of the form"),
    ],
)
def test_defects_name_file_and_row(excerpt, task, file, row, words):
    folder = excerpt(task)
    with (folder / file).open("a", newline="") as out:
        out.write(row)
    with pytest.raises(AvkerasError, match=file) as raised:
        MODULES[task].read_lists(folder)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_list_and_wrong_header(excerpt):
    folder = excerpt("dcase2020")
    (folder / "weak.tsv").write_text("filename,event_labels\n")
    with pytest.raises(AvkerasError, match=r"weak.tsv:1: must be 'filename"):
        dcase2020.read_lists(folder)
    (folder / "weak.tsv").unlink()
    with pytest.raises(AvkerasError, match=r"weak.tsv: cannot be read \(No such file"):
        dcase2020.read_lists(folder)


def test_some_parts_need_their_own_lists_only(excerpt):
    folder = excerpt("dcase2020")
    (folder / "public.tsv").unlink()
    lists = dcase2020.read_lists(folder, parts=["weak", "validation"])
    assert lists.parts == ("weak", "validation")
    assert {clip.part for clip in lists.clips} == set(lists.parts) == set(lists.count())


def test_excerpts_are_not_the_whole_lists(excerpt):
    lists = dcase2020.read_lists(excerpt("dcase2020"))
    assert "public: 5 clips, not 692" in dcase2020.validate(lists)


@pytest.mark.parametrize("module", [audioset, dcase2017, dcase2018, dcase2020, vggsounder])
def test_every_list_has_a_checksum_and_a_pinned_address_or_says_so(module):
    for remote in module.LISTS:
        if not remote.url:
            assert remote.name in module.__doc__
        else:
            assert len(remote.sha256) == 64
            assert any(re.fullmatch("[0-9a-f]{8,40}", part) for part in remote.url.split("/"))
    assert "Proc." in module.cite()
    assert module.LICENCE


def test_lists_are_downloaded_once_and_checked(tmp_path):
    content = b"filename\n"
    digest = hashlib.sha256(content).hexdigest()
    with MediaServer({"a.tsv": content}) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        for _ in range(2):
            assert place_lists([RemoteList("a.tsv", digest, f"{url}a.tsv")], tmp_path / "lists") == []
        assert len(server.asked("a.tsv")) == 1
        assert (tmp_path / "lists" / "a.tsv").read_bytes() == content
        with pytest.raises(AvkerasError, match=r"b.tsv: .* holds another content than expected.*(lists)"):
            place_lists([RemoteList("b.tsv", "0" * 64, f"{url}a.tsv")], tmp_path / "lists")
        with pytest.raises(AvkerasError, match=r"b.tsv: cannot be had from .*none.tsv \(404\).*lists"):
            place_lists([RemoteList("b.tsv", "0" * 64, f"{url}none.tsv")], tmp_path / "lists")
    with pytest.raises(AvkerasError, match=r"b.tsv: cannot be had from .* \(ConnectionError\)"):
        place_lists([RemoteList("b.tsv", "0" * 64, f"{url}a.tsv")], tmp_path / "lists")
    assert [file.name for file in (tmp_path / "lists").iterdir()] == ["a.tsv"]


def test_own_lists_may_differ_and_that_is_told(tmp_path):
    (tmp_path / "own").mkdir()
    packed = lzma.compress(b"filename\n")
    (tmp_path / "own" / "a.tsv.xz").write_bytes(packed)
    notes = place_lists([RemoteList("a.tsv", "0" * 64)], tmp_path / "lists", own=tmp_path / "own")
    assert notes[0].startswith("a.tsv: is not the official list")
    assert (tmp_path / "lists" / "a.tsv").read_bytes() == b"filename\n"
    with pytest.raises(AvkerasError, match="no such folder"):
        place_lists([RemoteList("a.tsv", "0" * 64)], tmp_path / "lists", own=tmp_path / "none")
    with pytest.raises(AvkerasError, match=r"b.tsv: no address of this list is known"):
        place_lists([RemoteList("b.tsv", "0" * 64)], tmp_path / "lists")
