"""Writes one clip in every container that is read, beginning at any second of the file's own clock."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import scipy.signal
from media_corpus import numbered_picture

# FFmpeg's muxer, the codec of the pictures (or none) and of the sound, and its rate.
CONTAINERS = {
    "a.wav": ("wav", None, "pcm_s16le", 44100),
    "adpcm_ms.wav": ("wav", None, "adpcm_ms", 44100),
    "adpcm_ima.wav": ("wav", None, "adpcm_ima_wav", 44100),
    "mp3.wav": ("wav", None, "mp3", 44100),
    "a.w64": ("w64", None, "pcm_s16le", 44100),
    "a.aiff": ("aiff", None, "pcm_s16be", 44100),
    "a.caf": ("caf", None, "pcm_s16le", 44100),
    "a.au": ("au", None, "pcm_s16be", 44100),
    "a.flac": ("flac", None, "flac", 44100),
    "a.wv": ("wv", None, "wavpack", 44100),
    "a.tta": ("tta", None, "tta", 44100),
    "a.mp3": ("mp3", None, "mp3", 44100),
    "a.mp2": ("mp2", None, "mp2", 44100),
    "a.aac": ("adts", None, "aac", 44100),
    "a.ac3": ("ac3", None, "ac3", 44100),
    "a.eac3": ("eac3", None, "eac3", 44100),
    "a.amr": ("amr", None, "libopencore_amrnb", 8000),
    "a.opus": ("opus", None, "libopus", 48000),
    "a.m4a": ("ipod", None, "aac", 44100),
    "a.mka": ("matroska", None, "pcm_s16le", 44100),
    "a.wma": ("asf", None, "wmav2", 44100),
    "a.mp4": ("mp4", "mpeg4", "aac", 44100),
    "a.mov": ("mov", "mpeg4", "pcm_s16le", 44100),
    "a.3gp": ("3gp", "mpeg4", "aac", 44100),
    "a.mkv": ("matroska", "mpeg4", "aac", 44100),
    "a.webm": ("webm", "libvpx", "libopus", 48000),
    "a.avi": ("avi", "mpeg4", "mp3", 44100),
    "pcm.avi": ("avi", "mpeg4", "pcm_s16le", 44100),
    "a.ts": ("mpegts", "mpeg2video", "aac", 44100),
    "a.mpg": ("mpeg", "mpeg2video", "mp2", 44100),
    "a.vob": ("vob", "mpeg2video", "ac3", 48000),
    "a.flv": ("flv", "flv1", "aac", 44100),
    "a.wmv": ("asf", "wmv2", "wmav2", 44100),
}
# PyAV's wheels do not all hold the same encoders (19 has none of AMR).
CONTAINERS = {name: row for name, row in CONTAINERS.items() if row[2] in av.codecs_available}
# These keep no time stamps, so that every clip begins at 0.
TIMELESS = ("wav", "w64", "aiff", "caf", "au", "flac", "wv", "tta", "mp3", "mp2", "adts", "ac3", "eac3", "amr")
# These declare no length, so that a cut cannot be told from an end.
UNDECLARED = ("mp2", "adts", "ac3", "eac3", "amr", "opus", "mpegts", "mpeg", "vob")
SECONDS = 2.0


def band_noise(seconds, rate):
    """Noise of 300 to 3000 Hz, as loud as 0.1: no shift of it is like another."""
    noise = np.random.default_rng(0).normal(size=round(seconds * 8000))
    band = scipy.signal.sosfiltfilt(scipy.signal.butter(4, (300, 3000), "bandpass", fs=8000, output="sos"), noise)
    at = np.arange(round(seconds * rate)) / rate
    band = np.interp(at, np.arange(len(band) * 16) / 128_000, scipy.signal.resample(band, 16 * len(band)))
    return (0.1 * band / band.std()).astype(np.float32)[None]


def write_container(path, muxer, video_codec, audio_codec, rate, *, start=0.0, gap=0.0, seconds=SECONDS):
    """Writes `band_noise`, and pictures if there is a codec for them, from `start` on the file's clock.

    `gap` seconds without packets lie in the middle of both.
    """
    options = {"avoid_negative_ts": "disabled"} if start < 0 else {}
    with av.open(str(path), "w", format=muxer, options=options) as output:
        video = None
        if video_codec:
            frame_rate = 25 if video_codec == "mpeg2video" else 10
            video = output.add_stream(video_codec, rate=frame_rate)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream(audio_codec, rate=rate, layout="mono")
        audio.bit_rate = 12_200 if muxer == "amr" else 96_000
        packets = []
        late = 0.0
        if video is not None:
            for number in range(round(seconds * frame_rate)):
                late = gap if number >= seconds * frame_rate / 2 else 0.0
                frame = av.VideoFrame.from_ndarray(numbered_picture(number % 256), format="rgb24")
                frame.pts, frame.time_base = number + round((start + late) * frame_rate), Fraction(1, frame_rate)
                packets += video.encode(frame)
            packets += video.encode(None)
        resampler = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=rate)
        sound = band_noise(seconds, rate)
        for begin in range(0, sound.shape[1], 960):
            late = gap if begin >= sound.shape[1] / 2 else 0.0
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[:, begin : begin + 960]), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = begin + round((start + late) * rate)
            for converted in resampler.resample(frame):
                packets += audio.encode(converted)
        packets += audio.encode(None)
        for packet in sorted((p for p in packets if p.dts is not None), key=lambda p: p.dts * p.time_base):
            output.mux(packet)
    return Path(path)


def plain_decode(path):
    """FFmpeg's own decode of a file's sound: `(rate, samples)`, from the clip's start.

    Frames follow each other, as in `ffmpeg -i clip out.wav`; where time stamps leave 50 ms or more out, zeros do.
    """
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        start = 0.0 if container.start_time is None else container.start_time / 1e6
        parts, end = [], 0
        for frame in container.decode(track):
            rate = frame.sample_rate
            samples = frame.to_ndarray()
            if samples.dtype.kind == "i":
                samples = samples / 2.0 ** (8 * samples.itemsize - 1)
            elif samples.dtype == np.uint8:
                samples = samples / 128.0 - 1
            if not frame.format.is_planar:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            at = end if frame.pts is None else round((float(frame.pts * frame.time_base) - start) * rate)
            if at - end >= 0.05 * rate or (at > 0 and not parts):
                parts.append(np.zeros(at - end))
            elif not parts and at < 0:
                samples = samples[:, -at:]
            parts.append(samples.mean(0))
            end = sum(map(len, parts))
    return rate, np.concatenate(parts)
