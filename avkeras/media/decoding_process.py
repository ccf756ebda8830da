"""A process that decodes media, so that a file at which FFmpeg hangs, crashes or swallows memory costs only itself.

The clock runs while nothing comes of a file; a long recording that is decoded piece by piece may take as long as it
needs. What a process cannot be ended for is a read that the system itself does not end (a file server that is gone).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import numpy as np

from avkeras.errors import AvkerasError, MediaError

PATIENCE = 120.0  # seconds
MEMORY = 4 << 30  # bytes; 8K video takes 1 GB
_PROGRAM = "import sys; sys.path[:] = {path!r}; from avkeras.media.decoding_process import serve; serve({fd}, {memory})"


class DecoderUnavailable(AvkerasError):
    """The process that decodes cannot be started: no clip's fault."""


class ThisProcess:
    """Decodes in the process that asks, with the methods of `DecodingProcess`; nothing can end it."""

    def iter_audio(self, path: str | Path, **options: Any) -> Iterator[np.ndarray]:
        """Yields what `avkeras.media.audio.iter_audio` yields."""
        from avkeras.media.audio import iter_audio

        return iter_audio(path, **options)

    def iter_frames(
        self, path: str | Path, times: Sequence[float], **options: Any
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields what `avkeras.media.video.iter_frames` yields."""
        from avkeras.media.video import iter_frames

        return iter_frames(path, times, **options)


class DecodingProcess:
    """Decodes one file at a time in a process of its own, which is ended when a file keeps it too long.

    It starts with the first file, which takes 0.1 s. One that was ended, or that a file crashed, is started anew for
    the next file. It ends with this object, and by itself when the process that asks does.

    Args:
        patience: seconds for which nothing may come of a file (10 s of sound, or 16 pictures).
        memory: bytes that the process may take.

    Example:
        >>> with DecodingProcess(patience=60.0) as decoder:
        ...     [len(block) for block in decoder.iter_audio("clip.wav", block_seconds=4.0)]
        [64000, 64000, 32000]
    """

    def __init__(self, *, patience: float = PATIENCE, memory: int = MEMORY) -> None:
        self.patience = patience
        self.memory = memory
        self._process: subprocess.Popen | None = None
        self._connection: Connection | None = None

    def iter_audio(self, path: str | Path, **options: Any) -> Iterator[np.ndarray]:
        """Yields what `avkeras.media.audio.iter_audio` yields.

        Raises:
            MediaError: as there, or the file kept the process too long, crashed it or took too much memory.
            DecoderUnavailable: the process cannot be started.
        """
        return self._stream("iter_audio", path, (), options)

    def iter_frames(
        self, path: str | Path, times: Sequence[float], **options: Any
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields what `avkeras.media.video.iter_frames` yields; raises as `iter_audio`."""
        return self._stream("iter_frames", path, (times,), options)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._ended()
            self._process = self._connection = None

    def interrupt(self) -> None:
        """Ends the process from another thread: the file under way fails."""
        if (process := self._process) is not None:
            process.kill()

    def __enter__(self) -> DecodingProcess:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _stream(self, name: str, path: str | Path, arguments: tuple, options: dict[str, Any]) -> Iterator[Any]:
        notes = options.pop("notes", None)
        whole = False
        try:
            asked = name, path, arguments, options, _working_folder(path)
            if self._process is None:
                self._start()
            try:
                self._connection.send(asked)
            except ConnectionError:  # something ended it while it had nothing to do
                self.close()
                self._start()
                self._connection.send(asked)
            while True:
                kind, value = self._receive(path)
                if kind == "block":
                    yield value
                elif kind == "log":
                    logging.getLogger(value.name).handle(value)
                else:
                    whole = True
                    break
        finally:
            if not whole:  # it is in the midst of something
                self.close()
        found, error = value
        if notes is not None:
            notes.extend(found)
        if error is not None:
            raise error

    def _receive(self, path: str | Path) -> tuple[str, Any]:
        late = threading.Event()
        try:
            if self._connection.poll(self.patience):
                # A process may also stop in the midst of a message.
                with self._ended_after(self.patience, late):
                    return self._connection.recv()
            late.set()
        except (EOFError, OSError):  # OSError: it ended in the midst of a message
            pass
        if not late.is_set():
            try:
                status = self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                status = 1
            ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            raise MediaError(path, f"decoding it ended the decoding process ({ended}): damaged or too large")
        raise MediaError(path, f"nothing came of decoding it for {self.patience:g} s: given up")

    @contextlib.contextmanager
    def _ended_after(self, seconds: float, late: threading.Event) -> Iterator[None]:
        def end():
            late.set()
            self.interrupt()

        clock = threading.Timer(seconds, end)
        clock.start()
        try:
            yield
        finally:
            clock.cancel()

    def _start(self) -> None:
        """Starts the process with the modules that this one has, and waits until it says that it is there."""
        self._connection, theirs = Pipe()
        fd = theirs.fileno()
        program = _PROGRAM.format(path=sys.path, fd=fd, memory=self.memory)
        # Threads of libraries that do nothing here would only take memory.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", program]
        try:
            self._process = subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL, env=environment)
        except OSError as error:
            self._connection.close()
            self._connection = None
            raise DecoderUnavailable(f"{sys.executable}: cannot be run to decode media ({error.strerror})") from error
        finally:
            theirs.close()
        self._ended = weakref.finalize(self, _end, self._process, self._connection)
        try:
            self._connection.recv()
        except (EOFError, OSError):
            self.close()
            raise DecoderUnavailable(
                f"{sys.executable}: ended before it decoded anything; its message stands above"
            ) from None


def _end(process: subprocess.Popen, connection: Connection) -> None:
    connection.close()
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # in a read that the system does not end: left alone
        process.wait(timeout=5)


def _working_folder(path: str | Path) -> str | None:
    """Returns the folder that a relative path is meant from; it may be another one than when the process started."""
    if os.path.isabs(path):
        return None
    try:
        return os.getcwd()
    except OSError:
        raise MediaError(path, "no such file: the folder that it is looked for in is gone") from None


def serve(fd: int, memory: int) -> None:
    """Decodes what is asked for on a connection until it is closed; the program of a `DecodingProcess`.

    Args:
        fd: of the connection.
        memory: bytes that this process may take.
    """
    import resource

    import av  # noqa: F401 - the libraries' own size shall not count as the first file's
    import soxr  # noqa: F401

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends this one
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))
    connection = Connection(fd)
    logger = logging.getLogger("avkeras")
    logger.propagate = False
    logger.addHandler(_Sender(connection))
    try:
        connection.send("ready")
        while True:
            name, path, arguments, options, folder = connection.recv()
            if folder is not None:
                os.chdir(folder)
            _decode(connection, name, path, arguments, options)
    except (EOFError, ConnectionError):
        pass


def _decode(connection: Connection, name: str, path: str | Path, arguments: tuple, options: dict[str, Any]) -> None:
    notes: list[str] = []
    error = None
    try:
        for block in getattr(ThisProcess(), name)(path, *arguments, notes=notes, **options):
            connection.send(("block", block))
    except ConnectionError:
        raise
    except MemoryError:
        error = MediaError(path, "decoding it takes more memory than the decoding process may have")
    except Exception as found:
        error = found
    connection.send(("end", (notes, error)))


class _Sender(logging.Handler):
    """Sends what is logged to the process that asks."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record, with its text made."""
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self.connection.send(("log", record))


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone, also in the midst of a file."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
