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
    audio_codec="aac",
    container=None,
    container_options=None,
):
    """Write a clip: pictures (numbered, unless given) at `frame_times`, and `sound` `(channels, samples)`."""
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
                frame.pts = begin + round(sound_start * rate)
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
