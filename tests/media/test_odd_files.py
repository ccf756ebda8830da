"""Files that are none, names that are odd, and time stamps, rates and levels that are absurd: one line each."""

import os
import re
import socket
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
from container_corpus import CONTAINERS, write_container
from media_corpus import bursts, numbered_picture, write_clip

from avkeras.errors import MediaError
from avkeras.media.audio import iter_audio, load_audio
from avkeras.media.audio_track import LOUDEST, MOST_SILENCE
from avkeras.media.containers import CONTAINERS as KINDS, sniff
from avkeras.media.media import probe
from avkeras.media.video import load_frames

READS = {"sniff": sniff, "probe": probe, "sound": load_audio, "pictures": lambda path: load_frames(path, [0.0])}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.wav")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket.wav"))
    (tmp_path / "link.wav").symlink_to(tmp_path / "pipe.wav")
    cases = {
        "pipe.wav": r"a pipe",
        "link.wav": r"a pipe",
        "socket.wav": "a socket",
        "/dev/zero": "a device",
        ".": "a folder",
    }
    for name, kind in cases.items():
        with pytest.raises(MediaError, match=kind) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
    listening.close()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_name_that_cannot_be_is_one_line(tmp_path, read):
    for name in ("x" * 5000, "folder/" * 1000 + "a.wav", "a\0b.wav"):
        with pytest.raises(MediaError, match="cannot be read") as caught:
            read(tmp_path / name)
        assert "\n" not in caught.value.reason


def test_a_name_that_is_no_utf_8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"f\xfcr.mp4")
    write_clip(tmp_path / "a.mp4", frame_times=[0.0, 0.1], sound=bursts(0.3, 44100), video_codec="mpeg4").rename(path)
    assert probe(path).has_video
    assert len(load_audio(path)) > 4000
    assert load_frames(path, [0.0])[1].all()


def test_every_demuxer_is_there():
    assert len(KINDS) == len(set(KINDS)) == 21
    assert {"m3u8", "hls", "concat", "dash", "sdp"}.isdisjoint(KINDS)


def write_gap(path, seconds, *, sound=1.0, rate=8000):
    """Pcm in Matroska: so much sound, a gap, and half a second of sound."""
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=rate, layout="mono")
        for begin, length in ((0.0, sound), (sound + seconds, 0.5)):
            frame = av.AudioFrame.from_ndarray(np.full((1, round(length * rate)), 1000, np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = rate, round(begin * rate)
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return path


def test_a_gap_is_silence_up_to_the_limit_and_then_one_line(tmp_path):
    notes = []
    sound = load_audio(write_gap(tmp_path / "a.mkv", MOST_SILENCE - 1), notes=notes)
    assert len(sound) / 16000 == pytest.approx(MOST_SILENCE + 0.5)
    assert notes == [f"{MOST_SILENCE - 1:.2f} s without sound in its time stamps became silence"]
    for seconds in (MOST_SILENCE + 60, 86_400, 1.7e9):
        path = write_gap(tmp_path / "b.mkv", seconds)
        tracemalloc.start()
        with pytest.raises(MediaError, match=r"leave out too much, from 1\.0 to") as caught:
            load_audio(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2e6  # the sound that is there takes 100 kB
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        with pytest.raises(MediaError, match="leave out too much"):
            load_audio(path, start=100.0, duration=1.0)


def test_many_gaps_add_up(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.full((1, 80), 1000, np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, number * 59 * 8000
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    with pytest.raises(MediaError, match="leave out too much"):
        list(iter_audio(path))


@pytest.mark.parametrize("track", ["sound", "pictures"])
def test_one_track_in_wall_clock_time(tmp_path, track):
    """What the other track says stays usable."""
    path, late = tmp_path / "a.mkv", 1.7e9
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(10):
            picture = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            picture.pts = number + round(10 * late if track == "pictures" else 0)
            output.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(np.full((1, 800), 1000, np.int16), "s16", "mono")
            sound.sample_rate, sound.pts = 8000, 800 * number + round(8000 * late if track == "sound" else 0)
            output.mux(audio.encode(sound))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    _, seen = load_frames(path, [0.1, 0.5])
    if track == "sound":
        assert seen.all()
        with pytest.raises(MediaError, match=r"leave out too much, from 0\.0 to 17"):
            load_audio(path)
    else:
        assert not seen.any()
        assert len(load_audio(path)) == 16000


@pytest.mark.parametrize("rate", [1, 900, 2_000_000])
def test_a_rate_that_is_none_of_sound(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.full(1000, 0.1, np.float32), rate)
    with pytest.raises(MediaError, match=f"a sample rate of {rate} Hz"):
        load_audio(tmp_path / "a.wav")


def test_pictures_too_large_are_one_line(tmp_path):
    path = tmp_path / "a.gif"
    # A header of 65535 x 65535 pixels, and the least of a picture.
    size = b"\xff\xff\xff\xff"
    path.write_bytes(b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0\2\2\x44\1\0;")
    with pytest.raises(MediaError) as caught:
        load_frames(path, [0.0])
    assert "\n" not in str(caught.value)


def test_a_gif_shows_pictures_and_has_no_sound(tmp_path):
    with av.open(str(tmp_path / "a.gif"), "w") as output:
        video = output.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "rgb8"
        for number in range(0, 200, 20):
            picture = np.full((48, 64, 3), number, np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="rgb8")))
        output.mux(video.encode(None))
    frames, seen = load_frames(tmp_path / "a.gif", [0.0, 0.5, 0.9])
    assert seen.all()
    assert np.abs(frames.mean(axis=(1, 2, 3)) - (0, 100, 180)).max() < 40  # rgb8 has 8 levels of a colour
    with pytest.raises(MediaError, match="it has no audio track"):
        load_audio(tmp_path / "a.gif")


@pytest.mark.parametrize("compressed", ["a.wav", "adpcm_ms.wav", "adpcm_ima.wav", "mp3.wav", "a.w64"])
def test_a_whole_wav_is_never_truncated(tmp_path, compressed):
    path = write_container(tmp_path / compressed, *CONTAINERS[compressed], seconds=7.0)
    assert len(load_audio(path)) / 16000 == pytest.approx(7.0, abs=0.06)
    content = bytearray(path.read_bytes())
    if (place := content.find(b"fact")) >= 0:  # a wrong one changes nothing
        content[place + 8 : place + 12] = b"\xff\xff\xff\x7f"
        path.write_bytes(content)
        assert len(load_audio(path)) / 16000 == pytest.approx(7.0, abs=0.06)


class TestLevels:
    def written(self, tmp_path, sound, subtype="FLOAT"):
        soundfile.write(tmp_path / "a.wav", np.asarray(sound, np.float32).T, 16000, subtype=subtype)
        notes = []
        return load_audio(tmp_path / "a.wav", notes=notes), notes

    def test_channels_that_cancel_give_the_loudest_and_say_so(self, tmp_path):
        left = 0.3 * bursts(2.0, 16000, at=(0.5,), length=1.0)[0] + 0.01
        waveform, notes = self.written(tmp_path, [left, -left])
        np.testing.assert_allclose(waveform, left, atol=1e-6)
        assert notes == ["its channels cancel each other for 2.00 s: the loudest was taken there"]
        waveform, notes = self.written(tmp_path, [0.9 * left, -left], subtype="PCM_16")
        np.testing.assert_allclose(waveform, 0.05 * -left, atol=1e-4)  # a tenth is left: nothing cancels
        assert notes == []

    def test_only_the_part_that_cancels_is_replaced(self, tmp_path):
        left = np.random.default_rng(0).normal(size=4 * 16000) / 10
        right = np.where(np.arange(4 * 16000) < 32000, left, -left)
        waveform, (note,) = self.written(tmp_path, [left, right])
        # The second in which it begins is judged as one.
        assert np.count_nonzero(np.abs(waveform - left) > 1e-6) < 16_000
        np.testing.assert_allclose(waveform[48_000:], left[48_000:], atol=1e-6)
        assert re.fullmatch(r"its channels cancel each other for [12]\.\d\d s: the loudest was taken there", note)

    def test_one_of_many_channels_is_no_cancelling(self, tmp_path):
        sound = np.zeros((8, 16000))
        sound[3] = np.random.default_rng(0).normal(size=16000) / 10
        waveform, notes = self.written(tmp_path, sound)
        np.testing.assert_allclose(waveform, sound[3] / 8, atol=1e-6)
        assert notes == []

    @pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_U8"])
    def test_silence_is_noted(self, tmp_path, subtype):
        waveform, notes = self.written(tmp_path, np.zeros((2, 8000)), subtype)
        assert not waveform.any()
        assert notes == ["its sound is silent: it stays below 0.0001 of full scale"]

    def test_dither_is_silence_and_a_whisper_is_not(self, tmp_path):
        dither = np.random.default_rng(0).integers(-1, 2, 16000) / 2**15
        assert self.written(tmp_path, [dither], "PCM_16")[1] == [
            "its sound is silent: it stays below 0.0001 of full scale"
        ]
        assert self.written(tmp_path, [20 * dither], "PCM_16")[1] == []

    @pytest.mark.parametrize("peak", [32767.0, 1e30, -1e30, 2 * LOUDEST])
    def test_another_scale_is_refused(self, tmp_path, peak):
        sound = np.zeros(16000)
        sound[77] = peak
        with pytest.raises(MediaError, match=r"its samples reach .* scale them"):
            self.written(tmp_path, [sound, -sound])

    def test_what_overshoots_is_kept(self, tmp_path):
        waveform, notes = self.written(tmp_path, [np.linspace(-3, 3, 16000)])
        assert waveform.max() == pytest.approx(3.0)
        assert notes == []


def test_anamorphic_pictures_are_shown_as_they_are_meant(tmp_path):
    from fractions import Fraction

    def write(name, aspect, rotation=0):
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            video = output.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.sample_aspect_ratio = video.codec_context.sample_aspect_ratio = aspect
            if rotation:
                video.set_display_rotation(rotation)
            picture = np.zeros((48, 64, 3), np.uint8)
            picture[:, 32:] = 250
            for number in range(3):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = number
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        return path

    for name in ("a.mp4", "a.mkv", "a.avi"):
        path = write(name, Fraction(2, 1))
        assert probe(path).video_size == (48, 128)
        frames, _ = load_frames(path, [0.0])
        assert frames.shape == (1, 48, 128, 3)
        assert frames[0, :, :60].max() < 40
        assert frames[0, :, 68:].min() > 210
        assert load_frames(path, [0.0], short_side=12)[0].shape == (1, 12, 32, 3)
        assert load_frames(path, [0.0], size=(8, 8))[0].shape == (1, 8, 8, 3)
    assert load_frames(write("narrow.mkv", Fraction(1, 2)), [0.0])[0].shape == (1, 48, 32, 3)
    assert load_frames(write("turned.mp4", Fraction(2, 1), 90), [0.0])[0].shape == (1, 128, 48, 3)
    assert load_frames(write("absurd.mkv", Fraction(200, 1)), [0.0])[0].shape == (1, 48, 64, 3)
