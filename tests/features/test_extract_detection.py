import numpy as np
import pytest
import soundfile

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader
from avkeras.datasets.demo.write import write_mp4
from avkeras.features.clip_reading import read_clip
from avkeras.features.embedders import Embedder, EmbedderSpec
from avkeras.features.extract_detection import LogMelReader, extract_detection, picture_times
from avkeras.features.log_mel import log_mel
from avkeras.media.audio import load_audio

RATE = 16_000


def sound(seconds):
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype("float32")


def embedder(name, size, dim):
    """The mean of the picture, `dim` times."""

    def mean(pictures):
        return np.repeat(pictures.mean(axis=(1, 2, 3))[:, None], dim, axis=1)

    return Embedder(EmbedderSpec(name, "video", dim, size=size), mean, fingerprint=name)


VISUAL = {"small": embedder("small", (8, 12), 2), "large": embedder("large", (16, 12), 3)}


@pytest.fixture
def clips(tmp_path):
    pictures = [np.full((32, 48, 3), 10 * second, np.uint8) for second in range(3) for _ in range(5)]
    write_mp4(tmp_path / "seen.mp4", sound(3)[:, None], RATE, pictures, frame_rate=5, encoder="mpeg4")
    soundfile.write(tmp_path / "heard.wav", sound(12), RATE)
    (tmp_path / "text.wav").write_text("no sound")
    return [
        Clip("seen", tmp_path / "seen.mp4", tmp_path / "seen.mp4", "train"),
        Clip("heard", tmp_path / "heard.wav", None, "train"),
        Clip("text", tmp_path / "text.wav", None, "train"),
    ]


def test_pictures_stand_at_the_centres_of_the_vectors():
    np.testing.assert_allclose(picture_times(160_000), (np.arange(64) + 0.5) * 8 * 313 / RATE)
    assert len(picture_times(48_000, visual_frames=16)) == 5
    assert len(picture_times(1, visual_frames=4)) == 1


def test_stores_hold_spectrograms_and_the_embeddings_of_each_network(clips, tmp_path):
    folders, summary = extract_detection(clips, tmp_path / "records", visual=VISUAL, visual_frames=16)
    assert list(folders) == ["audio", "small", "large"]
    stores = {name: RecordReader(folder) for name, folder in folders.items()}
    expected = log_mel(load_audio(clips[0].audio)).numpy()
    # Half precision rounds levels of up to 128 dB by at most 1/32 dB.
    np.testing.assert_allclose(stores["audio"].read("seen"), expected, atol=1 / 32)
    times = picture_times(3 * RATE, visual_frames=16)
    for name, dim in (("small", 2), ("large", 3)):
        rows = stores[name].read("seen")[: len(times)].astype("float32")
        # The nearest of five pictures a second is shown: one that begins up to 0.1 s later.
        seconds = (times + 0.1).astype(int)
        np.testing.assert_allclose(rows, np.repeat(seconds[:, None], dim, 1) * 10 / 255, atol=0.01)
        assert stores[name].records["heard"].frames == 0
    assert stores["audio"].records["heard"].frames == 512
    assert summary.clips == 3
    assert summary.without_video == 1
    assert ("heard", "cut from 12.00 to 10.02 s") in summary.notes
    assert [id for id, _ in summary.errors] == ["text"]


def test_what_is_there_is_not_made_again(clips, tmp_path):
    folders, _ = extract_detection(clips[:1], tmp_path / "records", visual=VISUAL)
    _, summary = extract_detection(clips, tmp_path / "records", visual=VISUAL)
    assert summary.reused == 1
    whole, _ = extract_detection(clips, tmp_path / "whole", visual=VISUAL)
    for name, folder in folders.items():
        assert (folder / "data.f16").read_bytes() == (whole[name] / "data.f16").read_bytes()
    # Another number of pictures is another store of embeddings, but the same of spectrograms.
    fewer, _ = extract_detection(clips[:1], tmp_path / "records", visual=VISUAL, visual_frames=4)
    assert fewer["audio"] == folders["audio"]
    assert fewer["small"] != folders["small"]


def test_a_clip_with_too_little_sound_is_padded_and_said_so(tmp_path):
    soundfile.write(tmp_path / "click.wav", sound(0.01), RATE)
    clip = read_clip(LogMelReader({}), tmp_path / "click.wav", None)
    assert clip.audio.shape == (2, 64)
    assert clip.notes == ["audio padded by 353 samples to one window"]


def test_video_without_pictures_makes_a_clip_without_video(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(1), RATE)
    clip = read_clip(LogMelReader(VISUAL), tmp_path / "a.wav", tmp_path / "a.wav")
    assert clip.seen is None
    assert not clip.visual
    assert clip.notes == ["video not used: it has no video track"]
