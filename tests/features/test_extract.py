import numpy as np
import pytest
from media_corpus import bursts, write_bad_files, write_clip

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.features.embedders import Embedder, EmbedderSpec, load_embedder
from avkeras.features.extract import embed_clip, extract


def write_film(path, *, seconds):
    """An MP4 with sound and pictures of so many seconds."""
    write_clip(path, frame_times=np.arange(round(seconds * 10)) / 10, sound=bursts(seconds, 44100), video_codec="mpeg4")


@pytest.fixture(scope="module")
def embedders():
    """The audio stand-in, and a visual embedder of the mean colours."""
    spec = EmbedderSpec(name="mean_colour", modality="video", dim=3, size=(8, 8))
    video = Embedder(spec, lambda pictures: np.asarray(pictures).mean(axis=(1, 2)), fingerprint="colour")
    return {"audio_embedder": load_embedder("vggish_stand_in"), "video_embedder": video}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    (folder / "bad").mkdir()
    bad = write_bad_files(folder / "bad")
    found = []
    for number in range(4):
        write_film(folder / f"{number}.mp4", seconds=2.5 + number / 2)
        found.append(Clip(str(number), folder / f"{number}.mp4", folder / f"{number}.mp4", "train", ("Car",)))
    found.append(Clip("no-video", folder / "0.mp4", None, "train", ("Car",)))
    for name, (path, _) in bad.items():
        found.append(Clip(f"bad-{name}", path, path, "train", ("Car",)))
        found.append(Clip(f"bad-video-{name}", folder / "1.mp4", path, "train", ("Car",)))
    found.append(Clip("gone", folder / "gone.wav", None, "train", ("Car",)))
    return found


def test_bad_files_stop_nothing_and_are_named(clips, embedders, tmp_path):
    steps = []
    stores, summary = extract(clips, tmp_path, **embedders, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(n + 1, len(clips)) for n in range(len(clips))]
    audio, video = RecordReader(stores["audio"]), RecordReader(stores["video"])
    for number, frames in enumerate((2, 3, 3, 4)):  # of 2.5, 3, 3.5 and 4 s
        assert audio.records[str(number)].frames == video.records[str(number)].frames == frames
        assert audio.read(str(number)).any()
    assert video.records["no-video"].frames == 0
    assert audio.records["no-video"].frames == 2
    errors = dict(summary.errors)
    assert "gone" in errors
    assert all(name == "gone" or name.startswith("bad-") for name in errors)
    assert not any("\n" in reason for reason in errors.values())
    notes = dict(summary.notes)
    without = [c.id for c in clips if c.id.startswith("bad-video") and c.id not in errors]
    assert without
    for name in without:
        assert audio.records[name].frames > 0
        if video.records[name].frames == 0:
            assert notes[name].startswith("video not used: ")
    assert summary.without_video == sum(video.records[c.id].frames == 0 for c in clips if c.id not in errors)


def test_stores_hold_the_same_bytes_whatever_the_workers_and_interruptions(clips, embedders, tmp_path):
    def stop_after(count):
        def progress(done, total):
            if done == count:
                raise KeyboardInterrupt

        return progress

    whole, _ = extract(clips, tmp_path / "whole", **embedders, workers=1)
    for count in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            extract(clips, tmp_path / "parts", **embedders, workers=3, progress=stop_after(count))
    parts, summary = extract(clips, tmp_path / "parts", **embedders, workers=3)
    assert summary.reused >= 7
    for modality, folder in whole.items():
        for name in ("data.f16", "index.jsonl", "meta.json"):
            assert (folder / name).read_bytes() == (parts[modality] / name).read_bytes(), (modality, name)
    _, again = extract(clips, tmp_path / "parts", **embedders)
    assert again.reused == len(clips)


def test_changed_media_and_another_embedder_are_embedded_anew(clips, embedders, tmp_path):
    path = tmp_path / "clip.mp4"
    clip = Clip("a", path, path, "train", ("Car",))
    write_film(path, seconds=2.5)
    extract([clip], tmp_path / "records", **embedders)
    write_film(path, seconds=4.0)
    stores, summary = extract([clip], tmp_path / "records", **embedders)
    assert summary.reused == 0
    assert RecordReader(stores["audio"]).records["a"].frames == 4
    other = Embedder(embedders["video_embedder"].spec, embedders["video_embedder"].function, fingerprint="other")
    others, summary = extract(
        [clip], tmp_path / "records", audio_embedder=embedders["audio_embedder"], video_embedder=other
    )
    assert summary.reused == 0
    assert others["video"] != stores["video"]


def test_pictures_are_taken_at_the_centres_of_the_audio_windows(clips, embedders):
    clip = embed_clip(clips[3].audio, clips[3].video, **embedders)
    np.testing.assert_allclose(clip.times, 0.48 + 0.96 * np.arange(len(clip.audio)))
    assert clip.video.shape == (len(clip.audio), 3)
    assert clip.seen.all()


def test_a_sound_shorter_than_one_window_is_padded_and_said(embedders, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "short.wav", np.full(4000, 0.1, np.float32), 16000)
    clip = embed_clip(tmp_path / "short.wav", None, **embedders)
    assert clip.audio.shape == (1, 128)
    assert any("padded by 11600 samples" in note for note in clip.notes)


def test_an_unknown_embedder_is_named():
    with pytest.raises(AvkerasError, match="vgish"):
        load_embedder("vgish")
