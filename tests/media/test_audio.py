import functools
import logging
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
from media_corpus import bursts, onset, write_bad_files, write_clip

from avkeras.errors import MediaError
from avkeras.media.audio import iter_audio, load_audio
from avkeras.media.audio_in_graph import decode_audio

BURST = 0.5


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return write_bad_files(tmp_path_factory.mktemp("bad"))


def sound_file(path, *, rate=44100, channels=2, seconds=1.0, subtype=None, file_format=None):
    sound = bursts(seconds, rate, channels=channels, at=(BURST,))
    soundfile.write(path, sound.T, rate, subtype=subtype, format=file_format)
    return path


WRITERS = {
    "PCM_U8.wav": lambda p: sound_file(p, subtype="PCM_U8"),
    "PCM_16.wav": lambda p: sound_file(p, subtype="PCM_16"),
    "PCM_24.wav": lambda p: sound_file(p, subtype="PCM_24"),
    "PCM_32.wav": lambda p: sound_file(p, subtype="PCM_32"),
    "FLOAT.wav": lambda p: sound_file(p, subtype="FLOAT"),
    "DOUBLE.wav": lambda p: sound_file(p, subtype="DOUBLE"),
    "ULAW.wav": lambda p: sound_file(p, subtype="ULAW"),
    "extensible.wav": lambda p: sound_file(p, subtype="PCM_24", file_format="WAVEX"),
    "six.wav": lambda p: sound_file(p, channels=6),
    "slow.wav": lambda p: sound_file(p, rate=8000, channels=1),
    "same.wav": lambda p: sound_file(p, rate=16000, channels=1),
    "fast.wav": lambda p: sound_file(p, rate=96000, subtype="PCM_24"),
    "a.flac": lambda p: sound_file(p, subtype="PCM_24"),
    "a.mp3": lambda p: sound_file(p),
    "vorbis.ogg": lambda p: sound_file(p),
    "opus.ogg": lambda p: sound_file(p, rate=48000, subtype="OPUS"),
    "a.m4a": lambda p: write_clip(p, sound=bursts(1.0, 44100, channels=2), container="mp4"),
    "six.m4a": lambda p: write_clip(p, sound=bursts(1.0, 48000, channels=6), rate=48000, container="mp4"),
    "a.mp4": lambda p: write_clip(p, frame_times=np.arange(10) / 10, sound=bursts(1.0, 22050), rate=22050),
    "a.mkv": lambda p: write_clip(
        p, frame_times=np.arange(10) / 10, sound=bursts(1.0, 44100, channels=2), video_codec="mpeg4"
    ),
    "a.webm": lambda p: write_clip(
        p,
        frame_times=np.arange(10) / 10,
        sound=bursts(1.0, 48000, channels=2),
        rate=48000,
        video_codec="libvpx",
        audio_codec="libopus",
    ),
}
# Coding noise, as a fraction of the amplitude of 0.5.
LOSSLESS = 0.02


def assert_is_the_burst(waveform, *, lossy=True, gain=1.0):
    """One second at 16 kHz with a burst of amplitude 0.5 and 0.1 s at 0.5 s: no delay, no gain."""
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert len(waveform) / 16000 == pytest.approx(1.0, abs=0.06 if lossy else 1e-4)
    assert onset(waveform, 16000) == pytest.approx(BURST, abs=0.004)
    middle = waveform[8400:9200]
    assert np.sqrt((middle**2).mean()) == pytest.approx(gain * 0.5 / np.sqrt(2), rel=0.12 if lossy else LOSSLESS)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8400, 9200) / 16000)
    assert np.corrcoef(middle, expected)[0, 1] > 0.97
    assert np.abs(waveform[:7000]).max() < 0.02


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_sound_in_step(tmp_path, name):
    path = WRITERS[name](tmp_path / name)
    liar = path.rename(tmp_path / "clip.bin")
    # AAC keeps nothing at 1 kHz in the sixth channel, which is for low frequencies.
    gain = 5 / 6 if name == "six.m4a" else 1.0
    assert_is_the_burst(load_audio(liar), lossy=not name.endswith((".wav", ".flac")), gain=gain)


def test_channels_are_averaged_without_gain(tmp_path):
    left = bursts(1.0, 16000)
    soundfile.write(tmp_path / "a.wav", np.concatenate([left, -0.5 * left]).T, 16000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), 0.25 * left[0], atol=1e-7)


@pytest.mark.parametrize("name", ["PCM_16.wav", "a.flac", "a.mp3", "vorbis.ogg", "a.m4a", "a.webm"])
def test_slices_and_blocks_equal_the_whole(tmp_path, name):
    path = tmp_path / name
    sound = 0.3 * np.random.default_rng(0).normal(size=(1, 30 * 48000)).astype(np.float32).clip(-3, 3)
    if name == "a.m4a":
        write_clip(path, sound=sound, rate=48000, container="mp4")
    elif name == "a.webm":
        write_clip(path, sound=sound, rate=48000, audio_codec="libopus")
    else:
        soundfile.write(path, sound.T, 48000)
    whole = load_audio(path)
    blocks = list(iter_audio(path, block_seconds=7.0))
    assert [len(block) for block in blocks[:-1]] == [7 * 16000] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    for start, duration in [(0.5, 1.25), (3.03, 2.0), (24.5, 2.0), (28.0, None)]:
        part = load_audio(path, start=start, duration=duration)
        stop = len(whole) if duration is None else round((start + duration) * 16000)
        expected = whole[round(start * 16000) : stop]
        if name == "a.webm" and start > 20:  # after a seek, its time stamps of 1 ms tell the place
            assert abs(len(part) - len(expected)) <= 16
            lags = np.correlate(expected, part[100:3300], mode="valid")[:200]
            assert abs(lags.argmax() - 100) <= 16
            continue
        assert len(part) == len(expected)
        # Lossy decoders that begin in the middle need not give the same bits.
        assert np.abs(part - expected).max() < (1e-4 if name.endswith((".wav", ".flac")) else 0.02)


def test_a_slice_of_a_long_file_takes_little_memory(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.int16))  # an hour
    load_audio(path, duration=0.1)
    tracemalloc.start()
    part = load_audio(path, start=3000.0, duration=10.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(part) == 160000
    assert peak < 10e6


def test_sound_that_starts_late_begins_with_zeros(tmp_path):
    path = write_clip(tmp_path / "late.mkv", frame_times=np.arange(20) / 10, sound=bursts(1.0, 44100), sound_start=0.7)
    waveform = load_audio(path)
    assert onset(waveform, 16000) == pytest.approx(0.7 + BURST, abs=0.01)
    assert not waveform[: round(0.6 * 16000)].any()


def test_a_gap_in_the_time_stamps_is_silence(tmp_path):
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as output:
        track = output.add_stream("pcm_s16le", rate=16000, layout="mono")
        for begin in (0, 1600, 32000):  # 0.2 s of sound, 1.8 s of nothing, 0.1 s of sound
            frame = av.AudioFrame.from_ndarray(np.full((1, 1600), 1000, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, begin
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    waveform = load_audio(path)
    assert len(waveform) == 33600
    assert (waveform[:3200] > 0).all()
    assert not waveform[3200:32000].any()
    assert (waveform[32000:] > 0).all()


@pytest.mark.parametrize("name", ["cut.wav", "header.wav", "noise.ogg", "cut.mp4", "empty.mp4", "missing.wav"])
def test_bad_files_raise_one_line(bad, name):
    path, reason = bad[name]
    with pytest.raises(MediaError, match=reason) as caught:
        load_audio(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.mp4", "a.webm"])
def test_a_cut_file_says_how_much_is_there(tmp_path, name):
    path = tmp_path / name
    noise = 0.1 * np.random.default_rng(0).normal(size=(1, 10 * 48000)).astype(np.float32)
    if name == "a.mp4":  # its index at the front, as on the web
        write_clip(path, sound=noise, rate=48000, container_options={"movflags": "faststart"})
    elif name == "a.webm":
        write_clip(path, sound=noise, rate=48000, audio_codec="libopus")
    else:
        soundfile.write(path, noise.T, 48000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(MediaError, match=r"truncated: [56]\.\d\d s of the (9\.9\d|10\.0\d) s"):
        load_audio(path)
    assert len(load_audio(path, duration=2.0)) == 32000


def test_video_only_and_empty_tracks_are_told_apart(tmp_path):
    path = write_clip(tmp_path / "silent.mp4", frame_times=np.arange(5) / 10)
    with pytest.raises(MediaError, match="no audio track"):
        load_audio(path)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(MediaError, match="no samples"):
        load_audio(tmp_path / "empty.wav")


def test_a_start_beyond_the_end_is_an_error(tmp_path):
    with pytest.raises(MediaError, match="ends before 5 s"):
        load_audio(sound_file(tmp_path / "a.wav"), start=5.0)
    with pytest.raises(ValueError, match="start must be"):
        load_audio(tmp_path / "a.wav", start=-1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_samples_that_are_not_finite_are_an_error(tmp_path, value, rate):
    sound = bursts(1.0, rate)[0]
    sound[100] = value
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, rate, subtype="FLOAT")
    with pytest.raises(MediaError, match="not finite"):
        load_audio(path)
    waveform, error = decode_audio(str(path))
    assert waveform.shape == (0,)
    assert b"not finite" in error.numpy()


def test_damaged_packets_are_counted_and_become_silence(tmp_path, caplog):
    sound = np.full((1, 4 * 48000), 0.25, np.float32)
    path = write_clip(tmp_path / "a.mkv", sound=sound, rate=48000, audio_codec="flac")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packets = [bytes(packet) for packet in source.demux(audio=0) if packet.size]
    begin = content.index(packets[10])
    content[begin : begin + len(packets[10])] = bytes(len(packets[10]))
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="avkeras"):
        waveform = load_audio(path)
    assert "1 damaged audio packets became silence" in caplog.text
    assert len(waveform) == pytest.approx(64000, abs=100)
    assert 0 < (np.abs(waveform) < 0.01).sum() < 3000


@pytest.mark.parametrize("name", WRITERS)
def test_the_pipeline_hears_what_load_audio_hears(tmp_path, name):
    path = WRITERS[name](tmp_path / name)
    waveform, error = decode_audio(str(path))
    assert error.numpy() == b""
    expected = load_audio(path)
    assert len(waveform) == len(expected)
    # Streaming and one-shot resampling differ in rounding only.
    np.testing.assert_allclose(waveform, expected, atol=2e-5)


def test_the_pipeline_reads_wav_files_that_tensorflow_io_refuses(tmp_path):
    plain = sound_file(tmp_path / "plain.wav").read_bytes()
    note = b"LIST" + (26).to_bytes(4, "little") + b"INFO" + bytes(22)
    odd = {
        "note first": plain[:12] + note + plain[12:],
        "note second": plain[:36] + note + plain[36:],
        "wrong length": plain[:4] + b"\xff\xff\xff\x7f" + plain[8:],
        "unknown length": plain[:40] + b"\xff\xff\xff\xff" + plain[44:],
        "streamed": plain[:4] + b"\xff\xff\xff\xff" + plain[8:40] + b"\xff\xff\xff\xff" + plain[44:],
    }
    for name, content in odd.items():
        path = tmp_path / name
        path.write_bytes(content)
        waveform, error = decode_audio(str(path))
        assert error.numpy() == b"", name
        assert_is_the_burst(waveform.numpy(), lossy=False)


def test_chained_ogg_files_are_read_to_the_end(tmp_path):
    one = sound_file(tmp_path / "one.ogg", seconds=5.0).read_bytes()
    path = tmp_path / "chained.ogg"
    path.write_bytes(one + one)
    assert len(load_audio(path)) == pytest.approx(160000, rel=0.01)


@pytest.mark.parametrize(("milliseconds", "reason"), [(0, "jump back from 9.* to 0.0 s"), (60000, "60.0 s in 14")])
def test_broken_time_stamps_are_an_error(tmp_path, milliseconds, reason):
    path = write_clip(tmp_path / "a.mkv", sound=bursts(14.0, 8000), rate=8000, audio_codec="pcm_f32le")
    content = bytearray(path.read_bytes())
    cluster = content.rindex(b"\x1f\x43\xb6\x75")
    stamp = content.index(b"\xe7\x82", cluster)
    content[stamp + 2 : stamp + 4] = milliseconds.to_bytes(2, "big")
    path.write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        load_audio(path)


def test_one_bad_clip_does_not_stop_the_pipeline(tmp_path, bad):
    import tensorflow as tf

    good = sound_file(tmp_path / "good.wav")
    paths = [good, *(path for path, _ in bad.values()), good]
    clips = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    clips = clips.map(functools.partial(decode_audio, sample_rate=16000), num_parallel_calls=2)
    assert clips.element_spec[0].shape.as_list() == [None]
    results = list(clips.as_numpy_iterator())
    assert len(results) == len(paths)
    for path, (waveform, error) in zip(paths, results, strict=True):
        if path == good:
            assert error == b""
            assert_is_the_burst(waveform, lossy=False)
        else:
            assert error.decode().startswith(str(path))
            assert waveform.shape == (0,)
