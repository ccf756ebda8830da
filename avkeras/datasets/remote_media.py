"""A media file at an address, read in pieces: only what the labelled segment needs is downloaded."""

import io
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from http.client import IncompleteRead

from avkeras.datasets.failures import FetchError
from avkeras.runs.files import writing

_BLOCK = 1 << 18
_MOST_BYTES = 2 << 30


class RemoteFile:
    """A file for PyAV over HTTP range requests, each block fetched once.

    A server without ranges sends the whole file, which is then kept on disk while the clip is cut.

    Args:
        request: `(headers) -> response` with `status`, `headers` and `read(amount)`; of yt-dlp, its `fp` is read.
        deadline: seconds for the whole file, after which reading fails.

    Raises:
        FetchError: while reading: cut short, too slow, too large; errors of `request` pass through.
        WriteError: likewise: the folder of temporary files cannot be written.
    """

    def __init__(self, request: Callable[[Mapping[str, str]], object], *, deadline: float) -> None:
        self.error: BaseException | None = None
        self._request = request
        self._until = time.monotonic() + deadline
        self._blocks: dict[int, bytes] = {}
        self._whole = None
        self._size: int | None = None
        self._at = 0

    def read(self, amount: int = -1) -> bytes:
        """Returns up to `amount` bytes from the current place; none at the end."""
        try:
            return self._read(amount)
        except BaseException as error:
            self.error = error  # FFmpeg, which calls this, may answer with an error of its own
            raise

    def _read(self, amount: int) -> bytes:
        block = self._block(self._at // _BLOCK)
        begin = self._at % _BLOCK
        piece = block[begin : begin + amount if amount >= 0 else None]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place, as files do."""
        if self._size is None:
            self._block(0)
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Returns the current place."""
        return self._at

    def seekable(self) -> bool:
        """Returns True: FFmpeg may jump to the segment."""
        return True

    def close(self) -> None:
        """Frees what was kept."""
        self._blocks.clear()
        if self._whole is not None:
            self._whole.close()

    def _block(self, number: int) -> bytes:
        if self._size is not None and number * _BLOCK >= self._size:
            return b""
        if self._whole is None and number not in self._blocks:
            self._fetch(number)
        if self._whole is None:
            return self._blocks[number]
        self._whole.seek(number * _BLOCK)
        return self._whole.read(_BLOCK)

    def _fetch(self, number: int) -> None:
        begin = number * _BLOCK
        end = begin + _BLOCK if self._size is None else min(begin + _BLOCK, self._size)
        response = self._request({"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"})
        try:
            if response.status == 206:
                self._blocks[number] = self._take_part(response, begin)
            else:
                self._take_whole(response)
        finally:
            response.close()

    def _take_part(self, response, begin: int) -> bytes:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range") or "")
        if not found or int(found[1]) != begin:
            raise FetchError("failed", "the server answered with another part of the file than was asked for")
        last, size = int(found[2]), int(found[3])
        if self._size not in (None, size):
            raise FetchError("failed", "the file changed while it was read", again=True)
        if last + 1 != min(begin + _BLOCK, size):  # a block that is too short would pass for the end of the file
            raise FetchError("failed", "the server answered with a shorter part of the file than was asked for")
        self._size = size
        content = io.BytesIO()
        self._copy(response, content, expected=last + 1 - begin)
        return content.getvalue()

    def _take_whole(self, response) -> None:
        length = "" if _is_packed(response) else response.headers.get("Content-Length") or ""
        with writing(tempfile.gettempdir()):
            content = tempfile.TemporaryFile(buffering=0)
        try:
            self._size = self._copy(response, content, expected=int(length) if length.isdecimal() else None)
        except BaseException:
            content.close()
            raise
        self._whole = content

    def _copy(self, response, out, *, expected: int | None) -> int:
        size = 0
        while piece := _read_some(response):
            view = memoryview(piece)
            with writing(tempfile.gettempdir()):
                while view:
                    view = view[out.write(view) :]
            size += len(piece)
            if time.monotonic() > self._until:
                raise FetchError("failed", "the source is too slow", again=True)
            if size > _MOST_BYTES:
                raise FetchError("failed", f"the file is larger than {_MOST_BYTES >> 30} GiB, the server has no ranges")
        if expected is not None and size != expected:
            raise FetchError("failed", "the answer was cut short", again=True)
        return size


def _read_some(response) -> bytes:
    """Returns what is there, however little: waiting for a whole piece, a source that trickles passes any deadline."""
    read1 = getattr(getattr(response, "fp", None), "read1", None)
    if read1 is None or _is_packed(response):  # urllib3 unpacks by `read` alone
        return response.read(1 << 10)
    try:
        return read1(1 << 16)
    except Exception as error:  # as yt-dlp's `read` says it
        if any(isinstance(one, IncompleteRead) for one in (error, *error.args)):
            raise FetchError("failed", "the answer was cut short", again=True) from error
        from yt_dlp.networking.exceptions import TransportError

        raise TransportError(cause=error) from error


def _is_packed(response) -> bool:
    """Whether what is read is longer than what was sent, though the server was asked not to pack it."""
    return (response.headers.get("Content-Encoding") or "identity") != "identity"
