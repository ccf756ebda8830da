"""Recordings of hours: in pieces they become what they are as a whole, and memory does not grow with them."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.features.clip_reading import read_clip
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.embedders import KNOWN, load_embedder
from avkeras.features.extract import embed_clip
from avkeras.features.extract_detection import LogMelReader
from avkeras.features.log_mel import log_mel
from avkeras.features.networks import yamnet
from avkeras.media.audio import load_audio
from avkeras.media.video import iter_frames, load_frames

RATE = 16_000


def noise(samples):
    return np.random.default_rng(0).uniform(-0.5, 0.5, samples).astype("float32")


@pytest.mark.parametrize("samples", [100, 15_600, 64 * 15_360 + 239, 64 * 15_360 + 241, 1_300_000])
def test_a_waveform_in_blocks_gives_the_bits_of_the_whole(samples):
    embedder, wave = load_embedder("vggish_stand_in"), noise(samples)
    for block in (7_000, 160_000, samples):
        pieces = embedder.pieces(wave[start : start + block] for start in range(0, samples, block))
        rows = np.concatenate([embedder.embed_piece(piece) for piece in pieces])
        assert rows.tobytes() == embedder(wave).tobytes()


@pytest.mark.parametrize("samples", [64 * 7_680 + 7_919, 64 * 7_680 + 7_921, 128 * 7_680 + 15_601])
def test_yamnet_pads_the_end_of_the_recording_alone(samples):
    """The levels of each patch, in place of the network's output: nothing may be padded where pieces meet."""
    import tensorflow as tf

    spec = EmbedderSpec("patches", "audio", 64, window=0.96, hop=0.48, least_samples=KNOWN["yamnet"].least_samples)
    embedder = Embedder(spec, lambda wave: tf.reduce_mean(yamnet.log_mel_patches(wave)[1], axis=1), fingerprint="")
    wave = noise(samples)
    whole = np.asarray(embedder.function(wave))
    found = embedder(wave)
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_frames_in_blocks_are_the_frames_of_the_whole(tmp_path):
    film = write_clip(tmp_path / "film.mp4", frame_times=np.arange(100) / 10, video_codec="mpeg4")
    times = np.sort(np.random.default_rng(0).uniform(0, 12, 50))
    blocks = list(iter_frames(film, times, size=(8, 8), block=16))
    assert [len(frames) for frames, _ in blocks] == [16, 16, 16, 2]
    frames, seen = load_frames(film, times, size=(8, 8))
    np.testing.assert_array_equal(np.concatenate([some for some, _ in blocks]), frames)
    np.testing.assert_array_equal(np.concatenate([some for _, some in blocks]), seen)
    assert 0 < seen.sum() < 50
    with pytest.raises(ValueError, match="ascending"):
        next(iter_frames(film, times[::-1]))


def test_a_recording_in_pieces_has_the_embeddings_of_the_whole(tmp_path):
    film = write_clip(
        tmp_path / "film.mp4", frame_times=np.arange(240) / 3, sound=bursts(80.0, RATE), video_codec="mpeg4"
    )
    spec = EmbedderSpec("mean", "video", 3, size=(8, 8))
    video = Embedder(spec, lambda batch: np.asarray(batch).mean(axis=(1, 2)), fingerprint="mean")
    audio = load_embedder("vggish_stand_in")
    clip = embed_clip(film, film, audio_embedder=audio, video_embedder=video)
    np.testing.assert_array_equal(clip.audio, audio(load_audio(film)))
    frames, seen = load_frames(film, clip.times, size=(8, 8))
    np.testing.assert_array_equal(clip.seen, seen)
    np.testing.assert_allclose(clip.video[seen], frames[seen].mean(axis=(1, 2)) / 255, atol=1e-6)


def test_a_spectrogram_is_cut_from_a_long_recording(tmp_path):
    wave = noise(35 * RATE)
    soundfile.write(tmp_path / "long.wav", wave, RATE, subtype="FLOAT")
    clip = read_clip(LogMelReader({}), tmp_path / "long.wav", None)
    assert clip.notes == ["cut from 35.00 to 10.02 s"]
    np.testing.assert_array_equal(clip.audio, log_mel(wave[: 512 * 313 - 1]))


CHILD = """
import json, resource, sys
import numpy as np
from avkeras.data.manifest import Clip
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.embedders import load_embedder
from avkeras.features.extract import extract
from avkeras.features.extract_detection import extract_detection

paths, out = sys.argv[1:-1], sys.argv[-1]
clips = [Clip(path, path, path, "train") for path in paths]
video = Embedder(EmbedderSpec("mean", "video", 3, size=(224, 224)), lambda x: x.mean(axis=(1, 2)), fingerprint="mean")
_, summary = extract(clips, out, audio_embedder=load_embedder("vggish_stand_in"), video_embedder=video, workers=2)
_, cut = extract_detection(clips, out, embedders={"mean": video}, workers=2)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak": peak, "errors": summary.errors + cut.errors, "without": summary.without_video}))
"""


def write_recording(path, hours):
    """Noise of 8 kHz at a low rate, and a picture a second."""
    import av

    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=1)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = file.add_stream("mp2", rate=16_000, layout="mono")
        audio.bit_rate = 32_000
        minute = np.random.default_rng(0).integers(-9000, 9000, (1, 60 * 16_000), dtype=np.int16)
        for second in range(round(3600 * hours)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), second % 256, np.uint8), format="rgb24")
            picture.pts, picture.time_base = second, Fraction(1, 1)
            file.mux(video.encode(picture))
            if second % 60 == 0:
                sound = av.AudioFrame.from_ndarray(minute, format="s16", layout="mono")
                sound.sample_rate, sound.pts, sound.time_base = 16_000, second * 16_000, Fraction(1, 16_000)
                file.mux(audio.encode(sound))
        file.mux(video.encode())
        file.mux(audio.encode())
    return path


@pytest.mark.slow
def test_four_hours_take_the_memory_of_ten_minutes(tmp_path):
    """As floats, the waveform of 4 h takes 920 MB, and its 15,000 pictures 9 GB."""
    peaks = {}
    for hours in (1 / 6, 4):
        path = write_recording(tmp_path / f"{hours:.2f}.mkv", hours)
        command = [sys.executable, "-c", CHILD, str(path), str(tmp_path / f"records-{hours:.2f}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout.splitlines()[-1])
        assert said["errors"] == []
        assert said["without"] == 0
        peaks[hours] = said["peak"]
    assert peaks[4] < peaks[1 / 6] + 150, peaks  # MB; rows and their futures are held until they are written
