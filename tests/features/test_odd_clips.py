"""Clips at which an extraction could stop, hang or say nothing."""

import csv
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, picture_number, write_clip

from avkeras.cli import main
from avkeras.data.manifest import Clip, write_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.features.clip_pipeline import ClipPipeline
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.embedders import load_embedder
from avkeras.features.extract import WindowReader, embed_clip, extract
from avkeras.features.extract_detection import extract_detection, picture_times
from avkeras.features.log_mel import log_mel
from avkeras.media.decoding_process import DecoderUnavailable


def mean_colour():
    spec = EmbedderSpec(name="mean_colour", modality="video", dim=3, size=(8, 8))
    return Embedder(spec, lambda pictures: np.asarray(pictures).mean(axis=(1, 2)), fingerprint="colour")


def children():
    """Processes that this one began and that decode."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"decoding_process" in command:
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("by", [signal.SIGSTOP, signal.SIGSEGV])
def test_a_clip_that_hangs_or_crashes_decoding_costs_itself_alone(tmp_path, by):
    """The decoding process is stopped, or crashed, in the midst of a clip, as a file could do it."""
    names = [f"c{number}" for number in range(4)]
    for name in names:
        soundfile.write(tmp_path / f"{name}.flac", bursts(90.0, 16000, at=(0.1, 70.0), length=20)[0], 16000)
    struck = []

    def strikes(waveform):
        if not struck:
            struck.extend(children())
            os.kill(struck[0], by)
        return np.ones((1 + (len(waveform) - 15_600) // 15_360, 2), np.float32)

    spec = EmbedderSpec("strikes", "audio", 2, window=0.96, hop=0.96, least_samples=15_600)
    embedder = Embedder(spec, strikes, fingerprint="strikes")
    clips = [Clip(name, tmp_path / f"{name}.flac", None, "train") for name in names]
    stores, summary = extract(clips, tmp_path / "records", audio_embedder=embedder, workers=1, patience=3.0)
    assert len(struck) == 1
    ((failed, reason),) = summary.errors
    words = {
        signal.SIGSTOP: "nothing came of decoding it for 3 s",
        signal.SIGSEGV: "ended the decoding process .*SIGSEGV",
    }
    assert words[by].split(" .*")[0] in reason
    audio = RecordReader(stores["audio"])
    assert all(audio.records[name].frames == 93 for name in names if name != failed)
    # The file itself is good: it is done when it is asked for again.
    _, summary = extract(clips, tmp_path / "records", audio_embedder=embedder, workers=1, retry_errors=True)
    assert summary.errors == []
    assert summary.reused == len(names) - 1


def test_a_pipe_in_the_manifest_fails_its_clip_alone(tmp_path, embedders, embedder_cache):
    os.mkfifo(tmp_path / "pipe.wav")
    good = write_clip(tmp_path / "good.mp4", frame_times=np.arange(20) / 10, sound=bursts(2.0, 44100))
    clips = [
        Clip("pipe", tmp_path / "pipe.wav", None, "train"),
        Clip("seen through a pipe", good, tmp_path / "pipe.wav", "train"),
        Clip("device", Path("/dev/zero"), None, "train"),
        Clip("good", good, good, "train"),
    ]
    write_manifest(tmp_path / "manifest.tsv", clips, classes=["Car"])
    names = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    main(["extract", str(tmp_path / "manifest.tsv"), "--embedders", *names, "--detection", "--visual-frames", "4"])
    for table in ("extraction.csv", "extraction_detection.csv"):
        with open(tmp_path / "records" / table, newline="") as file:
            rows = {row["clip"]: row["text"] for row in csv.DictReader(file)}
        assert rows == {
            "pipe": "cannot be read: it is a pipe (FIFO), not a file",
            "seen through a pipe": "video not used: cannot be read: it is a pipe (FIFO), not a file",
            "device": "cannot be read: it is a device, not a file",
        }


@pytest.mark.parametrize("visual_frames", [64, 4])
def test_a_clip_of_a_tenth_of_a_second_keeps_a_picture(tmp_path, visual_frames):
    path = write_clip(
        tmp_path / "short.mp4", frame_times=[0.0, 0.04, 0.08], sound=bursts(0.1, 44100, at=(0.0,)), video_codec="mpeg4"
    )
    clips, video = [Clip("short", path, path, "train")], mean_colour()
    stores, summary = extract(
        clips, tmp_path / "r", audio_embedder=load_embedder("vggish_stand_in"), video_embedder=video
    )
    assert RecordReader(stores["video"]).records["short"].mask == "1"
    assert [note for _, note in summary.notes if "video" in note] == []
    folders, summary = extract_detection(
        clips, tmp_path / "r", embedders={"mean_colour": video}, visual_frames=visual_frames
    )
    assert "1" in RecordReader(folders["mean_colour"]).records["short"].mask
    assert [note for _, note in summary.notes if "video not" in note] == []
    clip = embed_clip(path, path, audio_embedder=load_embedder("vggish_stand_in"), video_embedder=video)
    assert clip.seen.tolist() == [True]
    assert clip.times.tolist() == [0.48]  # of the frame, though its picture is from the clip's end


def test_pictures_lie_within_the_clip():
    for samples in (1, 100, 1600, 8000, 20_000, 160_000):
        for frames in (1, 4, 64):
            times = picture_times(samples, visual_frames=frames)
            assert 1 <= len(times) <= frames
            assert times.max() <= samples / 16_000


def test_silence_and_cancelling_channels_stand_in_the_table(tmp_path, embedders, embedder_cache):
    left = bursts(2.0, 16000, at=(0.2, 1.0), length=0.5)[0]
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    soundfile.write(tmp_path / "cancels.wav", np.stack([left, -left], 1), 16000)
    soundfile.write(tmp_path / "plain.wav", left, 16000)
    names = ("silent", "cancels", "plain")
    clips = [Clip(name, tmp_path / f"{name}.wav", None, "train") for name in names]
    write_manifest(tmp_path / "manifest.tsv", clips, classes=["Car"])
    embedder = str(next(embedder_cache.glob("vggish_stand_in-*")))
    main(["extract", str(tmp_path / "manifest.tsv"), "--embedders", embedder])
    with open(tmp_path / "records" / "extraction.csv", newline="") as file:
        rows = {row["clip"]: (row["kind"], row["text"]) for row in csv.DictReader(file)}
    assert rows == {
        "silent": ("note", "its sound is silent: it stays below 0.0001 of full scale"),
        "cancels": ("note", "its channels cancel each other for 2.00 s: the loudest was taken there"),
    }
    (folder,) = tmp_path.glob("records/audio-*")
    store = RecordReader(folder)
    # 16-bit rounding of both sides is not the same.
    np.testing.assert_allclose(store.read("cancels"), store.read("plain"), atol=0.02)


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (1e30, r"reaches 1e\+30"), (32767.0, "divide 16-bit")],
)
def test_a_waveform_of_another_scale_is_refused_from_code(value, words):
    wave = np.zeros(40_000, np.float32)
    wave[30_000] = value
    with pytest.raises(AvkerasError, match=words) as caught:
        load_embedder("vggish_stand_in")(wave)
    assert "\n" not in str(caught.value)
    if not np.isfinite(value):
        with pytest.raises(ValueError, match="not finite"):
            log_mel(wave)


def test_pictures_that_are_none_are_refused_from_code():
    embedder, pictures = mean_colour(), np.zeros((2, 8, 8, 3), np.float32)
    for value, words in ((np.nan, "not finite"), (-1.0, "as floats in"), (255.0, "divide 8-bit")):
        pictures[1, 2, 3, 1] = value
        with pytest.raises(AvkerasError, match=words):
            embedder(pictures)


def test_an_interrupted_run_does_not_wait_for_a_clip_that_hangs(tmp_path):
    soundfile.write(tmp_path / "long.flac", bursts(120.0, 44100)[0], 44100)
    stopped = []

    def stop(waveform):
        if not stopped:
            stopped.extend(children())
            os.kill(stopped[0], signal.SIGSTOP)
        return np.ones((1, 2), np.float32)

    spec = EmbedderSpec("stops", "audio", 2, window=0.96, hop=0.96, least_samples=15_600)
    reader = WindowReader(Embedder(spec, stop, fingerprint="stops"), None)

    def interrupted():
        with ClipPipeline(reader, workers=1, patience=3600.0) as pipeline:
            pipeline.submit(tmp_path / "long.flac", None)
            while not stopped:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()  # an hour later, else
    assert not Path("/proc", str(stopped[0])).exists()


def test_decoders_that_cannot_be_started_fail_no_clip(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", bursts(1.0, 16000)[0], 16000)
    clips = [Clip("a", tmp_path / "a.wav", None, "train")]
    embedder = load_embedder("vggish_stand_in")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DecoderUnavailable):
        extract(clips, tmp_path / "records", audio_embedder=embedder)
    monkeypatch.undo()
    _, summary = extract(clips, tmp_path / "records", audio_embedder=embedder)
    assert (summary.reused, summary.errors) == (0, [])


def test_numbers_of_pictures_are_those_of_the_times(tmp_path):
    """The picture of a short clip is its last one."""
    path = write_clip(tmp_path / "a.mp4", frame_times=np.arange(3) / 10, sound=bursts(0.3, 44100), video_codec="mpeg4")
    seen = []

    def look(pictures):
        seen.extend(picture_number(255 * picture) for picture in pictures)
        return np.asarray(pictures).mean(axis=(1, 2))

    spec = EmbedderSpec(name="look", modality="video", dim=3, size=(48, 64))
    embed_clip(
        path,
        path,
        audio_embedder=load_embedder("vggish_stand_in"),
        video_embedder=Embedder(spec, look, fingerprint="look"),
    )
    assert seen == [2]
