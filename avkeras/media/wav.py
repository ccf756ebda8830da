"""What a wav file's header declares, next to what the file holds."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_EXTENSIBLE = 0xFFFE
# Programs that write to a pipe cannot know the length: they declare none, or about the largest.
_UNKNOWN_LENGTH = 0x7FFFF000


class WavHeader(NamedTuple):
    """The fields of a wav file's format chunk, and the length of its data.

    Args:
        encoding: 1 for integers, 3 for floats, other values for what Microsoft registered.
        bits: per sample.
        rate: samples per second.
        plain: whether the format chunk comes first, has a usual size, and its fields agree with each other, with
            the data's length and with the file's.
        declared: bytes of sound that the header promises, or None if it does not know.
        present: bytes that follow the header, at most those declared.
    """

    encoding: int
    bits: int
    rate: int
    plain: bool
    declared: int | None
    present: int


def read_wav_header(path: str | Path | bytes) -> WavHeader | None:
    """Read a RIFF wav file's header; None if the file is no such file, or has no format and data chunk.

    Raises:
        OSError: the file cannot be opened.

    Example:
        >>> read_wav_header("clip.wav").rate
        16000
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        size = file.seek(0, 2)
        file.seek(12)
        form = None
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            begin = file.tell()
            if name == b"data":
                break
            if name == b"fmt " and length >= 16:
                body = file.read(min(length, 40))
                if len(body) < 16:
                    return None
                encoding, channels, rate, byte_rate, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
                if encoding == _EXTENSIBLE and len(body) >= 26:
                    encoding = struct.unpack("<H", body[24:26])[0]
                agrees = 0 < frame_bytes == channels * bits // 8 and 0 < byte_rate == rate * frame_bytes
                plain = agrees and length in (16, 18, 40) and begin == 20
                form = encoding, bits, rate
            file.seek(begin + length + length % 2)
        else:
            return None
    if form is None:
        return None
    declared = length if 0 < length < _UNKNOWN_LENGTH else None
    present = size - begin if declared is None else min(declared, size - begin)
    plain = plain and length % frame_bytes == 0 and struct.unpack("<I", head[4:8])[0] + 8 == size
    return WavHeader(*form, plain, declared, present)
