"""Cuts are exact, and what cannot be cut says why."""

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, onset, picture_number, write_clip

from avkeras.datasets.segment import cut_audio, cut_video
from avkeras.errors import MediaError
from avkeras.media.media import probe
from avkeras.media.video import load_frames


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """12 s: picture n from n / 10 s on, bursts at 1.0, 5.25 and 9.5 s; key frames 2.5 s apart."""
    return write_clip(
        tmp_path_factory.mktemp("film") / "film.mp4",
        frame_times=np.arange(120) / 10,
        video_options={"g": "25"},
        sound=bursts(12.0, 44100, channels=2, at=(1.0, 5.25, 9.5)),
    )


@pytest.mark.parametrize(("start", "end"), [(0.0, 3.0), (4.0, 7.0), (4.37, 6.0), (9.0, 12.0)])
def test_sound_is_cut_to_the_sample(film, tmp_path, start, end):
    assert cut_audio(film, tmp_path / "a.flac", start=start, end=end)
    sound, rate = soundfile.read(tmp_path / "a.flac")
    assert (rate, sound.shape) == (44100, (round((end - start) * 44100), 2))
    expected = next(time for time in (1.0, 5.25, 9.5) if start <= time < end) - start
    assert onset(sound[:, 0], rate) == pytest.approx(expected, abs=0.002)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("start", [0.0, 2.5, 3.97, 9.0])
def test_pictures_are_cut_to_the_frame(film, tmp_path, start):
    assert cut_video(film, tmp_path / "v.mp4", start=start, end=start + 2)
    info = probe(tmp_path / "v.mp4")
    assert (info.has_audio, info.has_video) == (False, True)
    times = np.array([0.001, 0.55, 1.05, 1.75])
    frames, seen = load_frames(tmp_path / "v.mp4", times)
    assert seen.all()
    whole, _ = load_frames(film, times + start)
    shown = np.array([picture_number(frame) for frame in frames])
    assert np.abs(shown - [picture_number(frame) for frame in whole]).max() <= 1


def test_large_pictures_become_small_and_keep_their_shape(tmp_path):
    film = write_clip(tmp_path / "f.mp4", frame_times=np.arange(10) / 10, size=(720, 1278), video_codec="mpeg4")
    assert cut_video(film, tmp_path / "v.mp4", start=0, end=1)
    assert probe(tmp_path / "v.mp4").video_size == (360, 640)


def test_turned_pictures_stay_turned(tmp_path):
    film = write_clip(tmp_path / "f.mp4", frame_times=np.arange(10) / 10, rotation=90)
    assert cut_video(film, tmp_path / "v.mp4", start=0, end=1)
    assert (probe(film).rotation, probe(film).video_size) == (90, (64, 48))
    assert (probe(tmp_path / "v.mp4").rotation, probe(tmp_path / "v.mp4").video_size) == (90, (64, 48))


def test_a_recording_that_ends_early_gives_what_there_is(film, tmp_path):
    assert cut_audio(film, tmp_path / "a.flac", start=10, end=20)
    assert soundfile.info(tmp_path / "a.flac").duration == pytest.approx(2.0, abs=0.05)
    with pytest.raises(MediaError, match=r"the source ends at 12.0 s, before the segment \(30 to 40 s\)"):
        cut_audio(film, tmp_path / "b.flac", start=30, end=40)
    with pytest.raises(MediaError, match="before the segment"):
        cut_video(film, tmp_path / "b.mp4", start=30, end=40)
    assert not (tmp_path / "b.flac").exists()
    assert not (tmp_path / "b.mp4").exists()


def test_missing_tracks(tmp_path):
    silent = write_clip(tmp_path / "silent.mp4", frame_times=np.arange(10) / 10)
    blind = write_clip(tmp_path / "blind.mp4", sound=bursts(1.0, 16000))
    assert not cut_audio(silent, tmp_path / "a.flac", start=0, end=1)
    assert not cut_video(blind, tmp_path / "v.mp4", start=0, end=1)
    assert cut_audio(blind, tmp_path / "a.flac", start=0, end=1)
    assert soundfile.info(tmp_path / "a.flac").channels == 1


def test_pictures_that_ended_long_before_are_none(tmp_path):
    film = write_clip(tmp_path / "f.mp4", frame_times=np.arange(10) / 10, sound=bursts(8.0, 44100))
    with pytest.raises(MediaError, match="holds nothing that can be decoded from 5 to 7 s"):
        cut_video(film, tmp_path / "v.mp4", start=5, end=7)


def test_other_codecs_and_coarse_time_stamps(tmp_path):
    """Matroska rounds times to milliseconds: that must not click."""
    film = write_clip(tmp_path / "f.mkv", sound=bursts(6.0, 48000, at=(3.0,)), rate=48000, audio_codec="libopus")
    assert cut_audio(film, tmp_path / "a.flac", start=2.5, end=4.5)
    sound, rate = soundfile.read(tmp_path / "a.flac")
    assert onset(sound, rate) == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.diff(sound[: round(0.4 * rate)])).max() < 0.01


def test_damaged_and_foreign_files(film, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:3000])
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:10,\nfile://{film}\n#EXT-X-ENDLIST\n")
    for name in ("cut.mp4", "list.m3u8"):
        with pytest.raises(MediaError, match="truncated or damaged"):
            cut_audio(tmp_path / name, tmp_path / "a.flac", start=0, end=1)
