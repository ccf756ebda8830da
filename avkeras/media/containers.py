"""Which container a file is, told by its first bytes and never by its name; only those of a fixed list are opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from avkeras.errors import MediaError

_HEAD = 1024
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in _MP4_BOXES


def _is_avi(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:11] == b"AVI"


def _is_aiff(head: bytes) -> bool:
    return head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")


def _is_mpegts(head: bytes) -> bool:
    # Packets of 188 bytes, or of 192 with a time stamp before each (Blu-ray, AVCHD).
    return any(
        len(head) > first + 2 * size and all(head[first + size * number] == 0x47 for number in range(3))
        for first, size in ((0, 188), (4, 192))
    )


def _is_aac(head: bytes) -> bool:
    # An ADTS frame: layer 0, a sample rate that exists, and a length of at least its own header.
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 0xF > 12:
        return False
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 >= 7


def _is_mp3(head: bytes) -> bool:
    # An MPEG audio frame: its version, layer, bit rate and sample rate must not be the reserved values.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and bit_rate not in (0, 15) and rate != 3


# Each container by name, FFmpeg's demuxer for it, and how its first bytes tell it. The demuxer is named rather than
# guessed, so that a playlist that calls itself clip.mp4 cannot make FFmpeg open other files. None of these demuxers
# follows references to other files or addresses by itself (mov's `dref` only if asked to).
_KINDS: tuple[tuple[str, str, Callable[[bytes], bool]], ...] = (
    ("wav", "wav", _is_wav),
    ("flac", "flac", _starts(b"fLaC")),
    ("mp3", "mp3", _is_mp3),
    ("ogg", "ogg", _starts(b"OggS")),
    ("mp4", "mov", _is_mp4),
    ("matroska", "matroska", _starts(b"\x1a\x45\xdf\xa3")),
    ("avi", "avi", _is_avi),
    ("mpegts", "mpegts", _is_mpegts),
    ("mpeg", "mpeg", _starts(b"\0\0\1\xba")),
    ("flv", "flv", _starts(b"FLV\1")),
    ("asf", "asf", _starts(_ASF)),
    ("aac", "aac", _is_aac),
    ("aiff", "aiff", _is_aiff),
    ("caf", "caf", _starts(b"caff")),
    ("w64", "w64", _starts(_W64)),
    ("wavpack", "wv", _starts(b"wvpk")),
    ("au", "au", _starts(b".snd")),
    ("tta", "tta", _starts(b"TTA1")),
    ("ac3", "ac3", _starts(b"\x0b\x77")),
    ("amr", "amr", _starts(b"#!AMR")),
    ("gif", "gif", _starts(b"GIF87a", b"GIF89a")),
)
_DEMUXERS = {kind: demuxer for kind, demuxer, _ in _KINDS}
CONTAINERS = tuple(_DEMUXERS)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; a pipe or device is refused before it could keep the reader waiting.

    Raises:
        MediaError: no such file, a folder, pipe, socket or device, or it cannot be opened.

    Example:
        >>> with open_regular("clip.wav") as file:
        ...     file.read(4)
        b'RIFF'
    """
    try:
        check_regular(path)  # opening a device may already do something
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        try:
            _refuse_other(path, os.fstat(file.fileno()).st_mode)
        except MediaError:
            file.close()
            raise
    except (OSError, ValueError) as error:
        raise MediaError(path, _why_unreadable(error)) from None
    return file


def check_regular(path: str | Path) -> None:
    """Make sure that a path leads to a regular file.

    Raises:
        MediaError: as `open_regular`.

    Example:
        >>> check_regular("clip.wav")
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise MediaError(path, _why_unreadable(error)) from None
    _refuse_other(path, mode)


def _why_unreadable(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be read ({getattr(error, 'strerror', None) or error})"  # ValueError: a NUL in the name


def _refuse_other(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket"}
        kind = names.get(stat.S_IFMT(mode), "a device")
        raise MediaError(path, f"cannot be read: it is {kind}, not a file")


def sniff(path: str | Path) -> str:
    """Name a file's container by its first bytes; the extension is not looked at.

    Returns:
        One of `CONTAINERS`; "mp4" stands for m4a, mov and 3gp too, "matroska" for webm, "mpeg" for vob, "asf" for wmv
        and wma, "mp3" for all MPEG audio, "ac3" for E-AC-3.

    Raises:
        MediaError: the file is missing, no regular file, unreadable, empty, text or of another kind.

    Example:
        >>> sniff("clip.mp4")
        'mp4'
    """
    with open_regular(path) as file:
        return sniff_open(path, file)


def sniff_open(path: str | Path, file: BinaryIO) -> str:
    """As `sniff`, for a file that is open at its start, where it is left.

    Raises:
        MediaError: as `sniff`.
    """
    try:
        head = file.read(_HEAD)
        tag = id3_length(head)
        file.seek(tag)
        tagged = file.read(_HEAD) if tag else b""
        file.seek(0)
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror or error})") from None
    if tag:  # what follows it tells FLAC and AAC from MP3
        return "flac" if tagged[:4] == b"fLaC" else "aac" if _is_aac(tagged) else "mp3"
    for kind, _, fits in _KINDS:
        if fits(head):
            return kind
    raise MediaError(path, _why_unknown(head))


def demuxer(kind: str) -> str:
    """FFmpeg's demuxer for one of `CONTAINERS`.

    Example:
        >>> demuxer("mp4")
        'mov'
    """
    return _DEMUXERS[kind]


def id3_length(head: bytes) -> int:
    """Bytes that an ID3 tag at a file's start takes, from its first 10 bytes; 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:  # four digits of 7 bits
        size = size << 7 | byte & 0x7F
    return 10 + size


def _why_unknown(head: bytes) -> str:
    if not head:
        return "the file is empty (0 bytes)"
    if not head.strip(b"\0"):
        return "the file starts with zeros only: an unfinished download?"
    if all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head):
        return "this is text, not media"
    return f"not a supported container: convert it to one of {', '.join(CONTAINERS)}"
