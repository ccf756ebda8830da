"""Demo data: the same from the same seed, true to its manifest, and real media."""

import json
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from avkeras.data.manifest import Event, read_manifest
from avkeras.datasets.demo import make_demo
from avkeras.datasets.demo.film import film, sources_in_view
from avkeras.datasets.demo.make import seen_while_heard
from avkeras.datasets.demo.scene import clip_rng, plan_scene
from avkeras.datasets.demo.soundtrack import soundtrack
from avkeras.datasets.demo.tasks import TASKS
from avkeras.errors import AvkerasError, WriteError

SMALL = {"clips": {"train": 5, "validation": 3, "test": 4}, "seconds": (1.5, 2.5)}


def _bytes(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "media").iterdir())}


def _plans(task, split, count, **options):
    options = {"seed": 0, "without_video": 0.15, "seconds": (2.0, 10.0), **options}
    return [plan_scene(TASKS[task], split, i, **options) for i in range(count)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo"), without_video=0.4, workers=2, **SMALL)


def test_media_do_not_depend_on_workers(demo, tmp_path):
    make_demo(tmp_path, without_video=0.4, workers=1, **SMALL)
    assert _bytes(tmp_path) == _bytes(demo.path.parent)


@pytest.mark.parametrize("ending", ["wav", "mp4"])
def test_a_full_disk_names_the_clip_and_the_next_call_completes(demo, tmp_path, ending):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    name = next(name for name in _bytes(demo.path.parent) if name.endswith(ending))
    (tmp_path / "demo" / "media").mkdir(parents=True)
    partial = tmp_path / "demo" / "media" / f".partial-{os.getpid()}-{name}"
    partial.symlink_to("/dev/full")  # all that is written to it fails as on a full disk
    shutil.copy(demo.path.with_name("demo.json"), tmp_path / "demo")
    note = json.loads((tmp_path / "demo" / "demo.json").read_text())
    (tmp_path / "demo" / "demo.json").write_text(json.dumps(note | {"finished": False}))
    with pytest.raises(WriteError, match=f"media/{name}: cannot be written: No space left on device"):
        make_demo(tmp_path / "demo", without_video=0.4, **SMALL)
    assert not (tmp_path / "demo" / "manifest.tsv").exists()
    make_demo(tmp_path / "demo", without_video=0.4, **SMALL)
    assert _bytes(tmp_path / "demo") == _bytes(demo.path.parent)


def test_another_seed_changes_every_clip(demo, tmp_path):
    make_demo(tmp_path, without_video=0.4, seed=1, **SMALL)
    here, there = _bytes(tmp_path), _bytes(demo.path.parent)
    assert all(here[name] != there[name] for name in here.keys() & there.keys())


def test_more_clips_leave_the_first_ones_as_they_are():
    short, long = _plans("dcase2017", "train", 5), _plans("dcase2017", "train", 50)
    assert long[:5] == short


def test_manifest_reads_back(demo):
    again = read_manifest(demo.path)
    assert again == demo
    assert again.classes[0] == "Train horn"
    assert len(again.classes) == 17
    assert [len(again.split(name)) for name in ("train", "validation", "test")] == [5, 3, 4]


def test_labels_are_those_of_the_events(demo):
    for clip in demo.clips:
        assert clip.labels
        if clip.split == "train":
            assert clip.events == ()
        else:
            assert set(clip.labels) == {event.label for event in clip.events}


def test_media_decode_with_their_length(demo):
    av = pytest.importorskip("av")
    plans = {
        plan.id: plan
        for split in ("train", "validation", "test")
        for plan in _plans("dcase2017", split, SMALL["clips"][split], without_video=0.4, seconds=SMALL["seconds"])
    }
    kinds = set()
    for clip in demo.clips:
        kinds.add(clip.audio.suffix)
        with av.open(str(clip.audio)) as file:
            rate = file.streams.audio[0].rate
            samples = sum(frame.samples for frame in file.decode(audio=0))
        assert samples / rate == pytest.approx(plans[clip.id].seconds, abs=0.1)
        if clip.video is None:
            assert clip.audio.suffix == ".wav"
            continue
        with av.open(str(clip.video)) as file:
            last = [frame.time for frame in file.decode(video=0)][-1]
        assert last == pytest.approx(plans[clip.id].seconds, abs=0.3)
    assert kinds == {".wav", ".mp4"}


def test_events_stand_where_the_manifest_says():
    """The first sample of a mix that differs from its background lies at the onset, the last at the offset."""
    event, rate = Event(0.7, 1.9, "Reversing beeps"), 16000
    options = {"seconds": 3.0, "rate": rate, "channels": 1}
    ratios = []
    for number in range(8):
        mix = soundtrack(TASKS["dcase2017"], [event], rng=np.random.default_rng(number), **options)[:, 0]
        bed = soundtrack(TASKS["dcase2017"], [], rng=np.random.default_rng(number), **options)[:, 0]
        # The bed comes from the first random numbers: both mixes hold the same one, at another gain.
        gain = np.dot(mix[: int(0.6 * rate)], bed[: int(0.6 * rate)]) / np.dot(
            bed[: int(0.6 * rate)], bed[: int(0.6 * rate)]
        )
        heard = np.flatnonzero(np.abs(mix - gain * bed) > 1e-4 * np.abs(mix).max())
        assert 0.7 <= heard[0] / rate < 0.72
        assert 1.8 < heard[-1] / rate < 1.9
        inside = slice(int(0.7 * rate), int(1.9 * rate))
        ratios.append(10 * np.log10(np.mean(mix[inside] ** 2) / np.mean((gain * bed[inside]) ** 2)))
    assert min(ratios) > 0
    assert np.median(ratios) > 6


@pytest.mark.parametrize("task", ["dcase2017", "dcase2020"])
def test_every_sound_is_finite_and_audible(task):
    for name, sound in TASKS[task].sounds.items():
        for rate, n in ((16000, 9000), (44100, 44100)):
            wave_form = sound(np.random.default_rng(3), n, rate)
            assert wave_form.shape == (n,), name
            assert np.isfinite(wave_form).all(), name
            assert wave_form.std() > 0.01, name


@pytest.mark.parametrize("task", ["dcase2017", "dcase2020"])
def test_plans_hold_the_wanted_shares(task):
    kinds = TASKS[task]
    train, test = _plans(task, "train", 480), _plans(task, "test", 200)
    assert np.mean([not plan.has_video for plan in test]) == pytest.approx(0.15, abs=0.02)
    for plans in (train, test):
        counts = [sum(name in plan.labels for plan in plans) for name in kinds.classes]
        assert min(counts) >= 4
    counts = [sum(name in plan.labels for plan in train) for name in kinds.classes]
    assert max(counts) > 4 * min(counts)
    assert all(0 <= e.onset < e.offset <= plan.seconds for plan in train for e in plan.events)


def test_detection_supervision_is_one_to_one_to_two():
    train = _plans("dcase2020", "train", 400)
    shares = [np.mean([plan.supervision == kind for plan in train]) for kind in ("strong", "weak", "unlabelled")]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.02)
    assert not any(plan.has_video for plan in train if plan.supervision == "strong")
    others = [plan.has_video for plan in train if plan.supervision != "strong"]
    assert 1 - np.mean(others) == pytest.approx(0.15, abs=0.03)
    assert {plan.supervision for plan in _plans("dcase2020", "test", 50)} == {"strong"}


def test_detection_manifest_tells_what_its_supervision_allows(tmp_path):
    demo = make_demo(tmp_path, task="dcase2020", clips={"train": 8, "test": 2}, seconds=(1.5, 2.0))
    assert {clip.supervision for clip in demo.split("train")} == {"strong", "weak", "unlabelled"}
    for clip in demo.clips:
        assert bool(clip.labels) == (clip.supervision != "unlabelled")
        assert bool(clip.events) == (clip.supervision == "strong")


def test_pictures_follow_the_sound_in_some_clips():
    """Frames while an event sounds differ from those after it in more clips than not, and some clips never change."""
    plans = [plan for plan in _plans("dcase2017", "train", 60, seconds=(2.0, 3.0)) if plan.has_video]
    changes = []
    for number, plan in enumerate(plans):
        frames = list(film(TASKS["dcase2017"], plan, width=80, height=60, rate=8, rng=clip_rng(0, "train", number, 2)))
        assert frames[0].shape == (60, 80, 3)
        assert frames[0].dtype == np.uint8
        changes.append(any((frame != frames[0]).any() for frame in frames))
    assert 0.5 < np.mean(changes) < 0.9


def test_what_is_heard_is_seen_in_a_part_of_some_clips_only():
    """There attention has something to find: the frames with the source, which are another place than the rest."""
    size, times = {"width": 80, "height": 60}, np.arange(20) / 4
    plans = [(n, plan) for n, plan in enumerate(_plans("dcase2017", "test", 60, seconds=(5.0, 5.0))) if plan.has_video]
    partly = 0
    for number, plan in plans:
        told = sources_in_view(TASKS["dcase2017"], plan, times, **size, rng=clip_rng(0, "test", number, 2))
        if told.all() or not told.any():
            continue
        partly += 1
        frames = np.stack(list(film(TASKS["dcase2017"], plan, **size, rate=4, rng=clip_rng(0, "test", number, 2))))
        seen, rest = frames[told].astype(float), frames[~told].astype(float)
        within = np.abs(rest - np.median(rest, axis=0)).mean()
        between = np.abs(seen - np.median(rest, axis=0)).mean()
        assert between > 1.3 * within, number
    assert 0.2 < partly / len(plans) < 0.5


def test_a_clip_of_a_demo_tells_when_its_sources_are_seen(demo):
    options = {"without_video": 0.4, "seconds": SMALL["seconds"]}
    for clip in demo.split("test"):
        index = int(clip.id.split("-")[1])
        seen = seen_while_heard("test", index, [0.1, 0.8, 1.2], **options)
        assert (seen is None) == (clip.video is None)
        assert seen is None or seen.shape == (3,)


def test_finished_folder_is_reused_and_interrupted_one_completed(tmp_path):
    options = {"clips": {"train": 3}, "seconds": (1.5, 2.0), "workers": 1}
    done = []

    def stop(count, total):
        done.append((count, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, progress=stop, **options)
    assert done == [(1, 3)]
    assert not json.loads((tmp_path / "demo.json").read_text())["finished"]
    first = tmp_path / "media" / "train-00000"
    kept = {path: path.stat().st_mtime_ns for path in first.parent.iterdir() if path.name.startswith(first.name)}
    whole = make_demo(tmp_path, **options)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    make_demo(tmp_path / "other", **options)
    assert _bytes(tmp_path) == _bytes(tmp_path / "other")

    again = make_demo(tmp_path, progress=lambda *_: pytest.fail("made anew"), **options)
    assert again == whole


def test_folder_with_other_parameters_is_refused(tmp_path):
    make_demo(tmp_path, clips={"test": 1}, seconds=(1.5, 2.0))
    with pytest.raises(AvkerasError, match="other parameters"):
        make_demo(tmp_path, clips={"test": 1}, seconds=(1.5, 2.0), seed=1)
    (tmp_path / "demo.json").unlink()
    with pytest.raises(AvkerasError, match="no demo"):
        make_demo(tmp_path, clips={"test": 1}, seconds=(1.5, 2.0))


@pytest.mark.parametrize(
    "options",
    [
        {"task": "dcase2018"},
        {"clips": {"training": 3}},
        {"clips": {}},
        {"seed": -1},
        {"without_video": 1.5},
        {"seconds": (3.0, 2.0)},
        {"workers": 0},
    ],
)
def test_bad_arguments_are_named_before_any_work(tmp_path, options):
    with pytest.raises(AvkerasError, match=next(iter(options))):
        make_demo(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_wav_files_are_16_bit(demo):
    clip = next(clip for clip in demo.clips if clip.video is None)
    with wave.open(str(clip.audio)) as file:
        assert file.getsampwidth() == 2
        assert file.getframerate() in (16000, 22050, 44100)
