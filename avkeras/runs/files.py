"""Files that are whole or absent, and files of JSON lines that several processes add to, killed at any moment."""

import csv
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from avkeras.errors import AvkerasError, WriteError

OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_LONGEST = 200  # bytes of a name, which leaves room for endings


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives the name of a file beside `path`, with its ending, to write to; it becomes `path` when the block ends.

    Where the block raises or the process dies, `path` is what it was before. The folder is made if need be.

    Args:
        path: the file.

    Raises:
        WriteError: the file cannot be written; it is named, also where the disk is full.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.txt")
        >>> with whole_file(file) as partial:
        ...     _ = partial.write_text("whole")
        >>> file.read_text(), [path.name for path in file.parent.iterdir()]
        ('whole', ['a.txt'])
    """
    path = Path(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.filename != str(partial) and error.errno not in OF_WRITING:  # the block reads something else, too
            raise
        raise WriteError(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Names a file in the errors of a block that does nothing but write to it.

    Raises:
        WriteError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(path, error) from error


def append(file: BinaryIO, data: bytes, path: str | Path) -> None:
    """Adds to a file, or leaves it as it was: where a disk is full, a part of the bytes may be written.

    Args:
        file: open for appending, without a buffer.
        data: all that is added.
        path: of the file.

    Raises:
        WriteError: it cannot be written.
    """
    size, view = os.fstat(file.fileno()).st_size, memoryview(data)
    with writing(path):
        try:
            while view:
                view = view[file.write(view) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def file_name(id: str) -> str:
    """Returns a name for a clip's file, without ending: the id itself, where that can be one.

    Separators of paths, `%`, control characters and a dot at the front are written as `%` and two digits for each byte;
    a name of more than 200 bytes is cut and ends with a digest of the id. Different ids give different names.

    Example:
        >>> file_name("Y-3 dog"), file_name("../a/50%")
        ('Y-3 dog', '%2E.%2Fa%2F50%25')
    """

    def escaped(place: int, sign: str) -> str:
        if sign in '/\\%:*?"<>|' or not sign.isprintable() or (sign == "." and place == 0):
            return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))
        return sign

    name = "".join(escaped(place, sign) for place, sign in enumerate(id)) or "%"
    whole = name.encode()
    if len(whole) <= _LONGEST:
        return name
    return f"{whole[: _LONGEST - 34].decode(errors='ignore')}%-{hashlib.sha256(id.encode()).hexdigest()[:32]}"


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file, whole or not at all; encoders that write by themselves may hide that a disk is full."""
    with whole_file(path) as partial:
        partial.write_bytes(data)


def write_json(path: str | Path, value: Any) -> None:
    """Writes a value as JSON, whole or not at all; paths become text."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=os.fspath) + "\n")


def read_json(path: str | Path) -> Any:
    """Reads a file of JSON.

    Raises:
        AvkerasError: it is not there or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise AvkerasError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise AvkerasError(f"{path}: is damaged: {error}") from error


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]], *, delimiter: str = ",") -> None:
    """Writes a table, whole or not at all.

    Args:
        path: the file.
        rows: values by column; the columns are those of all rows, in the order in which they come first.
        delimiter: between values.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["none"]
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Reads a table that `write_rows` wrote with commas.

    Raises:
        AvkerasError: it cannot be read.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise AvkerasError(f"{path}: cannot be read: {error.strerror or error}") from error


class JsonLines:
    """A file of one JSON object per line, which `pandas.read_json(path, lines=True)` reads.

    It is only ever added to, by several processes. A line is written whole by one call and is on disk when `add`
    returns. A line that a kill cut short is left where it is; `read` counts it.

    Args:
        path: of the file; it need not be there yet.

    Example:
        >>> import tempfile
        >>> file = JsonLines(Path(tempfile.mkdtemp(), "runs.jsonl"))
        >>> file.add({"seed": 0})
        >>> file.read()
        ([{'seed': 0}], 0)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def add(self, value: Mapping[str, Any]) -> None:
        """Adds a line.

        Raises:
            WriteError: the file cannot be written.
        """
        line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if size := file.seek(0, os.SEEK_END):
                    file.seek(size - 1)
                    if file.read(1) != b"\n":  # another's line was cut short
                        line = b"\n" + line
                append(file, line, self.path)
                os.fsync(file.fileno())

    def read(self) -> tuple[list[dict[str, Any]], int]:
        """Returns the objects, and how many lines are none."""
        found, damaged = [], 0
        if not self.path.exists():
            return found, damaged
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if isinstance(value, dict):
                found.append(value)
            else:
                damaged += 1
        return found, damaged
