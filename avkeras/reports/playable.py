"""A clip as a browser plays it, for pages that hold everything in one file."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from avkeras.errors import MediaError

_RATE = 16_000  # what models hear, and a rate that Opus takes
_PICTURES_PER_SECOND = 12
_LINES = 240
_PART = 20  # seconds of video in memory at once
_log = logging.getLogger(__name__)


def playable_copy(waveform: np.ndarray, video: str | Path | None) -> tuple[str, bytes]:
    """Write a clip as WebM (VP8 and Opus, free of patents, played by every current browser).

    The sound is what a model hears; the pictures are smaller and fewer than the file's, at the same times, and grey
    where the video shows nothing.

    Args:
        waveform: the sound at 16 kHz, `(samples,)`, in [-1, 1].
        video: the file with the pictures; None, or one without usable video: sound only.

    Returns:
        The media type and the bytes.

    Example:
        >>> kind, data = playable_copy(np.zeros(16_000, "float32"), None)
        >>> kind, data[:4]
        ('audio/webm', b'\\x1aE\\xdf\\xa3')
    """
    import av

    duration = len(waveform) / _RATE
    parts = _video_parts(video, duration) if video is not None else iter(())
    try:
        first = next(parts, None)
    except MediaError as error:
        _log.warning("the copy for the page has no pictures: %s", error)
        first = None
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as file:
        picture_track = None
        if first is not None:
            # Realtime speed: a page is wanted in seconds.
            options = {"deadline": "realtime", "cpu-used": "8", "crf": "12", "b": "700k"}
            picture_track = file.add_stream("libvpx", rate=_PICTURES_PER_SECOND, options=options)
            picture_track.height, picture_track.width = first.shape[1:3]
            picture_track.pix_fmt = "yuv420p"
        sound_track = file.add_stream("libopus", rate=_RATE, layout="mono", options={"b": "64k"})
        start = 0
        while start < len(waveform) or not start:
            sound = waveform[start : start + _PART * _RATE]
            if picture_track is not None:
                pictures = first if start == 0 else next(parts)
                for number, picture in enumerate(pictures, start=start // _RATE * _PICTURES_PER_SECOND):
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, _PICTURES_PER_SECOND)
                    file.mux(picture_track.encode(frame))
            samples = av.AudioFrame.from_ndarray(_sixteen_bits(sound)[None], format="s16", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = _RATE, start, Fraction(1, _RATE)
            file.mux(sound_track.encode(samples))
            start += _PART * _RATE
        if picture_track is not None:
            file.mux(picture_track.encode(None))
        file.mux(sound_track.encode(None))
    return ("audio/webm" if first is None else "video/webm"), buffer.getvalue()


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as an address that holds them.

    Example:
        >>> data_uri("text/plain", b"avkeras")
        'data:text/plain;base64,YXZrZXJhcw=='
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture_uri(picture: np.ndarray, *, lossless: bool = False) -> str:
    """Return an RGB uint8 picture `(height, width, 3)` as an address: PNG where lossless, JPEG otherwise.

    Example:
        >>> picture_uri(np.zeros((4, 4, 3), "uint8"))[:22]
        'data:image/jpeg;base64'
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG" if lossless else "JPEG", **({} if lossless else {"quality": 85}))
    return data_uri(f"image/{'png' if lossless else 'jpeg'}", buffer.getvalue())


def _video_parts(video: str | Path, duration: float) -> Iterator[np.ndarray]:
    """Yield the pictures of 20 s after 20 s, `(pictures, height, width, 3)`, of even height and width."""
    from avkeras.media.video import load_frames

    for start in range(0, max(1, int(np.ceil(duration))), _PART):
        count = round(min(_PART, max(duration - start, 0.1)) * _PICTURES_PER_SECOND) or 1
        times = start + (np.arange(count) + 0.5) / _PICTURES_PER_SECOND
        pictures, seen = load_frames(video, times, short_side=_LINES)
        pictures[~seen] = 128
        height, width = pictures.shape[1:3]
        yield pictures[:, : height - height % 2 or 1, : width - width % 2 or 1]


def _sixteen_bits(sound: np.ndarray) -> np.ndarray:
    return (np.clip(sound, -1, 1) * 32767).astype("<i2")
