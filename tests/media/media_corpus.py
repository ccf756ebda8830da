"""Writes media files, good and bad, for tests; pictures carry their number and sounds their time."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

CLOCK = Fraction(1, 90000)


def numbered_picture(number, size=(48, 64)):
    """An RGB picture whose left and right halves hold the two base-16 digits of `number` (0 to 255) as grey levels."""
    height, width = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2] = number // 16 * 16
    picture[:, width // 2 :] = number % 16 * 16
    return picture


def picture_number(picture):
    """What `numbered_picture` wrote, read back from a decoded picture of any size."""
    width = picture.shape[1]
    left, right = picture[:, : width // 2 - 1], picture[:, width // 2 + 1 :]
    return int(round(left.mean() / 16) * 16 + round(right.mean() / 16))


def bursts(seconds, rate, *, channels=1, at=(0.5,), length=0.1):
    """Silence with 1 kHz bursts of amplitude 0.5 that begin at the given seconds: shape `(channels, samples)`."""
    time = np.arange(round(seconds * rate)) / rate
    on = np.zeros_like(time, dtype=bool)
    for begin in at:
        on |= (time >= begin) & (time < begin + length)
    return np.tile(np.where(on, 0.5 * np.sin(2 * np.pi * 1000 * time), 0.0).astype(np.float32), (channels, 1))


def onset(waveform, rate):
    """Second at which a waveform first reaches a third of its peak."""
    return int(np.argmax(np.abs(waveform) > np.abs(waveform).max() / 3)) / rate


def write_clip(
    path,
    *,
    frame_times=None,
    pictures=None,
    size=(48, 64),
    video_codec="libx264",
    pixel_format="yuv420p",
    video_options=None,
    rotation=0,
    sound=None,
    rate=44100,
    sound_start=0.0,
    sound_gap=0.0,
    audio_codec="aac",
    container=None,
    container_options=None,
):
    """Write a clip: pictures (numbered, unless given) at `frame_times`, and `sound` `(channels, samples)`.

    `sound_gap` seconds without packets lie in the middle of the sound.
    """
    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        video = audio = None
        if frame_times is not None:
            video = output.add_stream(video_codec, rate=10, options=video_options or {})
            video.height, video.width = size
            video.pix_fmt = pixel_format
            video.codec_context.time_base = Fraction(1, 1000) if video_codec == "mpeg4" else CLOCK
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = output.add_stream(audio_codec, rate=rate, layout=layout)
        if video is not None:
            for number, time in enumerate(frame_times):
                picture = numbered_picture(number, size) if pictures is None else pictures[number]
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.time_base = video.codec_context.time_base
                frame.pts = round(time / frame.time_base)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        if audio is not None:
            for begin in range(0, sound.shape[1], 960):
                block = np.ascontiguousarray(sound[:, begin : begin + 960])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                late = sound_gap if begin >= sound.shape[1] / 2 else 0.0
                frame.pts = begin + round((sound_start + late) * rate)
                output.mux(audio.encode(frame))
            output.mux(audio.encode(None))
    return Path(path)


def write_bad_files(folder):
    """Files that no reader should accept: `{name: (path, words of the reason)}`."""
    folder = Path(folder)
    good = write_clip(
        folder / "good.mp4", frame_times=np.arange(20) / 10, sound=bursts(2.0, 44100), video_codec="mpeg4"
    )
    whole = good.read_bytes()
    soundfile.write(folder / "good.wav", bursts(4.0, 16000)[0], 16000)
    wav = (folder / "good.wav").read_bytes()
    noise = np.random.default_rng(0).bytes(5000)
    contents = {
        "empty.mp4": (b"", "empty"),
        "text.mp4": (b"<html>\n<p>Video unavailable</p>\n", "text"),
        "zeros.wav": (bytes(4000), "zeros"),
        "noise.flac": (b"\x01" + noise, "not a supported container"),
        "noise.ogg": (b"OggS" + noise, "cannot be read as ogg|no audio track"),
        "noise.mp4": (b"\0\0\0\x18ftypisom" + noise, "cannot be read as mp4"),
        "noise.webm": (b"\x1a\x45\xdf\xa3" + noise, "cannot be read as matroska"),
        "cut.mp4": (whole[: len(whole) // 2], "cannot be read as mp4"),
        "cut.wav": (wav[: len(wav) // 2], "truncated"),
        "header.wav": (wav[:44], "truncated|no samples"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    bad = {name: (folder / name, reason) for name, (_, reason) in contents.items()}
    bad["missing.wav"] = (folder / "missing.wav", "no such file")
    bad["a folder"] = (folder, "cannot be read")
    return bad


def write_odd_files(folder):
    """Files that are unusual, and those that lack something, of about 2.5 s: `{name: path}`."""
    folder = Path(folder)
    sound, tenths = bursts(2.5, 44100), np.arange(25) / 10
    grey = {size: [np.full((*size, 3), 128, np.uint8)] * 25 for size in ((1, 1), (2160, 3840), (1, 5000), (64, 48))}
    plain = {"pixel_format": "yuv444p", "video_options": {"preset": "ultrafast"}}
    mpeg4 = {"video_codec": "mpeg4"}
    clips = {
        "no_audio.mp4": {"frame_times": tenths, **mpeg4},
        "no_video.mp4": {"sound": sound},
        "audio_shorter.mp4": {"frame_times": np.arange(60) / 10, "sound": sound, **mpeg4},
        "video_shorter.mp4": {"frame_times": tenths[:9], "sound": sound, **mpeg4},
        "surround.mp4": {"frame_times": tenths, "sound": bursts(2.5, 48000, channels=6), "rate": 48000, **mpeg4},
        "one_pixel.mp4": {"frame_times": tenths, "pictures": grey[1, 1], "size": (1, 1), "sound": sound, **plain},
        "4k.mp4": {
            "frame_times": [0.5, 1.5, 2.4],
            "pictures": grey[2160, 3840],
            "size": (2160, 3840),
            "sound": sound,
            **plain,
        },
        "ribbon.mp4": {
            "frame_times": tenths[::8],
            "pictures": grey[1, 5000],
            "size": (1, 5000),
            "sound": sound,
            **plain,
        },
        "rotated.mp4": {
            "frame_times": tenths,
            "pictures": grey[64, 48],
            "size": (64, 48),
            "rotation": 90,
            "sound": sound,
            **mpeg4,
        },
        "odd_clock.mp4": {
            "frame_times": np.arange(70) / 29.97,
            "sound": bursts(2.5, 11025),
            "rate": 11025,
            "container_options": {"video_track_timescale": "7919"},
        },
        "negative.mkv": {
            "frame_times": tenths - 0.4,
            "sound": sound,
            "sound_start": -0.4,
            "container_options": {"avoid_negative_ts": "disabled"},
            **mpeg4,
        },
        "negative.mp4": {
            "frame_times": tenths - 0.4,
            "sound": sound,
            "sound_start": -0.4,
            "container_options": {"avoid_negative_ts": "disabled"},
        },
        "video_gap.mkv": {"frame_times": [*tenths[:5], *tenths[20:]], "sound": sound, **mpeg4},
        "audio_gap.mkv": {"frame_times": np.arange(35) / 10, "sound": sound, "sound_gap": 1.0, **mpeg4},
    }
    files = {name: write_clip(folder / name, **options) for name, options in clips.items()}
    whole = write_clip(
        folder / "whole.mp4", frame_times=tenths, sound=sound, container_options={"movflags": "faststart"}, **mpeg4
    ).read_bytes()
    files["truncated.mp4"] = folder / "truncated.mp4"
    files["truncated.mp4"].write_bytes(whole[: len(whole) * 6 // 10])
    files["8_bit_8_khz.wav"] = folder / "8_bit_8_khz.wav"
    soundfile.write(files["8_bit_8_khz.wav"], bursts(2.5, 8000)[0], 8000, subtype="PCM_U8")
    return files
