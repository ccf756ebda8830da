"""Fetching from a real server on loopback that answers as real ones do: well, badly, late or not at all."""

import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, onset, picture_number, write_clip
from media_server import MediaServer

from avkeras.cli import main
from avkeras.commands.fetch_view import show_fetch
from avkeras.data.manifest import read_manifest
from avkeras.datasets import dcase2017
from avkeras.datasets.failures import FetchError
from avkeras.datasets.fetch import choose_parts, fetch, spread
from avkeras.datasets.ledger import NAME, Entry, Ledger, read_ledger
from avkeras.datasets.outcomes import Outcomes
from avkeras.datasets.status import status
from avkeras.datasets.task_lists import SourceClip
from avkeras.errors import AvkerasError, WriteError
from avkeras.media.video import load_frames

FAST = {"sleep": 0.0, "timeout": 5.0, "tries": 2}


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """Contents of media files: 8 s, pictures numbered at 10 a second, bursts at 1.0 and 4.5 s."""
    folder = tmp_path_factory.mktemp("media")
    sound, times = bursts(8.0, 44100, at=(1.0, 4.5)), np.arange(80) / 10
    options = {"video_codec": "mpeg4", "video_options": {"g": "10"}}
    return {
        "film": write_clip(folder / "film.mp4", frame_times=times, sound=sound, **options).read_bytes(),
        "blind": write_clip(folder / "blind.mp4", sound=sound).read_bytes(),
        "silent": write_clip(folder / "silent.mp4", frame_times=times, **options).read_bytes(),
        "short film": write_clip(folder / "s.mp4", frame_times=times[:10], sound=sound, **options).read_bytes(),
        "noise": b"\0\0\0\x18ftypisom" + np.random.default_rng(0).bytes(3000),
    }


def video(number):
    return f"video{number:06d}"


@pytest.fixture
def lists(tmp_path):
    """Writes lists of DCASE 2017 in which every training clip is 4 to 7 s of one video."""

    def write(videos, *, testing=(), start="4.000", end="7.000"):
        folder = tmp_path / "given"
        folder.mkdir(exist_ok=True)

        def rows(names):
            return "".join(f'{name},{start},{end},"Car","/m/0k4j"\r\n' for name in names)

        (folder / "training_set.csv").write_text(rows(videos), newline="")
        (folder / "testing_set.csv").write_text(rows(testing), newline="")
        strong = "".join(f"{name}_{start}_{end}.wav\t0.5\t0.6\tCar\n" for name in testing)
        (folder / dcase2017.FILES["testing"][1]).write_text(strong)
        for name in dcase2017.FILES["evaluation"]:
            (folder / name).write_text("")
        return folder

    return write


def states(folder):
    return {id.split("_")[0]: entry.state for id, entry in read_ledger(folder).items()}


def entry_of(folder, name):
    return read_ledger(folder)[f"{name}_4.000_7.000"]


def test_the_segment_is_what_comes(media, lists, tmp_path):
    names = [video(0), video(1)]
    with MediaServer({video(0): media["film"], video(1): media["film"]}) as server:
        folder, steps = tmp_path / "out", []
        given = lists([video(0)], testing=[video(1)])
        summary = fetch(
            "dcase2017",
            folder,
            lists=given,
            source=server.template,
            progress=lambda done, total: steps.append((done, total)),
            **FAST,
        )
    assert summary.tried == {"done": 2}
    assert sorted(steps) == [(1, 2), (2, 2)]
    manifest = read_manifest(folder / "manifest.tsv")
    assert manifest.classes == dcase2017.CLASSES
    assert [(clip.id, clip.split, clip.labels) for clip in manifest.clips] == [
        (f"{names[0]}_4.000_7.000", "train", ("Car",)),
        (f"{names[1]}_4.000_7.000", "validation", ("Car",)),
    ]
    assert manifest.clips[1].events[0][:2] == (0.5, 0.6)
    for clip in manifest.clips:
        sound, rate = soundfile.read(clip.audio)
        assert len(sound) == 3 * rate
        assert onset(sound, rate) == pytest.approx(0.5, abs=0.002)
        frames, seen = load_frames(clip.video, np.array([0.04, 1.54]))
        assert seen.all()
        assert [picture_number(frame) for frame in frames] == pytest.approx([40, 55], abs=1)
    assert any("training_set.csv: is not the official list" in note for note in summary.notes)
    assert "Apache" in (folder / "lists" / "LICENCE.txt").read_text()


def test_a_clip_in_the_lists_of_two_splits_is_not_trained_on(media, lists, tmp_path):
    names = [video(0), video(1)]
    with MediaServer(dict.fromkeys(names, media["film"])) as server:
        given = lists(names, testing=[video(1)])
        summary = fetch("dcase2017", tmp_path / "out", lists=given, source=server.template, **FAST)
    assert any("several splits: 1, kept only where they are scored" in note for note in summary.notes)
    clips = read_manifest(summary.manifest).clips
    assert {clip.id.split("_")[0]: clip.split == "train" for clip in clips} == {video(0): True, video(1): False}
    assert summary.in_manifest == len(clips) == 2


def test_every_answer_has_its_state_and_is_not_asked_for_twice(media, lists, tmp_path):
    answers = {
        "film_______": ("film", None, "done", ""),
        "noranges___": ("film", "no ranges", "done", ""),
        "once500____": ("film", (500, 1, {}), "done", ""),
        "once429____": ("film", (429, 1, {"Retry-After": "1"}), "done", ""),
        "blind______": ("blind", None, "done", ""),
        "shortfilm__": ("short film", None, "done", ""),
        "silent_____": ("silent", None, "failed", "the source has no sound"),
        "noise______": ("noise", None, "failed", "truncated or damaged"),
        "unfinished_": ("half", None, "failed", "truncated or damaged"),
        "page_______": ("film", "text", "failed", "Unsupported URL"),
        "away404____": (None, None, "gone", "HTTP 404"),
        "away410____": ("film", 410, "gone", "HTTP 410"),
        "forbidden__": ("film", 403, "blocked", "HTTP 403"),
        "broken_____": ("film", 500, "failed", "HTTP 500"),
        "cutshort___": ("film", "cut", "failed", "cut short"),
    }
    contents = media | {"half": media["film"][: len(media["film"]) // 2]}
    files = {name: contents[file] for name, (file, *_) in answers.items() if file}
    with MediaServer(files, {name: answer for name, (_, answer, *_) in answers.items()}) as server:
        folder, given = tmp_path / "out", lists(answers)
        options = {"lists": given, "source": server.template} | FAST | {"timeout": 1.5, "jobs": 8}
        summary = fetch("dcase2017", folder, **options)
        assert states(folder) == {name.rstrip("_"): state for name, (_, _, state, _) in answers.items()}
        for name, (_, _, state, why) in answers.items():
            assert why in entry_of(folder, name).why, name
            assert bool(why) == (state != "done")
        assert (summary.tried["done"], summary.tried["gone"], summary.in_manifest) == (6, 2, 6)
        assert entry_of(folder, "blind______").video_why == "the source has no pictures"
        assert "holds nothing that can be decoded" in entry_of(folder, "shortfilm__").video_why
        clips = {clip.id.split("_")[0]: clip for clip in read_manifest(folder / "manifest.tsv").clips}
        assert (clips["blind"].video, clips["shortfilm"].video) == (None, None)
        assert clips["noranges"].video is not None
        assert len(server.asked("broken_____")) == 2
        assert len(server.asked("away404____")) == 1

        server.requests.clear()
        content = (folder / NAME).read_bytes()
        again = fetch("dcase2017", folder, **options)
        assert server.requests == []
        assert (again.tried, again.before, again.in_manifest) == ({}, len(answers), 6)
        assert (folder / NAME).read_bytes() == content

        server.behaviours |= {"away410____": None, "broken_____": None}
        fetch("dcase2017", folder, retry=["gone"], **options)
        assert {request[1] for request in server.requests} == {"away404____", "away410____"}
        assert (states(folder)["away410"], states(folder)["broken"]) == ("done", "failed")

        (row, *_) = status(folder)
        assert (row.clips, row.with_video, row.without_video) == (15, 5, 2)
        assert (row.missing["gone"], row.missing["blocked"], row.missing["failed"]) == (1, 1, 6)
        assert row.video_reasons["the source has no pictures"] == 1


def test_429_stops_everybody_for_as_long_as_asked(media, lists, tmp_path):
    names = [video(number) for number in range(4)]
    with MediaServer(dict.fromkeys(names, media["film"]), {names[0]: (429, 1, {"Retry-After": "1"})}) as server:
        server.delay = 0.1
        fetch(
            "dcase2017", tmp_path / "out", lists=lists(names), source=server.template, jobs=2, **FAST | {"sleep": 0.05}
        )
        times = [when for when, *_ in server.requests]
        assert max(later - earlier for earlier, later in itertools.pairwise(times)) > 0.9
        assert times[-1] - times[0] > 1.0
    assert set(states(tmp_path / "out").values()) == {"done"}


def test_a_source_that_refuses_clip_after_clip_is_left_alone(media, lists, tmp_path):
    names = [video(number) for number in range(30)]
    with MediaServer({}, {name: (429, 99, {"Retry-After": "99999"}) for name in names}) as server:
        options = {"lists": lists(names), "source": server.template, "jobs": 2, **FAST, "tries": 4}
        summary = fetch("dcase2017", tmp_path / "out", **options)
        assert "refuses clip after clip (HTTP 429" in summary.stopped
        assert len(server.requests) <= 6
        assert states(tmp_path / "out") == {}
        assert (summary.tried, 3 <= summary.left <= 6, summary.manifest) == ({}, True, None)
        server.behaviours.clear()
        assert fetch("dcase2017", tmp_path / "out", **options).tried == {"gone": 30}


def test_a_network_that_is_down_does_not_use_up_the_clips(lists, tmp_path):
    with MediaServer({}) as server:
        template = server.template
    options = {"lists": lists([video(number) for number in range(40)]), "source": template, **FAST, "tries": 1}
    summary = fetch("dcase2017", tmp_path / "out", jobs=2, **options)
    assert "cannot be reached for clip after clip (connection failed" in summary.stopped
    assert states(tmp_path / "out") == {}
    assert 10 <= summary.left < 40
    with pytest.raises(AvkerasError, match=r"cannot be reached.*; give the same command later"):
        show_fetch("dcase2017", tmp_path / "out", summary)


def test_the_same_command_tries_the_clips_of_a_short_outage_again(media, lists, tmp_path, capsys):
    """No clip of it is in the ledger, so that a kill changes nothing; what the source answered is asked for once."""
    names, folder = [video(number) for number in range(5)], tmp_path / "out"
    given = lists(names)
    with MediaServer({}) as server:
        down = command(folder, given, server, "--tries", "1")
    with pytest.raises(SystemExit, match=r"cannot be reached for every clip \(.*\); give the same command later"):
        main(down)
    printed = capsys.readouterr().out
    assert "5 clips: none tried, 0 left as they were" in printed
    assert "5 clips had no answer or a refusal from the source: the same command tries them again" in printed
    assert states(folder) == {}
    with MediaServer(dict.fromkeys(names[:3], media["film"]), {names[0]: "stall", names[4]: 503}) as server:
        main(command(folder, given, server, "--tries", "1", "--timeout", "1"))
        assert states(folder) == {names[1]: "done", names[2]: "done", names[3]: "gone", names[4]: "failed"}
        assert "1 clips had no answer" in capsys.readouterr().out
        server.requests.clear()
        server.behaviours.clear()
        main(command(folder, given, server))
        assert {request[1] for request in server.requests} == {names[0]}
        assert states(folder)[names[0]] == "done"


def test_an_outage_leaves_what_an_earlier_run_said(lists, tmp_path):
    names, folder = [video(0), video(1)], tmp_path / "out"
    with MediaServer({}) as server:
        options = {"lists": lists(names), "source": server.template} | FAST | {"tries": 1}
        fetch("dcase2017", folder, **options)
    content = (folder / NAME).read_bytes()
    summary = fetch("dcase2017", folder, retry=["gone"], **options)
    assert (summary.tried, summary.left) == ({}, 2)
    assert (folder / NAME).read_bytes() == content


def test_a_source_that_breaks_for_all_costs_no_clip(lists, tmp_path):
    """Ten errors in a row end the run and are left; fewer are kept as answers about those clips."""
    names = [video(number) for number in range(12)]
    with MediaServer({}, dict.fromkeys(names[1:], 503)) as server:
        options = {"lists": lists(names), "source": server.template, "jobs": 1} | FAST | {"tries": 1}
        summary = fetch("dcase2017", tmp_path / "all", **options)
        assert "clip after clip (HTTP 503" in summary.stopped
        assert states(tmp_path / "all") == {names[0]: "gone"}
        summary = fetch("dcase2017", tmp_path / "some", **options | {"limit": 9})
        assert (summary.tried, summary.left, summary.stopped) == ({"gone": 1, "failed": 8}, 0, "")


def test_sound_that_came_before_an_outage_is_kept(tmp_path):
    """And nobody has looked for its pictures, so that the same command does."""
    error = FetchError("failed", "connection failed", again=True)
    error.unanswered = True
    with Ledger(tmp_path) as ledger:
        outcomes = Outcomes(ledger)
        outcomes.take(Entry("a", "done", audio="audio/a.flac", video_why=error.why), error)
        outcomes.end()
    assert read_ledger(tmp_path) == {"a": Entry("a", "done", audio="audio/a.flac")}
    assert (outcomes.tried, outcomes.left, outcomes.stopped) == ({"done": 1}, 1, "")


def test_pictures_that_fail_are_tried_again_when_asked(media, lists, tmp_path):
    """The sound that is there stays as it is."""
    name, folder = video(0), tmp_path / "out"
    with MediaServer({name: media["short film"]}) as server:
        options = {"lists": lists([name]), "source": server.template} | FAST
        fetch("dcase2017", folder, **options)
        assert entry_of(folder, name).video == ""
        sound = (folder / entry_of(folder, name).audio).read_bytes()
        server.files[name] = media["film"]
        assert fetch("dcase2017", folder, **options).before == 1
        fetch("dcase2017", folder, retry=["video"], **options)
        assert entry_of(folder, name).video == f"video/{name}_4.000_7.000.mp4"
        assert (folder / entry_of(folder, name).audio).read_bytes() == sound
        (folder / entry_of(folder, name).video).unlink()
        assert status(folder)[0].video_reasons == {"the file was deleted": 1}
        assert fetch("dcase2017", folder, **options).tried == {"done": 1}
        assert status(folder)[0].with_video == 1


def test_own_sound_gets_pictures_from_the_source(media, lists, tmp_path):
    mine = tmp_path / "mine" / f"Y{video(0)}_4.000_7.000.wav"
    mine.parent.mkdir()
    soundfile.write(mine, np.zeros(48000, np.float32), 16000)
    folder, given = tmp_path / "out", lists([video(0), video(1)])
    offline = fetch("dcase2017", folder, lists=given, media=mine.parent, offline=True)
    assert (offline.adopted, offline.without_source, offline.in_manifest) == (1, 1, 1)
    assert status(folder)[0].video_reasons == {"not looked for": 1}
    assert status(folder)[0].missing == {"not tried": 1}
    with MediaServer({video(0): media["film"]}) as server:
        fetch("dcase2017", folder, source=server.template, **FAST)
    clip = read_manifest(folder / "manifest.tsv").clips[0]
    assert clip.audio.samefile(mine)
    assert clip.video == folder / "video" / f"{video(0)}_4.000_7.000.mp4"
    assert states(folder)[video(1)] == "gone"


def test_desed_from_files_that_the_user_has(media, tmp_path, capsys):
    """Its training lists suffice for training; soundscapes are adopted, and lists given stay in the folder."""
    own, folder = tmp_path / "lists", tmp_path / "out"
    shutil.copytree(Path(__file__).parents[1] / "data" / "dcase2020" / "excerpt", own)
    (own / "public.tsv").unlink()
    mine = tmp_path / "audio"
    mine.mkdir()
    sound = np.zeros(1600, np.float32)
    for name in ("00", "YKK227gPpRn4_30.000_40.000", "-6p32k2WUCs_0_10"):
        soundfile.write(mine / f"{name}.wav", sound, 16000)
    (mine / "Y--CE2f-ttEQ_30.000_40.000.mp4").write_bytes(media["film"])
    options = ["--out", str(folder), "--media", str(mine), "--offline"]
    main(["fetch", "dcase2020", "--splits", "train", "--lists", str(own), *options])
    assert "4 adopted" in capsys.readouterr().out
    clips = {clip.id: clip for clip in read_manifest(folder / "manifest.tsv").clips}
    assert {name: clip.supervision for name, clip in clips.items()} == {
        "00": "strong",
        "YKK227gPpRn4_30.000_40.000": "weak",
        "Y-6p32k2WUCs_0.000_10.000": "weak",
        "Y--CE2f-ttEQ_30.000_40.000": "unlabelled",
    }
    assert [name for name, clip in clips.items() if clip.video] == ["Y--CE2f-ttEQ_30.000_40.000"]
    main(["fetch", "dcase2020", "--splits", "train", *options])
    assert "4 left as they were, 0 adopted" in capsys.readouterr().out
    rows = {row.part: row for row in status(folder)}
    assert list(rows) == ["synthetic20", "weak", "unlabel_in_domain"]
    assert rows["synthetic20"].missing == {"synthetic": rows["synthetic20"].clips - 1}
    assert list(rows["synthetic20"].reasons) == [("synthetic", "no source has it: adopt a file of your own (media)")]
    capsys.readouterr()
    main(["status", str(folder)])
    assert "synthetic: no source has it: adopt a file of your own (--media)" in capsys.readouterr().out


def command(folder, given, server, *more):
    arguments = ["fetch", "dcase2017", "--out", str(folder), "--lists", str(given), "--source", server.template]
    return [*arguments, "--sleep", "0", "--timeout", "5", "--tries", "2", *more]


def test_a_killed_run_goes_on_and_ends_the_same(media, lists, tmp_path):
    names = [video(number) for number in range(12)]
    files = dict.fromkeys(names, media["film"]) | {names[3]: media["blind"]}
    behaviours = {names[5]: 404, names[7]: 403}
    given = lists(names)
    with MediaServer(files, behaviours) as server:
        main(command(tmp_path / "whole", given, server, "--jobs", "3"))
        server.delay = 0.05
        code = "import sys\nfrom avkeras.cli import main\nmain(sys.argv[1:])"
        killed = [sys.executable, "-c", code, *command(tmp_path / "killed", given, server, "--jobs", "3")]
        for least in (2, 7):  # killed twice, at different places
            process = subprocess.Popen(killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while len(read_ledger(tmp_path / "killed")) < least:
                assert process.poll() is None, "ended before it was killed"
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert len(read_ledger(tmp_path / "killed")) < len(names)
        (tmp_path / "killed" / "audio" / ".partial-1-x.flac").write_bytes(b"left behind")
        server.requests.clear()
        done = {id.split("_")[0] for id in read_ledger(tmp_path / "killed")}
        main(command(tmp_path / "killed", given, server, "--jobs", "2"))
        assert not done & {request[1] for request in server.requests}
    whole, resumed = read_ledger(tmp_path / "whole"), read_ledger(tmp_path / "killed")
    assert resumed == whole
    for name in ("manifest.tsv", "classes.txt"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for folder in ("audio", "video"):
        listed = [sorted(os.listdir(tmp_path / run / folder)) for run in ("whole", "killed")]
        assert listed[0] == listed[1]


@pytest.mark.parametrize(
    ("behaviour", "too_large", "named"),
    [(None, "audio", r"/full/audio/{}\.flac"), (None, "video", r"/full/video/{}\.mp4"), ("no ranges", "film", "/temp")],
)
def test_a_full_disk_stops_the_run_and_costs_no_clip(media, lists, tmp_path, behaviour, too_large, named):
    """A limit on the size of files stands for the disk; the second clip is the one that does not fit."""
    names, folder = [video(number) for number in range(3)], tmp_path / "full"
    if too_large == "video":  # the sound fits
        sound = np.zeros((1, 8 * 44100), np.float32)
        write_clip(tmp_path / "blind.mp4", sound=sound)
        write_clip(tmp_path / "film.mp4", sound=sound, frame_times=np.arange(80) / 10, video_codec="mpeg4")
        media = {name: (tmp_path / f"{name}.mp4").read_bytes() for name in ("blind", "film")}
    films = dict.fromkeys(names, media["blind"]) | {names[1]: media["film"]}
    code = (
        "import resource, sys\nfrom avkeras.cli import main\nimport av, soundfile, yt_dlp\n"
        "limit = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), limit[1]))\nmain(sys.argv[2:])"
    )
    (tmp_path / "temp").mkdir()
    with MediaServer(films, {names[1]: behaviour}) as server:
        given = lists(names)
        main(command(tmp_path / "whole", given, server, "--jobs", "1"))
        sizes = {"film": len(media["film"])}
        for kind in ("audio", "video"):
            sizes[kind] = max(file.stat().st_size for file in (tmp_path / "whole" / kind).iterdir())
        limited = [sys.executable, "-c", code, str(sizes[too_large] * 3 // 4)]
        done = subprocess.run(
            [*limited, *command(folder, given, server, "--jobs", "1")],
            capture_output=True,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path / "temp")},
            check=False,
        )
        assert done.returncode == 1
        place = str(tmp_path) + named.format(rf"{names[0 if too_large == 'audio' else 1]}_4\.000_7\.000")
        assert re.search(rf"^error: {place}: cannot be written: File too large$", done.stderr.splitlines()[-1])
        assert set(states(folder).values()) <= {"done"}
        assert names[1] not in states(folder)
        main(command(folder, given, server))
    assert read_ledger(folder) == read_ledger(tmp_path / "whole")
    for name in ("manifest.tsv", "classes.txt"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_list_that_does_not_fit_on_the_disk_is_named(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.retrieve", full)
    with pytest.raises(WriteError, match=r"out/lists/training_set\.csv: cannot be written: No space left on device"):
        fetch("dcase2017", tmp_path / "out", splits=["training"], offline=True)


def test_commands_say_what_happened(media, lists, tmp_path, capsys):
    folder = tmp_path / "out"
    with MediaServer({video(0): media["film"]}, {video(2): (429, 99, {"Retry-After": "9999"})}) as server:
        main(command(folder, lists([video(0), video(1)]), server))
        printed = capsys.readouterr().out
        assert "2 clips: 1 done, 1 gone, 0 left as they were, 0 adopted" in printed
        assert f"Next: python recipes/dcase2017_av.py --data {folder / 'manifest.tsv'}" in printed
        assert (Path(__file__).parents[2] / "recipes" / "dcase2017_av.py").is_file()
        main(["status", str(folder)])
        table = capsys.readouterr().out.splitlines()
        assert table[0].split() == ["part", "split", "clips", "with", "video", "without", "missing"]
        assert table[1].split() == ["training", "train", "2", "1", "0", "1"]
        assert "1  gone: HTTP 404 Not Found" in table[3]
        main(command(folder, lists([video(0), video(1)]), server, "--retry"))
        assert "1 gone, 1 left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--splits", "trian"], "--splits: 'trian' is none of train, validation, test, training"),
        (["--limit", "0"], "--limit: 0 must be above 0"),
        (["--jobs", "-1"], "--jobs: -1 must be above 0"),
        (["--retry", "done"], "--retry: 'done' is none of gone, private, blocked, failed, video"),
        (["--source", "file:///{id}"], "--source: 'file:///{id}' must begin with http"),
        (["--source", "http://x/"], "must begin with http:// or https:// and hold {id}"),
        (["--lists", "/none"], "/none: no such folder"),
        (["--media", "/none"], "--media: /none: no such folder"),
    ],
)
def test_bad_arguments_get_one_line(lists, tmp_path, more, words):
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "dcase2017", "--out", str(tmp_path / "out"), "--lists", str(lists([])), *more])
    assert words in ended.value.code
    assert "\n" not in ended.value.code


def test_folders_of_others(lists, tmp_path):
    fetch("dcase2017", tmp_path / "out", lists=lists([]), offline=True)
    with pytest.raises(AvkerasError, match="holds clips of dcase2017; give another folder"):
        fetch("dcase2020", tmp_path / "out", offline=True)
    with pytest.raises(AvkerasError, match="holds no fetched clips; give a fetch's folder"):
        status(tmp_path)
    with Ledger(tmp_path / "out"), pytest.raises(AvkerasError, match="another process"):
        fetch("dcase2017", tmp_path / "out", offline=True)


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"[]", b"{}"])
def test_a_damaged_folder_is_named_and_mended_by_the_same_command(lists, tmp_path, content):
    fetch("dcase2017", tmp_path / "out", lists=lists([video(0)]), offline=True)
    (tmp_path / "out" / "fetch.json").write_bytes(content)
    for opened in (lambda: status(tmp_path / "out"), lambda: fetch("dcase2017", tmp_path / "out", offline=True)):
        with pytest.raises(AvkerasError, match=r"out/fetch\.json: is damaged; delete it, and fetch the"):
            opened()
    (tmp_path / "out" / "fetch.json").unlink()
    fetch("dcase2017", tmp_path / "out", offline=True)
    assert status(tmp_path / "out")[0].clips == 1


def test_parts_and_limits():
    parts = {"synthetic20": "train", "weak": "train", "validation": "validation", "public": "test"}
    assert choose_parts(parts, None) == list(parts)
    assert choose_parts(parts, ["test", "weak"]) == ["weak", "public"]
    assert choose_parts(parts, ["validation"]) == ["validation"]
    clips = [SourceClip(str(number), "a" if number < 10 else "b", "train", "weak") for number in range(13)]
    assert [clip.id for clip in spread(clips, 5)] == ["0", "2", "4", "6", "8", "10", "11", "12"]
    assert spread(clips, None) == clips
