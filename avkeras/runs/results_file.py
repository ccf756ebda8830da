"""The results of many runs, a line each: only ever added to, by several processes, killed at any moment."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError


class ResultsFile:
    """A file of one JSON object per line, which `pandas.read_json(path, lines=True)` reads.

    A line is written whole by one call and is on disk when `add` returns. A line that a kill or a full disk cut short
    is left where it is and counted; its run is simply not there.

    Args:
        path: of the file; it need not be there yet.

    Example:
        >>> import tempfile
        >>> file = ResultsFile(Path(tempfile.mkdtemp(), "results.jsonl"))
        >>> file.add({"cell": "audio", "seed": 0, "micro_f1": 0.5})
        >>> file.runs()
        {('audio', 0): {'cell': 'audio', 'seed': 0, 'micro_f1': 0.5}}
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def add(self, run: Mapping[str, Any]) -> None:
        """Adds a run, which has at least `cell` and `seed`.

        Raises:
            AvkerasError: the file cannot be written.
        """
        line = json.dumps(run, ensure_ascii=False).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if size := file.seek(0, os.SEEK_END):
                    file.seek(size - 1)
                    if file.read(1) != b"\n":  # another run's line was cut short
                        line = b"\n" + line
                file.write(line)
                os.fsync(file.fileno())
        except OSError as error:
            raise AvkerasError(f"{self.path}: the run cannot be added: {error.strerror or error}") from error

    def runs(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Returns the runs by cell and seed; of a run that is there twice the first."""
        return self._read()[0]

    def damaged(self) -> int:
        """Returns how many lines were cut short."""
        return self._read()[1]

    def _read(self) -> tuple[dict, int]:
        runs, damaged = {}, 0
        if not self.path.exists():
            return runs, damaged
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            if not line.strip():
                continue
            try:
                run = json.loads(line)
                runs.setdefault((run["cell"], run["seed"]), run)
            except (ValueError, KeyError, TypeError):
                damaged += 1
        return runs, damaged
