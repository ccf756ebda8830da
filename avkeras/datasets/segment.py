"""Cuts the labelled segment out of a longer recording: sound to FLAC, pictures to a small H.264 film.

PyAV does it (its wheels carry FFmpeg), so no `ffmpeg` program is needed. Both are decoded and coded anew: the cut is
exact to the sample and to the frame, which copying packets would not be. FLAC keeps the decoded sound as it is, in 16
bits; the film's times are those of the source less the segment's start.
"""

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.runs.files import write_bytes

if TYPE_CHECKING:
    import av

# A playlist must not make FFmpeg open other addresses, so only containers are let through.
_CONTAINERS = "mov,matroska,ogg,mp3,flac,wav,aac"
_CLOCK = Fraction(1, 90000)
_PREROLL = 0.5  # decoders of sound need some frames before their first is right
_STALE = 1.0  # a picture that many seconds before the segment, and none after it, is the film's end
_GAP = 0.05  # jitter of coarse time stamps, in seconds, is not a gap in the sound


def cut_audio(source, path: str | Path, *, start: float, end: float) -> bool:
    """Writes the sound from `start` to `end` seconds to a FLAC file, mono or stereo, at its own sample rate.

    Args:
        source: path or file-like object of a media file.
        path: the file to write, whole or not at all.
        start: in seconds from the earliest track's begin.
        end: in seconds; a recording that ends before gives a shorter file.

    Returns:
        Whether there is an audio track.

    Raises:
        MediaError: the recording cannot be read, or ends before the segment begins.
        WriteError: the file cannot be written.
    """
    import soundfile

    from avkeras.media.media import best_track

    with _opened(source, path) as container:
        track = best_track(container, "audio")
        if track is None:
            return False
        samples, rate = _sound(container, track, path, start, end)
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="FLAC", subtype="PCM_16")
    write_bytes(path, content.getvalue())
    return True


def cut_video(source, path: str | Path, *, start: float, end: float, height: int = 360) -> bool:
    """Writes the pictures from `start` to `end` seconds to an MP4 file without sound, at most `height` pixels high.

    Args, returns and errors are those of `cut_audio`; the picture that stands at `start` is the film's first.
    """
    import av

    from avkeras.media.media import best_track

    with _opened(source, path) as container:
        track = best_track(container, "video")
        if track is None:
            return False
        frames = _pictures(container, track, start, end)
        first = next(frames, None)
        if first is None:
            raise MediaError(path, _outside(container, start, end))
        content = io.BytesIO()
        with av.open(content, "w", format="mp4") as output:
            film = _film(output, track, first[1], height)
            last = -1
            for time, frame in (first, *frames):
                ticks = round(time / _CLOCK)
                if ticks <= last:
                    continue
                last = ticks
                picture = frame.reformat(width=film.width, height=film.height, format="yuv420p")
                picture.pts, picture.time_base, picture.pict_type = ticks, _CLOCK, 0
                output.mux(film.encode(picture))
            output.mux(film.encode(None))
    write_bytes(path, content.getvalue())
    return True


@contextlib.contextmanager
def _opened(source, path) -> Iterator["av.container.InputContainer"]:
    import av

    from avkeras.media.media import metadata_options

    if hasattr(source, "seek"):
        source.seek(0)
    try:
        name = source if hasattr(source, "read") else f"file:{source}"
        with av.open(name, options={"format_whitelist": _CONTAINERS}, **metadata_options()) as container:
            yield container
        if getattr(source, "error", None) is not None:  # FFmpeg may take a broken connection for the end
            raise source.error
    except av.FFmpegError as error:
        if getattr(source, "error", None) is not None:
            raise source.error from None
        raise MediaError(path, f"the source cannot be read: truncated or damaged ({error.strerror})") from None


def _frames(container, track, start: float, end: float) -> Iterator[tuple[float, "av.Frame"]]:
    """Decoded frames with their seconds after `start`, from some before it up to `end`."""
    import av

    from avkeras.media.media import decode, start_seconds

    origin = start_seconds(container) + start
    if start > _PREROLL:
        with contextlib.suppress(av.FFmpegError):  # what cannot seek is decoded from its begin
            container.seek(int((origin - _PREROLL) * 1e6))
    for packet in container.demux(track):
        for frame in decode(packet) or ():
            if frame.pts is None:
                continue
            time = float(frame.pts * frame.time_base) - origin
            # Pictures come in order once decoded; the first at or after the end closes the segment.
            if time >= end - start:
                return
            yield time, frame


def _sound(container, track, path, start: float, end: float) -> tuple[np.ndarray, int]:
    """Samples of the segment, int16 `(samples, channels)`, and their rate."""
    import av

    resampler, rate, sound, cursor, last = None, 0, np.zeros((0, 1), np.int16), None, 0
    for time, frame in _frames(container, track, start, end):
        if resampler is None:
            rate = frame.sample_rate
            layout = "mono" if len(frame.layout.channels) == 1 else "stereo"
            resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
            sound = np.zeros((round((end - start) * rate), 1 if layout == "mono" else 2), np.int16)
        if cursor is None or abs(time - cursor / rate) > _GAP:
            cursor = round(time * rate)
        for piece in resampler.resample(frame):
            block = piece.to_ndarray().reshape(-1, sound.shape[1])
            begin, stop = max(cursor, 0), min(cursor + len(block), len(sound))
            if begin < stop:
                sound[begin:stop] = block[begin - cursor : stop - cursor]
                last = max(last, stop)
            cursor += len(block)
    if last == 0:
        raise MediaError(path, _outside(container, start, end))
    return sound[:last], rate


def _pictures(container, track, start: float, end: float) -> Iterator[tuple[float, "av.VideoFrame"]]:
    """Frames of the segment with their times in it; the last before it is put at its begin."""
    track.thread_type, track.codec_context.thread_count = "NONE", 1  # clips are cut side by side
    before = None
    for time, frame in _frames(container, track, start, end):
        if time <= 0:
            before = (time, frame)
            continue
        if before is not None:
            yield 0.0, before[1]
            before = None
        yield time, frame
    if before is not None and before[0] > -_STALE:
        yield 0.0, before[1]


def _film(output, track, frame, height: int):
    """The stream to write: the source's shape, even sides, at most `height` high."""
    film = output.add_stream("libx264", rate=track.average_rate or 25, options={"crf": "23", "preset": "veryfast"})
    scale = min(1.0, height / frame.height)
    film.width, film.height = (max(2, 2 * round(side * scale / 2)) for side in (frame.width, frame.height))
    film.pix_fmt = "yuv420p"
    film.codec_context.time_base = _CLOCK
    film.codec_context.thread_count = 1  # clips are cut side by side
    if frame.rotation:
        film.set_display_rotation(frame.rotation)
    return film


def _reaches(container, start: float) -> bool:
    return container.duration is None or container.duration / 1e6 > start


def _outside(container, start: float, end: float) -> str:
    if not _reaches(container, start):
        return f"the source ends at {container.duration / 1e6:.1f} s, before the segment ({start:g} to {end:g} s)"
    return f"the source holds nothing that can be decoded from {start:g} to {end:g} s"
