import numpy as np
import pytest
import soundfile

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader
from avkeras.datasets.demo.write import write_mp4
from avkeras.errors import AvkerasError
from avkeras.features.clip_reading import read_clip
from avkeras.features.embedders import Embedder, EmbedderSpec
from avkeras.features.extract_detection import LogMelReader, extract_detection, most_frames, picture_times
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


def listener(name, rate, hop):
    """Loudness and brightness of every `hop` seconds."""

    def levels(waveform):
        rows = waveform[: len(waveform) // round(hop * rate) * round(hop * rate)].reshape(-1, round(hop * rate))
        return np.stack([np.abs(rows).mean(axis=1), np.abs(np.diff(rows)).mean(axis=1)], axis=1)

    spec = EmbedderSpec(name, "audio", 2, window=hop, hop=hop, least_samples=round(hop * rate), sample_rate=rate)
    return Embedder(spec, levels, fingerprint=name)


AUDITORY = {"slow": listener("slow", RATE, 0.5), "fast": listener("fast", 2 * RATE, 0.2)}
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
    folders, summary = extract_detection(clips, tmp_path / "records", embedders=VISUAL, visual_frames=16)
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
    folders, _ = extract_detection(clips[:1], tmp_path / "records", embedders=VISUAL)
    _, summary = extract_detection(clips, tmp_path / "records", embedders=VISUAL)
    assert summary.reused == 1
    whole, _ = extract_detection(clips, tmp_path / "whole", embedders=VISUAL)
    for name, folder in folders.items():
        assert (folder / "data.f16").read_bytes() == (whole[name] / "data.f16").read_bytes()
    # Another number of pictures is another store of embeddings, but the same of spectrograms.
    fewer, _ = extract_detection(clips[:1], tmp_path / "records", embedders=VISUAL, visual_frames=4)
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


def test_stores_hold_embeddings_of_the_sound_at_each_embedders_rate(clips, tmp_path):
    soundfile.write(tmp_path / "click.wav", sound(0.3), RATE)
    clips = [*clips, Clip("click", tmp_path / "click.wav", None, "train")]
    both = {**AUDITORY, "small": VISUAL["small"]}
    folders, summary = extract_detection(clips, tmp_path / "records", embedders=both, visual_frames=16)
    assert list(folders) == ["audio", "slow", "fast", "small"]
    stores = {name: RecordReader(folder) for name, folder in folders.items()}
    for name, frames in (("slow", 20), ("fast", 50)):
        embedder, rate = AUDITORY[name], AUDITORY[name].spec.sample_rate
        for clip in clips[:2]:  # of 12 s, the 10.02 s that the spectrogram has
            expected = embedder(load_audio(clip.audio, sample_rate=rate)[: (512 * 313 - 1) * rate // RATE])
            np.testing.assert_allclose(stores[name].read(clip.id), expected, atol=1e-3)
            assert stores[name].seen(clip.id).all()
        assert stores[name].records["heard"].frames == len(expected) == frames
        assert most_frames(embedder.spec) == frames + 1
        assert stores[name].records["text"].error == "this is text, not media"
    assert len(stores["slow"].read("click")) == 1  # padded; the other hears its first window
    assert [note for id, note in summary.notes if id == "click"] == [
        "audio padded by 3200 samples to one window of slow"
    ]
    assert summary.without_video == 2  # sound lacks no video
    # The spectrograms are those that a model without these embedders takes, and so are the pictures.
    alone, _ = extract_detection(clips, tmp_path / "alone", embedders=VISUAL, visual_frames=16)
    for name in ("audio", "small"):
        assert alone[name].name == folders[name].name
        assert (alone[name] / "data.f16").read_bytes() == (folders[name] / "data.f16").read_bytes()


def test_each_window_of_a_long_clip_is_heard_by_itself(tmp_path):
    soundfile.write(tmp_path / "long.wav", sound(25), RATE)
    clip = read_clip(LogMelReader(AUDITORY, whole=True), tmp_path / "long.wav", None)
    assert len(clip.audio) == 2 * 512 + 1 + (25 * RATE - 2 * 512 * 313) // 313
    for name, embedder in AUDITORY.items():
        rate = embedder.spec.sample_rate
        waveform = load_audio(tmp_path / "long.wav", sample_rate=rate)
        assert len(clip.heard[name]) == 3
        for place, rows in enumerate(clip.heard[name]):
            start = place * 512 * 313 * rate // RATE
            expected = embedder(waveform[start : start + (512 * 313 - 1) * rate // RATE])
            np.testing.assert_array_equal(rows, expected)


def test_an_embedder_of_too_many_frames_is_refused():
    with pytest.raises(AvkerasError, match="dense: gives 101 frames of the longest clip, at most 64 can be used"):
        LogMelReader({"dense": listener("dense", RATE, 0.1)})
