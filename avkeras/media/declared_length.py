"""How long a file says that its sound is, so that one that was cut is told from one that is short."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avkeras.media.containers import id3_length
from avkeras.media.media import start_seconds
from avkeras.media.wav import read_wav_header

if TYPE_CHECKING:
    import av

# These declare no length: what FFmpeg says of them is worked out from their content or from their bit rate.
_UNDECLARED = ("ogg", "mpegts", "mpeg", "aac", "ac3", "amr", "gif")
# These may declare the end on the file's own clock or the length, and programs differ in that.
_END_OR_LENGTH = ("matroska", "flv")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_UNKNOWN_SIZE = 0x7FFFF000  # programs that write to a pipe declare no size, or about the largest


class DeclaredLength(NamedTuple):
    """What a file says of its sound's length.

    Args:
        seconds: the clip's second at which its sound should end; None: it does not say.
        own_track: whether that is said of the sound, and not of all tracks together.
        share: of the bytes that its header promises, those that are there, 0 to 1.
    """

    seconds: float | None = None
    own_track: bool = True
    share: float = 1.0


def declared_length(
    path: str | Path, kind: str, container: av.container.InputContainer, track: av.AudioStream
) -> DeclaredLength:
    """Read what an open file of a kind (see `avkeras.media.containers.CONTAINERS`) declares.

    Wav, avi, w64, caf and asf files are judged by their bytes: a compressed wav's byte rate is not its length, an avi
    counts what its tracks leave out, and of the others FFmpeg takes what is there for the whole.
    """
    if kind in _UNDECLARED or (kind == "mp3" and not _mp3_declares_length(path)):
        return DeclaredLength()
    if kind in _SHARES:
        return DeclaredLength(share=_SHARES[kind](path))
    start = start_seconds(container)
    if kind in _END_OR_LENGTH:
        own = track.duration is not None
        if not own and container.duration is None:
            return DeclaredLength()
        seconds = float(track.duration * track.time_base) if own else container.duration / 1e6
        # Taken for the end; if it was the length, a cut of less than the start goes unseen.
        return DeclaredLength(seconds - max(start, 0.0) if seconds > start else None, own)
    if track.duration is not None:
        return DeclaredLength(float(((track.start_time or 0) + track.duration) * track.time_base) - start)
    return DeclaredLength() if container.duration is None else DeclaredLength(container.duration / 1e6, False)


def _wav_share(path: str | Path) -> float:
    header = read_wav_header(path)
    return 1.0 if header is None or not header.declared else header.present / header.declared


def _riff_share(path: str | Path) -> float:
    with open(path, "rb") as file:
        promised = struct.unpack("<I", file.read(8)[4:])[0]
        there = file.seek(0, 2) - 8
    return min(1.0, there / promised) if 0 < promised < _UNKNOWN_SIZE else 1.0


def _w64_share(path: str | Path) -> float:
    with open(path, "rb") as file:
        promised = struct.unpack("<Q", file.read(24)[16:])[0]
        there = file.seek(0, 2)
    return min(1.0, there / promised) if 0 < promised < 1 << 62 else 1.0


def _asf_share(path: str | Path) -> float:
    with open(path, "rb") as file:
        head = file.read(1 << 16)
        there = file.seek(0, 2)
    place = head.find(_ASF_FILE_PROPERTIES)
    if place < 0 or len(head) < place + 92:
        return 1.0
    (promised,) = struct.unpack_from("<Q", head, place + 40)
    (flags,) = struct.unpack_from("<I", head, place + 88)
    live = flags & 1
    return 1.0 if live or not promised else min(1.0, there / promised)


def _caf_share(path: str | Path) -> float:
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(8)
        while len(chunk := file.read(12)) == 12:
            name, length = struct.unpack(">4sq", chunk)
            if name == b"data":
                return min(1.0, (size - file.tell()) / length) if length > 0 else 1.0
            if length < 0:
                break
            file.seek(length, 1)
    return 1.0


# Of the bytes that a file's header promises, those that are there.
_SHARES = {"wav": _wav_share, "avi": _riff_share, "w64": _w64_share, "caf": _caf_share, "asf": _asf_share}


def _mp3_declares_length(path: str | Path) -> bool:
    with open(path, "rb") as file:
        file.seek(id3_length(file.read(10)))
        first_frame = file.read(256)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
