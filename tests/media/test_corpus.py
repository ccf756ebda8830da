"""Every container and every beginning of its clock: the sound is FFmpeg's, and `extract` reads what `predict` reads."""

import re

import numpy as np
import pytest
import scipy.signal
import soxr
from container_corpus import CONTAINERS, SECONDS, TIMELESS, UNDECLARED, plain_decode, write_container
from media_corpus import picture_number

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader
from avkeras.errors import MediaError
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.embedders import load_embedder
from avkeras.features.extract import embed_clip, extract
from avkeras.media.audio import load_audio
from avkeras.media.containers import CONTAINERS as KINDS, sniff
from avkeras.media.video import load_frames

RATE = 16_000
BEGINNINGS = {"0": {}, "1 s": {"start": 1.0}, "7 s": {"start": 7.0}, "before 0": {"start": -0.5}, "gap": {"gap": 1.0}}
# FFmpeg's FLV writer wraps stamps before 0 to 2^31 ms; avi and asf hold none.
NOT_BEFORE_0 = ("flv", "avi", "asf")
# An edit list tells where MP4 begins; avi, and MP4 with PCM, keep no gaps.
EDITED = ("mp4", "mov", "3gp", "ipod")
GAPLESS = ("avi", "mov")
# Time stamps are trusted beyond this; Matroska rounds them to 1 ms and FLV too (seconds).
JITTER = 0.021


def cases(beginnings):
    for name, (muxer, *_) in CONTAINERS.items():
        for beginning in beginnings:
            if beginning == "0" or not (muxer in TIMELESS or (beginning == "before 0" and muxer in NOT_BEFORE_0)):
                yield name, beginning


QUICK = list(cases(["0", "7 s"]))
REST = list(cases([beginning for beginning in BEGINNINGS if beginning not in ("0", "7 s")]))
ALL = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in REST)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes a case once."""
    folder, files = tmp_path_factory.mktemp("corpus"), {}

    def write(name, beginning):
        if (name, beginning) not in files:
            path = folder / f"{beginning} {name}"
            files[name, beginning] = write_container(path, *CONTAINERS[name], **BEGINNINGS[beginning])
        return files[name, beginning]

    return write


def test_every_container_is_in_the_corpus(written):
    found = {sniff(written(name, "0")) for name in CONTAINERS}
    assert found | {"amr"} == set(KINDS) - {"gif"}  # which has no sound; AMR's encoder is not in every wheel


@pytest.mark.parametrize(("name", "beginning"), ALL)
def test_the_sound_is_that_of_ffmpeg(written, name, beginning):
    path = written(name, beginning)
    rate, plain = plain_decode(path)
    expected = soxr.resample(plain, rate, RATE)
    sound = load_audio(path)
    assert abs(len(sound) - len(expected)) <= JITTER * RATE
    pads = max(len(sound), len(expected))
    sound, expected = (np.pad(wave, (0, pads - len(wave))) for wave in (sound, expected))
    products = scipy.signal.correlate(sound, expected, method="fft")
    lag = int(products.argmax()) - (pads - 1)
    assert abs(lag) <= JITTER * RATE
    overlap = sound[max(0, lag) : pads + min(0, lag)], expected[max(0, -lag) : pads - max(0, lag)]
    assert np.corrcoef(*overlap)[0, 1] > 0.995
    assert np.linalg.norm(overlap[0]) == pytest.approx(np.linalg.norm(overlap[1]), rel=0.01)
    # All of what was written is there, as loud.
    seconds = SECONDS
    if CONTAINERS[name][0] in EDITED and beginning == "before 0":
        seconds -= 0.5  # the edit list begins at 0
    if beginning == "gap" and CONTAINERS[name][0] not in GAPLESS:
        assert len(sound) / RATE == pytest.approx(seconds + 1, abs=0.1)
    else:
        assert len(sound) / RATE == pytest.approx(seconds, abs=0.1)
    assert np.linalg.norm(sound) == pytest.approx(0.1 * np.sqrt(seconds * RATE), rel=0.2)  # AMR is made for speech


def has_clocked_pictures(case):
    # Avi shows its first picture until the second one's time, however late the first is stamped.
    name, beginning = getattr(case, "values", case)
    muxer, video_codec, *_ = CONTAINERS[name]
    return video_codec and (muxer != "avi" or beginning in ("0", "gap"))


@pytest.mark.parametrize(("name", "beginning"), [case for case in ALL if has_clocked_pictures(case)])
def test_pictures_are_in_step_with_the_sound(written, name, beginning):
    """Each picture carries its number; codecs' lead-ins shift the sound's clock by less than 0.05 s."""
    frames, seen = load_frames(written(name, beginning), [0.4, 0.85])
    assert seen.all()
    muxer, video_codec, *_ = CONTAINERS[name]
    rate = 25 if video_codec == "mpeg2video" else 10
    cut = 0.5 if muxer in EDITED and beginning == "before 0" else 0.0
    for time, frame in zip((0.4, 0.85), frames, strict=True):
        expected = time + cut
        if beginning == "gap" and muxer in GAPLESS and expected >= 1:
            expected -= 1
        assert abs(picture_number(frame) - expected * rate) <= 0.05 * rate + 1


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_cut_file_is_truncated_or_declares_no_length(written, tmp_path, name):
    content = written(name, "0").read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: len(content) * 55 // 100])
    if CONTAINERS[name][0] in UNDECLARED:
        assert len(load_audio(cut)) < 0.8 * SECONDS * RATE
    else:
        with pytest.raises(MediaError, match=r"truncated") as caught:
            load_audio(cut)
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def embedders():
    spec = EmbedderSpec(name="mean_colour", modality="video", dim=3, size=(8, 8))
    video = Embedder(spec, lambda pictures: np.asarray(pictures).mean(axis=(1, 2)), fingerprint="colour")
    return {"audio_embedder": load_embedder("vggish_stand_in"), "video_embedder": video}


def check_extraction(cases, written, embedders, folder):
    clips = []
    for name, beginning in cases:
        path = written(name, beginning)
        clips.append(Clip(path.name, path, path if CONTAINERS[name][1] else None, "train"))
    stores, summary = extract(clips, folder, **embedders, workers=2)
    assert summary.errors == []
    assert not [note for _, note in summary.notes if "video" in note or "damaged" in note]
    assert all(re.fullmatch(r"1\.\d\d s without sound in its time stamps became silence", n) for _, n in summary.notes)
    audio, video = RecordReader(stores["audio"]), RecordReader(stores["video"])
    for clip in clips:
        alone = embed_clip(clip.audio, clip.video, **embedders)
        np.testing.assert_array_equal(audio.read(clip.id), alone.audio.astype("float16"))
        if clip.video:
            np.testing.assert_array_equal(video.seen(clip.id), alone.seen)
            # A batch of other pictures differs in rounding.
            np.testing.assert_allclose(video.read(clip.id), alone.video, atol=1e-3)


def test_extract_reads_what_predict_reads(written, embedders, tmp_path):
    check_extraction(QUICK, written, embedders, tmp_path)


@pytest.mark.slow
def test_extract_reads_every_beginning(written, embedders, tmp_path):
    check_extraction([*QUICK, *REST], written, embedders, tmp_path)
