import logging
import tracemalloc

import av
import numpy as np
import pytest
from media_corpus import bursts, numbered_picture, picture_number, write_bad_files, write_clip

from avkeras.errors import MediaError
from avkeras.media.video import load_frames

TENTHS = np.arange(20) / 10
CODECS = {
    "h264.mp4": {"video_codec": "libx264"},
    "mpeg4.mp4": {"video_codec": "mpeg4"},
    "h264.mkv": {"video_codec": "libx264"},
    "vp8.webm": {"video_codec": "libvpx", "audio_codec": "libopus", "rate": 48000},
    "vp9.webm": {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "rate": 48000},
}


def numbers(frames):
    return [picture_number(frame) for frame in frames]


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("with_sound", [True, False])
def test_every_codec_gives_the_nearest_frame(tmp_path, name, with_sound):
    options = dict(CODECS[name])
    if with_sound:
        options["sound"] = bursts(2.0, options.get("rate", 44100))
    else:
        options.pop("rate", None)
    path = write_clip(tmp_path / name, frame_times=TENTHS, **options).rename(tmp_path / "liar.wav")
    frames, seen = load_frames(path, [0.0, 1.46, 0.44, 0.46, 0.44, 1.9])
    assert frames.dtype == np.uint8
    assert frames.shape == (6, 48, 64, 3)
    assert seen.all()
    assert numbers(frames) == [0, 15, 4, 5, 4, 19]


def test_variable_frame_rate_goes_by_time_stamps(tmp_path):
    times = [0.0, 0.1, 0.5, 0.55, 1.7, 1.8]
    path = write_clip(tmp_path / "vfr.mkv", frame_times=times)
    asked = np.array([0.02, 0.28, 0.32, 0.53, 1.1, 1.2, 1.79])
    frames, seen = load_frames(path, asked)
    assert seen.all()
    assert numbers(frames) == [int(np.abs(np.array(times) - time).argmin()) for time in asked]


def test_times_count_from_the_start_of_the_clip(tmp_path):
    # Sound from 3 s, pictures from 3.5 s on the file's own clock.
    path = write_clip(
        tmp_path / "late.mkv", frame_times=3.5 + TENTHS, sound=bursts(3.0, 44100), sound_start=3.0, video_codec="mpeg4"
    )
    frames, seen = load_frames(path, [0.0, 0.2, 0.4, 0.56, 1.5])
    assert seen.tolist() == [False, False, True, True, True]
    assert not frames[:2].any()
    assert numbers(frames[2:]) == [0, 1, 10]


def test_video_shorter_than_sound_is_masked_and_never_grey(tmp_path):
    path = write_clip(tmp_path / "short.mp4", frame_times=np.arange(1, 11) / 10 - 0.1, sound=bursts(3.0, 44100))
    frames, seen = load_frames(path, [0.5, 0.9, 1.1, 1.2, 2.0, 2.9], size=(12, 16))
    assert seen.tolist() == [True, True, True, False, False, False]
    assert numbers(frames[:3]) == [5, 9, 9]
    assert not frames[3:].any()


def test_a_slow_video_shows_its_last_frame_for_one_interval(tmp_path):
    path = write_clip(tmp_path / "slow.mkv", frame_times=[0.0, 2.0, 4.0], video_codec="mpeg4")
    _, seen = load_frames(path, [3.9, 4.2, 5.9, 6.5])
    assert seen[:2].all()
    assert not seen[3]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [None, (36, 20)])
def test_pictures_stand_upright(tmp_path, turn, size):
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:32, :24], upright[:32, 24:], upright[32:, :24] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = np.rot90(upright, -turn // 90)
    path = write_clip(
        tmp_path / "turned.mp4", frame_times=[0, 0.1], pictures=[stored] * 2, size=stored.shape[:2], rotation=turn
    )
    frames, seen = load_frames(path, [0.0, 0.1], size=size)
    height, width = size or (64, 48)
    assert frames.shape == (2, height, width, 3)
    assert seen.all()
    quarter = frames[0][height // 8 :: height // 2, width // 8 :: width // 2].astype(int)
    expected = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [0, 0, 0]]])
    assert np.abs(quarter[:2, :2] - expected).max() < 30


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 17), (2160, 3840)])
def test_any_picture_size(tmp_path, shape):
    picture = np.full((*shape, 3), (200, 100, 50), np.uint8)
    path = write_clip(
        tmp_path / "a.mp4",
        frame_times=[0.0, 0.1],
        pictures=[picture] * 2,
        size=shape,
        pixel_format="yuv444p",
        video_options={"preset": "ultrafast"},
    )
    frames, seen = load_frames(path, [0.1], size=(8, 8))
    assert seen.all()
    assert np.abs(frames[0].astype(int) - (200, 100, 50)).max() <= 8
    assert load_frames(path, [0.1])[0].shape == (1, *shape, 3)


@pytest.mark.parametrize(
    ("stored", "turn", "bounded"),
    [
        ((2160, 3840), 0, (256, 455)),
        ((512, 256), 90, (256, 512)),
        ((48, 64), 0, (48, 64)),
        ((1, 5000), 0, (1, 4)),
        ((1200, 10), 0, (40, 10)),
        ((2600, 520), 0, (1024, 256)),
    ],
)
def test_a_bounded_short_side_keeps_the_shape_and_the_middle(tmp_path, stored, turn, bounded):
    height, width = stored
    # The middle is green and the ends are red.
    picture = np.full((*stored, 3), (0, 200, 0), np.uint8)
    if height > 4 * width:
        picture[: height // 4], picture[-height // 4 :] = (200, 0, 0), (200, 0, 0)
    elif width > 4 * height:
        picture[:, : width // 4], picture[:, -width // 4 :] = (200, 0, 0), (200, 0, 0)
    path = write_clip(
        tmp_path / "a.mp4",
        frame_times=[0.0, 0.1],
        pictures=[picture] * 2,
        size=stored,
        rotation=turn,
        pixel_format="yuv444p",
        video_options={"preset": "ultrafast"},
    )
    frames, seen = load_frames(path, [0.1], short_side=256)
    assert seen.all()
    assert frames.shape == (1, *bounded, 3)
    if min(stored) > 1:
        height, width = bounded
        middle = frames[0, height // 4 : height - height // 4, width // 4 : width - width // 4]
        assert np.abs(middle.astype(int) - (0, 200, 0)).max() <= 12


def test_a_short_side_stands_without_a_size(tmp_path):
    for options in ({"short_side": 0}, {"short_side": 8, "size": (8, 8)}):
        with pytest.raises(ValueError, match="short_side"):
            load_frames(tmp_path / "any.mp4", [0.0], **options)


def test_a_cover_picture_is_not_a_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        audio = output.add_stream("aac", rate=44100, layout="mono")
        cover = output.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = av.AudioFrame.from_ndarray(bursts(1.0, 44100), format="fltp", layout="mono")
        sound.sample_rate = 44100
        output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
        picture = av.VideoFrame.from_ndarray(numbered_picture(3), format="rgb24")
        output.mux(cover.encode(picture.reformat(format="yuvj420p")))
        output.mux(cover.encode(None))
    with av.open(str(path)) as check:
        assert len(check.streams.video) == 1
    with pytest.raises(MediaError, match="no video track"):
        load_frames(path, [0.0])


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {}), ("a.mkv", {}), ("no_index.mkv", {"live": "1"}), ("no_index.mp4", {"movflags": "frag_keyframe"})],
)
def test_a_far_time_is_reached_by_a_seek(tmp_path, name, options):
    path = write_clip(tmp_path / name, frame_times=np.arange(250), video_options={"g": "10"}, container_options=options)
    frames, seen = load_frames(path, [200.6, 43.2, 244.0])
    assert seen.all()
    assert numbers(frames) == [201, 43, 244]
    frames, seen = load_frames(path, [1000.0])
    assert not seen.any()


def test_memory_is_that_of_the_output(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frame_times=np.arange(100) / 10, size=(360, 640), video_codec="mpeg4")
    load_frames(path, [0.0])
    tracemalloc.start()
    load_frames(path, np.arange(20) / 2, size=(32, 32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_damage_in_the_middle_is_counted_and_the_rest_is_read(tmp_path, caplog):
    path = write_clip(
        tmp_path / "a.mkv", frame_times=np.arange(100) / 10, video_codec="mpeg4", video_options={"g": "5"}
    )
    packets = []
    with av.open(str(path)) as source:
        packets = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[40:43]:
        # The first bytes of the packet as stored follow a block header.
        content[position + 8 : position + 8 + size - 16] = bytes(size - 16)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="avkeras"):
        frames, seen = load_frames(path, [1.0, 9.0])
    assert seen.all()
    assert numbers(frames) == [10, 90]
    assert "damaged video packets were skipped" in caplog.text


def test_a_cut_video_is_masked_after_the_cut(tmp_path):
    path = write_clip(
        tmp_path / "a.mp4",
        frame_times=np.arange(100) / 10,
        sound=bursts(10.0, 44100),
        container_options={"movflags": "faststart"},
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    frames, seen = load_frames(path, [0.5, 9.5])
    assert seen.tolist() == [True, False]
    assert picture_number(frames[0]) == 5


def test_bad_files_raise_one_line(tmp_path):
    for path, reason in write_bad_files(tmp_path).values():
        with pytest.raises(MediaError) as caught:
            load_frames(path, [0.0])
        assert "\n" not in str(caught.value), reason


def test_sound_alone_has_no_frames(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sound=bursts(1.0, 44100))
    with pytest.raises(MediaError, match="no video track"):
        load_frames(path, [0.0])


def test_no_times_give_no_frames(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frame_times=TENTHS)
    frames, seen = load_frames(path, [], size=(8, 8))
    assert frames.shape == (0, 8, 8, 3)
    assert seen.shape == (0,)


@pytest.mark.parametrize("times", [[-0.1], [np.nan], [np.inf]])
def test_times_must_be_seconds(tmp_path, times):
    with pytest.raises(ValueError, match="times must be"):
        load_frames(tmp_path / "any.mp4", times)
