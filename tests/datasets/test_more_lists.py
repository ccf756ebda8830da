"""The lists of DCASE 2018, Audio Set and VGGSounder: counts of the whole lists, every trap, and the real commands.

The whole lists of Audio Set and VGGSounder are read where `$AVKERAS_LISTS` holds a folder of each.
"""

import json
import lzma
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from media_corpus import bursts, write_clip
from media_server import MediaServer

from avkeras.cli import main
from avkeras.data import RecordReader, audioset_classes, read_manifest
from avkeras.datasets import audioset, dcase2018, vggsounder
from avkeras.datasets.adopt import adopt
from avkeras.datasets.ledger import Ledger, read_ledger
from avkeras.datasets.remote_lists import place_lists
from avkeras.errors import AvkerasError, ManifestError

DATA = Path(__file__).parents[1] / "data"
WHOLE = Path(os.environ.get("AVKERAS_LISTS", "no folder given"))
MODULES = {"dcase2018": dcase2018, "audioset": audioset, "vggsounder": vggsounder}
# First letters that commands, patterns and official names might trip over.
IDS = ("-0A1_JR5f34", "__________2", "Yabcdefghij")
GOOGLES = "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=7\n# YTID, start_seconds, end_seconds, labels\n"


def needs(task):
    missing = not (WHOLE / task).is_dir()
    return pytest.mark.skipif(missing, reason=f"no {task} in $AVKERAS_LISTS")


def counts_of(task):
    return json.loads((DATA / task / "counts.json").read_text())


def first_letters(clips):
    return {letter: sum(clip.video[0] == letter for clip in clips) for letter in "-_Y"}


@pytest.fixture
def excerpt(tmp_path):
    """Copies the excerpts of a set and returns their folder."""

    def copy(task):
        return Path(shutil.copytree(DATA / task / "excerpt", tmp_path / task))

    return copy


@pytest.fixture(scope="module")
def lists_of_2018(tmp_path_factory):
    """All lists of 2018 but the one of 40 000 names without anything."""
    own, folder = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("2018")
    shutil.copytree(DATA / "dcase2018" / "lists", own, dirs_exist_ok=True)
    for name in ("weak", "unlabel_in_domain"):
        shutil.copy(DATA / "dcase2020" / "lists" / f"{name}.tsv.xz", own / f"{name}.csv.xz")
    parts = [part for part in dcase2018.PARTS if part != "unlabel_out_of_domain"]
    names = {name for part in parts for name in dcase2018.FILES[part]}
    assert place_lists([remote for remote in dcase2018.LISTS if remote.name in names], folder, own=own) == []
    return dcase2018.read_lists(folder, parts=parts)


@pytest.mark.parametrize("part", ["weak", "unlabel_in_domain", "test", "eval"])
def test_counts_of_2018(lists_of_2018, part):
    check_2018(lists_of_2018, part)


@needs("dcase2018")
def test_counts_of_2018_out_of_domain():
    check_2018(dcase2018.read_lists(WHOLE / "dcase2018"), "unlabel_out_of_domain")


def check_2018(lists, part):
    expected, found = counts_of("dcase2018")[part], lists.count()[part]
    clips = [clip for clip in lists.clips if clip.part == part]
    assert found.clips == expected["clips"] == dcase2018.CLIPS[part]
    assert first_letters(clips) == expected["begin_with"]
    assert {clip.split for clip in clips} == {dcase2018.PARTS[part]}
    if "clips_per_class" in expected:
        assert found.clips_per_class == expected["clips_per_class"]
    else:
        assert {(clip.supervision, clip.labels) for clip in clips} == {("unlabelled", ())}
    if "events" in expected:
        assert found.rows_per_class == expected["events_per_class"]
        assert found.without_labels == expected["clips_without_events"]
    assert dcase2018.validate(lists) == []


def test_clips_that_train_and_were_in_an_older_test_list_are_left_out(excerpt):
    counts = counts_of("dcase2018")["files_to_remove"]
    assert counts["names"] == counts["of_which_in_weak"] == 46
    folder = excerpt("dcase2018")
    before = dcase2018.read_lists(folder)
    with (folder / "test.csv").open("a") as file:  # as the list of April 2018 had it
        file.write("Y-sgDyi4BY-0_30.000_40.000.wav\t2.123\t2.562\tDog\n")
    lists = dcase2018.read_lists(folder)
    assert lists.clips == before.clips
    assert "test.csv: clips that files_to_remove.csv names: 1, left out" in lists.notes
    assert [clip.part for clip in lists.clips if clip.video == "-sgDyi4BY-0"] == ["weak"]


def test_traps_of_2018(excerpt):
    lists = dcase2018.read_lists(excerpt("dcase2018"))
    clips = {clip.id: clip for clip in lists.clips}
    assert clips["Y8X4RhPRTYQk_220.000_230.000"].labels == ("Running_water",)
    assert clips["Y_CZzm6jUxbo_30.000_40.000"].labels == ("Alarm_bell_ringing", "Speech")
    assert {clips["YY8eJAyDGFbE_250.000_260.000"].video, clips["Y_0T9vdiMWtk_480.000_490.000"].video} == {
        "Y8eJAyDGFbE",
        "_0T9vdiMWtk",
    }
    assert [clip.supervision for clip in lists.clips if clip.part == "eval" and not clip.labels] == ["strong"] * 2
    assert "test.csv: events that end after their clip: 1, kept" in lists.notes
    assert not any(clip.supervision == "strong" for clip in lists.clips if clip.split == "train")


@needs("audioset")
def test_counts_of_audio_set():
    lists = audioset.read_lists(WHOLE / "audioset", parts=["balanced", "evaluation"])
    assert audioset.validate(lists) == []
    for part, expected in counts_of("audioset").items():
        found, clips = lists.count()[part], [clip for clip in lists.clips if clip.part == part]
        assert (found.clips, found.labels) == (expected["clips"], expected["labels"])
        assert found.clips_per_class == expected["clips_per_class"]
        assert first_letters(clips) == expected["begin_with"]
        assert max(len(clip.labels) for clip in clips) == expected["most_labels"]
        assert sum(round(clip.end - clip.start, 3) == 10 for clip in clips) == expected["of_10_s"]
    for remote in audioset.LISTS[:2]:
        content = (WHOLE / "audioset" / remote.name).read_bytes()
        assert remote.note(content) == ""
        assert remote.note(content + b"\n") == ""
        assert "is not the official list" in remote.note(content.replace(b"zz", b"zy"))


def test_traps_of_audio_set(excerpt):
    lists = audioset.read_lists(excerpt("audioset"), parts=["balanced", "evaluation"])
    clips = {clip.id: clip for clip in lists.clips}
    first = clips["--PJHxphWEs_30.000_40.000"]
    assert (first.video, first.start, first.end) == ("--PJHxphWEs", 30.0, 40.0)
    assert first.labels == ("Speech", "Gush")
    assert [clip.video[0] for clip in lists.clips].count("_") == 2
    assert "Y-CDakgc2Lc_30.000_40.000" in clips  # the Y is the id's
    short = clips["AvwdLQP-Mlg_0.000_1.000"]
    assert short.end - short.start == 1.0
    dog = clips["--4gqARaEJE_0.000_10.000"]
    assert {"Domestic animals, pets", "Dog"} <= set(dog.labels)  # a comma in a name
    assert list(dog.labels) == sorted(dog.labels, key=audioset_classes().index)
    assert lists.classes == audioset_classes()
    assert lists.count()["balanced"].clips == 7


def test_googles_own_form_is_the_same_list(excerpt):
    folder = excerpt("audioset")
    file = folder / "balanced_train_segments.csv"
    before = audioset.read_lists(folder, parts=["balanced"])
    content = file.read_bytes()
    rows = file.read_text().splitlines()[1:]
    spaced = [", ".join(row.split(",", 3)) for row in rows]
    file.write_text(GOOGLES + "\n".join(spaced) + "\n")
    assert audioset.read_lists(folder, parts=["balanced"]).clips == before.clips
    assert audioset.plain(file.read_bytes()) == audioset.plain(content)


@needs("vggsounder")
def test_counts_of_vggsounder():
    lists, expected = vggsounder.read_lists(WHOLE / "vggsounder"), counts_of("vggsounder")
    assert vggsounder.validate(lists) == []
    assert len(lists.classes) == len(set(lists.classes)) == expected["classes"] == 309
    heard, seen = lists.count()["test"], [label for clip in lists.clips for label in clip.seen]
    assert heard.clips == expected["clips"]
    assert heard.clips_per_class == expected["heard_per_class"]
    assert {name: seen.count(name) for name in lists.classes} == expected["seen_per_class"]
    modalities = expected["modalities"]
    assert (heard.labels, len(seen)) == (modalities["A"] + modalities["AV"], modalities["V"] + modalities["AV"])
    assert heard.without_labels == expected["only_seen"]
    assert sum(not clip.seen for clip in lists.clips) == expected["only_heard"]
    assert first_letters(lists.clips) == expected["begin_with"]
    assert len({clip.video for clip in lists.clips}) == expected["videos"]
    assert f"vggsounder.csv: clips whose picture stands still: {expected['still']}" in lists.notes
    assert f"vggsounder.csv: clips with a voice over them: {expected['voice_over']}" in lists.notes


def test_traps_of_vggsounder(excerpt):
    lists = vggsounder.read_lists(excerpt("vggsounder"))
    clips = {clip.id: clip for clip in lists.clips}
    apart = clips["--i-y1v8Hy8_000000"]  # its rows do not stand together
    assert "female speech, woman speaking" in apart.labels
    assert len(apart.labels) == len(apart.seen) == 4
    assert (clips["-JTbHL7OKf0_000052"].labels, clips["-JTbHL7OKf0_000052"].seen) == ((), ("coyote howling",))
    assert (clips["Y0zPnwGCSw0_000048"].labels, clips["Y0zPnwGCSw0_000048"].seen) == (("fox barking",), ())
    piano = clips["-GOaBCyC5Js_000087"]
    assert set(piano.labels) - set(piano.seen) == {"playing piano"}
    same = [clip for clip in lists.clips if clip.video == "-7tYmeOmsRg"]
    assert [(clip.start, clip.end) for clip in same] == [(58.0, 68.0), (180.0, 190.0)]


@pytest.mark.parametrize(
    ("task", "file", "row", "words"),
    [
        ("dcase2018", "weak.csv", "YKK227gPpRn4_31.000_41.000.wav\tDog;Cat\n", "class 'Dog;Cat' is not in the class"),
        ("dcase2018", "unlabel_in_domain.csv", "what.wav\n", "'what' is not of the form"),
        ("audioset", "eval_segments.csv", 'short,0.000,1.000,"/m/09x0r"\n', "is not a video and its times"),
        ("audioset", "eval_segments.csv", '--PJHxphWE2,9.000,1.000,"/m/09x0r"\n', "is not a video and its times"),
        ("audioset", "eval_segments.csv", '--PJHxphWE2,0,1,"/m/09x0r,/m/0"\n', "class '/m/0' is none of Audio Set's"),
        ("audioset", "eval_segments.csv", '--4gqARaEJE,0,10,"/m/09x0r"\n', "_0.000_10.000' stands there twice"),
        ("vggsounder", "vggsounder.csv", "-JTbHL7OKf0,fox barking,A,False,False,False\n", "is not of the form"),
        ("vggsounder", "vggsounder.csv", "-JTbHL7OKf0_000052,fox,A,False,False,False\n", "class 'fox' is not in the"),
        ("vggsounder", "vggsounder.csv", "-JTbHL7OKf0_000052,fox barking,B,False,False,False\n", "modality 'B' is"),
        ("vggsounder", "vggsounder.csv", "-JTbHL7OKf0_000052,coyote howling,A,False,False,False\n", "twice"),
        ("vggsounder", "classes.csv", "308,vgg_308,air horn\n", "class 308 'air horn' stands out of order"),
    ],
)
def test_defects_name_file_and_row(excerpt, task, file, row, words):
    folder = excerpt(task)
    with (folder / file).open("a") as out:
        out.write(row)
    parts = [part for part in MODULES[task].PARTS if part != "unbalanced"]
    with pytest.raises(AvkerasError, match=file) as raised:
        MODULES[task].read_lists(folder, parts=parts)
    assert words in str(raised.value)


def test_the_unbalanced_list_is_the_users_own(excerpt, tmp_path, capsys):
    folder = excerpt("audioset")
    options = ["fetch", "audioset", "--lists", str(folder), "--offline", "--out"]
    main([*options, str(tmp_path / "out")])
    assert "unbalanced: left out: unbalanced_train_segments.csv is not downloaded" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([*options, str(tmp_path / "out"), "--splits", "unbalanced"])
    assert "no address of this list is known, and it is not in" in ended.value.code
    (folder / "unbalanced_train_segments.csv.xz").write_bytes(
        lzma.compress(f'{GOOGLES}{IDS[0]}, 1, 2, "/m/04rlf"'.encode())
    )
    main([*options, str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "left out" not in said
    assert "unbalanced_train_segments.csv: is not the official" not in said
    main(["status", str(tmp_path / "out")])
    assert ["unbalanced", "train", "1", "0", "0", "1"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


def test_files_by_the_names_under_which_they_go_round(tmp_path):
    sound = write_clip(tmp_path / "sound.mp4", sound=bursts(0.2, 44100)).read_bytes()
    lists = tmp_path / "lists"
    lists.mkdir()
    rows = [f'{video},30.000,40.000,"/m/09x0r"' for video in (*IDS, "-in_two_way")]
    (lists / "eval_segments.csv").write_text("\n".join([*rows, '-in_two_way,50.000,60.000,"/m/09x0r"']))
    clips = audioset.read_lists(lists, parts=["evaluation"]).clips
    media = tmp_path / "media"
    media.mkdir()
    names = (f"{IDS[0]}.m4a", f"Y{IDS[1]}.m4a", f"{IDS[2]}_30000_40000.m4a", "-in_two_way.m4a")
    for name in names:
        (media / name).write_bytes(sound)
    with Ledger(tmp_path / "out") as ledger:
        taken = adopt(clips[:4], media, ledger, names=audioset.other_names, among=clips)
    found = {id: Path(entry.audio).name for id, entry in read_ledger(tmp_path / "out").items()}
    assert found == {f"{id}_30.000_40.000": name for id, name in zip(IDS, names, strict=False)}
    assert len(taken.notes) == 1  # of a video with two clips the id alone tells neither
    assert "-in_two_way.m4a: fits several clips: taken for none" in taken.notes[0]


def lists_of(task, folder):
    """Writes lists of a set with three clips of the ids above; returns the names of the clips."""
    folder.mkdir()
    if task == "dcase2018":
        for part, names in dcase2018.FILES.items():
            for name in names:
                header = {"weak": "filename\tevent_labels", "test": "filename\tonset\toffset\tevent_label"}
                header["eval"] = header["test"]
                plain = name.startswith(("unlabel", "files"))
                (folder / name).write_text(("filename" if plain else header[part]) + "\n")
        with (folder / "weak.csv").open("a") as file:
            file.writelines(f"Y{video}_4.000_7.000.wav\tDog,Speech\n" for video in IDS)
        return [f"Y{video}_4.000_7.000" for video in IDS]
    if task == "audioset":
        rows = [f'{video}, 4.000, 7.000, "/m/0bt9lr,/m/09x0r"\n' for video in IDS]
        (folder / "eval_segments.csv").write_text(GOOGLES + "".join(rows))
        (folder / "balanced_train_segments.csv").write_text(GOOGLES)
        return [f"{video}_4.000_7.000" for video in IDS]
    shutil.copy(DATA / "vggsounder" / "excerpt" / "classes.csv", folder)
    rows = [f'{video}_000004,"{label}",{kind},False,False,False\n' for label, kind in LABELS for video in IDS]
    (folder / "vggsounder.csv").write_text("video_id,label,modality,background_music,static_image,voice_over\n")
    with (folder / "vggsounder.csv").open("a") as file:
        file.writelines(rows)
    return [f"{video}_000004" for video in IDS]


LABELS = (("dog barking", "V"), ("child speech, kid speaking", "AV"), ("playing piano", "A"))


@pytest.mark.parametrize("task", MODULES)
def test_ids_survive_fetch_status_and_extract(embedders, embedder_cache, tmp_path, capsys, task):
    names = lists_of(task, tmp_path / "lists")
    film = write_clip(
        tmp_path / "film.mp4", frame_times=np.arange(40) / 5, sound=bursts(8.0, 44100), video_codec="mpeg4"
    ).read_bytes()
    out = tmp_path / "out"
    with MediaServer(dict.fromkeys(IDS, film)) as server:
        options = ("--lists", tmp_path / "lists", "--source", server.template, "--sleep", 0, "--out", out)
        main(["fetch", task, *map(str, options)])
    assert "3 clips: 3 done" in capsys.readouterr().out
    assert sorted(file.stem for file in (out / "audio").iterdir()) == sorted(names)
    main(["status", str(out)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    part = {"dcase2018": "weak", "audioset": "evaluation", "vggsounder": "test"}[task]
    assert [part, MODULES[task].PARTS[part], "3", "3", "0", "0"] in rows
    manifest = read_manifest(out / "manifest.tsv")
    assert [clip.id for clip in manifest.clips] == names
    assert all(clip.video for clip in manifest.clips)
    assert ("seen" in (out / "manifest.tsv").read_text().split("\n")[0]) == (task == "vggsounder")
    if task == "vggsounder":
        heard, seen = ("child speech, kid speaking", "playing piano"), ("child speech, kid speaking", "dog barking")
        assert {(clip.labels, clip.seen) for clip in manifest.clips} == {(heard, seen)}
        assert len(manifest.classes) == 309
    used = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    main(["extract", str(out / "manifest.tsv"), "--embedders", *used, "--workers", "1", "--strict"])
    assert "3 clips: 3 done (0 without video), 0 failed" in capsys.readouterr().out
    for store in (out / "records").glob("*/"):
        assert {id: record.frames > 0 for id, record in RecordReader(store).records.items()} == dict.fromkeys(
            names, True
        )


def test_what_counts_as_the_label_of_a_clip(tmp_path):
    file = tmp_path / "m.tsv"
    file.write_text("id\taudio\tsplit\tlabels\tseen\na\ta.wav\ttest\tCar|Dog\tDog|Cat\nb\tb.wav\ttest\t\tCat\n")
    expected = {
        "heard": [("Car", "Dog"), ()],
        "seen": [("Dog", "Cat"), ("Cat",)],
        "either": [("Car", "Dog", "Cat"), ("Cat",)],
        "both": [("Dog",), ()],
    }
    for targets, labels in expected.items():
        found = read_manifest(file, check_files=False, targets=targets)
        assert [clip.labels for clip in found.clips] == labels
        assert found.classes == ("Car", "Cat", "Dog")
    file.write_text("id\taudio\tsplit\tlabels\nb\tb.wav\ttest\t\n")
    with pytest.raises(ManifestError, match=r"m.tsv:1: column 'seen' is missing"):
        read_manifest(file, check_files=False, targets="both")
    with pytest.raises(ValueError, match="targets must be one of heard, seen, either, both"):
        read_manifest(file, check_files=False, targets="felt")
