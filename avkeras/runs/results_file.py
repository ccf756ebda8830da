"""The results of many runs, a line each: only ever added to, by several processes, killed at any moment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avkeras.runs.files import JsonLines


class ResultsFile:
    """A file of one run per line, see `JsonLines`; a run whose line was cut short is simply not there.

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
        JsonLines(self.path).add(run)

    def runs(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Returns the runs by cell and seed; of a run that is there twice the first."""
        return self._read()[0]

    def damaged(self) -> int:
        """Returns how many lines were cut short."""
        return self._read()[1]

    def _read(self) -> tuple[dict, int]:
        runs = {}
        lines, damaged = JsonLines(self.path).read()
        for run in lines:
            try:
                runs.setdefault((run["cell"], run["seed"]), run)
            except (KeyError, TypeError):
                damaged += 1
        return runs, damaged
