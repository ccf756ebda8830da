"""The ledger of a fetch: a line per clip and state, the last line of a clip wins.

`ledger.jsonl` is only appended to. What a kill leaves behind the last whole line is cut off when it is opened again.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from avkeras.errors import AvkerasError
from avkeras.runs.files import append, writing
from avkeras.runs.locks import take_lock

NAME = "ledger.jsonl"
STATES = ("done", "gone", "private", "blocked", "failed")


@dataclass(frozen=True)
class Entry:
    """What became of one clip.

    Args:
        id: the clip.
        state: `"done"`: its audio is there; `"gone"`, `"private"`, `"blocked"` (by country, age or account) or
            `"failed"` (anything else).
        why: one line, where it is not done.
        audio: file of its sound, relative to the folder of the ledger, or absolute: the user's own.
        video: file of its pictures, likewise; empty: it has none.
        video_why: why it has no video; empty with an empty `video`: nobody has looked for one.
    """

    id: str
    state: str
    why: str = ""
    audio: str = ""
    video: str = ""
    video_why: str = ""


class Ledger:
    """The ledger of a folder, opened for writing; one process at a time.

    Args:
        folder: where `ledger.jsonl` is; made if it is not there.

    Raises:
        AvkerasError: another process writes to it, or it holds something else.
        WriteError: it cannot be written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with Ledger(folder) as ledger:
        ...     ledger.write(Entry("a1", "failed", "timed out"))
        ...     ledger.write(Entry("a1", "gone", "HTTP 404"))
        >>> read_ledger(folder)["a1"].state
        'gone'
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / NAME
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b", buffering=0)
        try:
            take_lock(self._file, f"{folder}: another process is fetching into this folder; wait for it")
            self.entries, whole = _read(self.path)
            self._file.truncate(whole)
        except BaseException:
            self.close()
            raise

    def write(self, entry: Entry) -> None:
        """Appends an entry, unless the clip has that one already.

        Raises:
            WriteError: the file cannot be written; it is as it was before.
        """
        if self.entries.get(entry.id) == entry:
            return
        fields = {name: value for name, value in vars(entry).items() if value}
        append(self._file, json.dumps(fields, ensure_ascii=False).encode() + b"\n", self.path)
        self.entries[entry.id] = entry

    def close(self) -> None:
        """Closes the file and lets others write."""
        with self._file, writing(self.path):
            os.fsync(self._file.fileno())

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def read_ledger(folder: str | Path) -> dict[str, Entry]:
    """Returns the last entry of each clip; also while another process writes. A folder without ledger has none."""
    path = Path(folder) / NAME
    return _read(path)[0] if path.is_file() else {}


def _read(path: Path) -> tuple[dict[str, Entry], int]:
    """Returns the entries by clip and the length of the whole lines in bytes."""
    entries: dict[str, Entry] = {}
    whole = 0
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            raise AvkerasError(f"{path}:{number}: is not a line of a ledger; delete that line") from None
        entries[entry.id] = entry
        whole += len(line) + 1
    return entries, whole
