"""Media as they are found in the wild, good and bad: every clip gets its features or its one-line reason."""

import re
import subprocess
import sys

import numpy as np
import pytest
from media_corpus import bursts, write_bad_files, write_clip, write_odd_files

from avkeras.cli import main
from avkeras.data.manifest import Clip, write_manifest
from avkeras.data.records import RecordReader

# Clips with features: which frames of the video were seen, and words of the note.
DONE = {
    "no_video.mp4": ("", "video not used: it has no video track"),
    "8_bit_8_khz.wav": ("", "video not used: it has no video track"),
    "audio_shorter.mp4": ("11", ""),
    "video_shorter.mp4": ("10", "video missing in 1 of 2 frames"),
    "surround.mp4": ("11", ""),
    "one_pixel.mp4": ("11", ""),
    "4k.mp4": ("11", ""),
    "ribbon.mp4": ("11", ""),
    "rotated.mp4": ("11", ""),
    "odd_clock.mp4": ("11", ""),
    "negative.mkv": ("11", ""),
    "negative.mp4": ("11", ""),
    "video_gap.mkv": ("11", ""),
    "audio_gap.mkv": ("111", "1.00 s without sound in its time stamps became silence"),
}
# Clips without: words of the reason.
FAILED = {"no_audio.mp4": "it has no audio track", "truncated.mp4": "truncated: .* s of the 2.50 s"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, embedders, embedder_cache):
    """The manifest of everything odd and bad, and the words that `avkeras extract` gets with it."""
    folder = tmp_path_factory.mktemp("media")
    clips = [Clip(name, path, path, "train") for name, path in write_odd_files(folder).items()]
    (folder / "bad").mkdir()
    good = write_clip(folder / "good.mp4", frame_times=np.arange(25) / 10, sound=bursts(2.5, 44100))
    for name, (path, _) in write_bad_files(folder / "bad").items():
        clips.append(Clip(f"bad {name}", path, None, "train"))
        clips.append(Clip(f"bad video {name}", good, path, "train"))
    clips.append(Clip("good", good, good, "train"))
    manifest = write_manifest(folder / "manifest.tsv", clips, classes=["Car"])
    names = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    return manifest, [str(manifest.path), "--embedders", *names, "--detection", "--visual-frames", "16"]


@pytest.fixture(scope="module")
def ran(corpus):
    """The stores that the run left, by pass and input; it must end without an error."""
    manifest, arguments = corpus
    main(["extract", *arguments])
    stores = {path.name.rsplit("-", 1)[0]: RecordReader(path) for path in manifest.path.parent.glob("records/*-*")}
    assert set(stores) == {"audio-vggish_stand_in", "video-mean_colour", "log_mel", "pictures-16-mean_colour"}
    return stores


@pytest.mark.parametrize("name", DONE)
def test_odd_media_give_features(ran, name):
    seen, note = DONE[name]
    audio, video = ran["audio-vggish_stand_in"], ran["video-mean_colour"]
    frames = 3 if name == "audio_gap.mkv" else 2
    assert audio.records[name].error == ""
    assert audio.read(name).shape == (frames, 128)
    assert np.isfinite(audio.read(name)).all()
    assert video.records[name].mask == seen
    notes = audio.records[name].notes
    assert len(notes) == bool(note)
    assert all(note in text for text in notes)
    # The 2022 system's features of the same clip.
    assert ran["log_mel"].records[name].frames > 100
    assert np.isfinite(ran["log_mel"].read(name)).all()
    assert (ran["pictures-16-mean_colour"].records[name].frames == 0) == (seen == "")


@pytest.mark.parametrize("name", FAILED)
def test_unusable_odd_media_have_one_reason_in_every_store(ran, name):
    reasons = {store.records[name].error for store in ran.values()}
    assert len(reasons) == 1
    assert re.search(FAILED[name], reasons.pop())


def test_bad_files_have_one_reason_in_every_store(corpus, ran, tmp_path):
    words = {name: reason for name, (_, reason) in write_bad_files(tmp_path).items()}
    for name, reason in words.items():
        reasons = {store.records[f"bad {name}"].error for store in ran.values()}
        assert len(reasons) == 1, (name, reasons)
        assert re.search(reason, line := reasons.pop()), (name, line)
        assert "\n" not in line


def test_bad_video_beside_good_sound_makes_a_clip_without_video(corpus, ran, tmp_path):
    for name in write_bad_files(tmp_path):
        for audio, video in (("audio-vggish_stand_in", "video-mean_colour"), ("log_mel", "pictures-16-mean_colour")):
            record = ran[audio].records[f"bad video {name}"]
            assert record.frames > 0
            assert ran[video].records[f"bad video {name}"].frames == 0
            (note,) = record.notes
            assert note.startswith("video not used: ")
            assert "\n" not in note


def test_every_clip_is_accounted_for_and_the_summary_adds_up(corpus, ran, capsys):
    manifest, arguments = corpus
    before = {path: path.read_bytes() for path in manifest.path.parent.glob("records/*/*")}
    main(["extract", *arguments])
    output = capsys.readouterr().out
    assert {path: path.read_bytes() for path in manifest.path.parent.glob("records/*/*")} == before
    bad = sum(clip.id.startswith("bad ") and not clip.id.startswith("bad video") for clip in manifest.clips)
    clips, failed = len(manifest.clips), len(FAILED) + bad
    for title in ("embeddings", "spectrograms and still images"):
        assert f"{title}: {clips} clips: {clips - failed} done " in output
    assert output.count(f"{failed} failed; {clips} stood there before") == 2
    counted = [int(number) for number in re.findall(r"^  failed: (\d+) x", output, flags=re.MULTILINE)]
    assert sum(counted) == 2 * failed
    for store in ran.values():
        assert set(store.records) == {clip.id for clip in manifest.clips}
        assert store.verify() == []


def test_the_process_ends_with_status_0_and_1(corpus, ran):
    _, arguments = corpus
    for options, status in (([], 0), (["--strict"], 1)):
        code = f"from avkeras.cli import main; main({['extract', *arguments, *options]!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == status, done.stderr[-2000:]
        assert "Traceback" not in done.stderr
