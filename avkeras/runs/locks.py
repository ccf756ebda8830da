"""Locks by which one process at a time writes; the system gives them back when a process ends, however it does."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from avkeras.errors import AvkerasError, WriteError
from avkeras.runs.files import writing

TRAINING = "training into this folder"
LOCK_FILE = ".lock"  # empty, and left where it is: who deleted it could delete another's


def take_lock(file: BinaryIO, refusal: str) -> None:
    """Takes the lock of an open file until it is closed.

    Args:
        file: the file.
        refusal: said where another process has the lock.

    Raises:
        AvkerasError: another process has it.
        WriteError: the file's disk has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AvkerasError(refusal) from None
    except OSError as error:
        raise WriteError(file.name, error) from error


@contextmanager
def locked_folder(folder: str | Path, doing: str) -> Iterator[None]:
    """Lets one process at a time work in a folder, which is made if need be.

    Args:
        folder: the folder.
        doing: what is done there, for who comes second.

    Raises:
        AvkerasError: another process works there.
        WriteError: the lock's file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with locked_folder(folder, TRAINING):
        ...     try:
        ...         with locked_folder(folder, TRAINING):
        ...             pass
        ...     except AvkerasError as error:
        ...         print(str(error).removeprefix(folder))
        : another process is training into this folder; wait for it, or give another --out
    """
    path = Path(folder) / LOCK_FILE
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")
    with file:
        take_lock(file, f"{folder}: another process is {doing}; wait for it, or give another --out")
        yield
