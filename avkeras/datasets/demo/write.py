"""Demo clips as media files: MP4 (H.264 or MPEG-4 with AAC) or 16-bit WAV, each whole or not at all."""

import io
import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from avkeras.runs.files import write_bytes

_ENCODERS = {"libx264": {"preset": "ultrafast", "crf": "27"}, "mpeg4": {"qmin": "4", "qmax": "8"}}


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """Writes float32 `(samples, channels)` in [-1, 1] as 16-bit WAV."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    write_bytes(path, content.getvalue())


def write_mp4(
    path: Path, sound: np.ndarray, rate: int, frames: Iterable[np.ndarray], *, frame_rate: int, encoder: str
) -> None:
    """Writes sound as `write_wav` takes it and RGB frames `(height, width, 3)` as MP4.

    Args:
        path: the file.
        sound: float32 `(samples, channels)` in [-1, 1].
        rate: of the sound, in Hz.
        frames: uint8 pictures, all of one size.
        frame_rate: pictures per second.
        encoder: `"libx264"` or `"mpeg4"`.
    """
    import av

    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as file:
        frames = iter(frames)
        first = next(frames)
        video = file.add_stream(encoder, rate=frame_rate, options=_ENCODERS[encoder])
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1  # the same bytes on any machine; clips run in parallel
        layout = "mono" if sound.shape[1] == 1 else "stereo"
        audio = file.add_stream("aac", rate=rate, layout=layout, options={"aac_coder": "fast"})
        audio.codec_context.thread_count = 1
        for number, pixels in enumerate((first, *frames)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, frame_rate)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
        samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
        file.mux(audio.encode(samples))
        file.mux(audio.encode(None))
    write_bytes(path, content.getvalue())
