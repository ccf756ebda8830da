"""What a table is made of: its numbers, and the cells that are trained for them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avkeras.data.manifest import Manifest, read_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import ExperimentValues, system_values

_SHARED = ("data", "records", "out", "precision", "demo_clips", "workers")  # with all cells of a table


@dataclass(frozen=True)
class Cell:
    """What is trained with one seed after the other.

    Args:
        key: names its runs among all runs of a paper, also in `results.jsonl`.
        values: what it sets of the experiment's values.
    """

    key: str
    values: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Place:
    """A number of a table.

    Args:
        row: title of its row.
        column: title of its column.
        cells: whose runs are averaged; several: validation chooses one.
        metric: name of the score in a run's results, in [0, 1].
        published: mean in %, or None where the paper's number is not known.
    """

    row: str
    column: str
    cells: tuple[Cell, ...]
    metric: str
    published: float | None = None


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Args:
        name: such as `2019-table1`.
        title: what it shows.
        system: `tagging` (2019) or `detection` (2022).
        runs: per cell, in the paper.
        places: its numbers, row by row.
        notes: what a reader of the numbers must know.
        figures: what others published, in lines below the table.
        apart: demo numbers stand without the published ones, which are among `figures`.
    """

    name: str
    title: str
    system: str
    runs: int
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    apart: bool = False

    @property
    def rows(self) -> tuple[str, ...]:
        """Titles of the rows."""
        return tuple(dict.fromkeys(place.row for place in self.places))

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of the columns."""
        return tuple(dict.fromkeys(place.column for place in self.places))

    def of_rows(self, numbers: Sequence[int]) -> PaperTable:
        """Returns the table with some of its rows only, by number from 1; none: all.

        Raises:
            AvkerasError: there is no such row.
        """
        if not numbers:
            return self
        for number in numbers:
            if not 1 <= number <= len(self.rows):
                raise AvkerasError(f"rows {number}: {self.name} has rows 1 to {len(self.rows)}")
        kept = {self.rows[number - 1] for number in numbers}
        places = tuple(place for place in self.places if place.row in kept)
        return dataclasses.replace(self, places=places)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All that has to be trained, each cell once."""
        return tuple({cell.key: cell for place in self.places for cell in place.cells}.values())


def changed_values(cell: Cell, run: Mapping[str, Any]) -> list[str]:
    """Returns which values of a cell are not those of a run that its results hold under the same key.

    Args:
        cell: of the table.
        run: its line of results; what it does not tell counts as the same.

    Example:
        >>> cell = Cell("system gccaps", {"system": "gccaps", "epochs": 2, "options": ("rounds=1",)})
        >>> changed_values(cell, {"system": "gccaps", "epochs": 4, "options": ["rounds=1"]})
        ['epochs']
    """
    values = json.loads(json.dumps(dict(cell.values)))  # tuples become lists
    return [name for name, value in values.items() if name in run and run[name] != value]


def cell_values(values: ExperimentValues, cell: Cell) -> ExperimentValues:
    """Returns the values of a cell's experiment; those of a published system are its own, on the table's clips.

    Args:
        values: of the table's experiment.
        cell: of the table.

    Example:
        >>> from avkeras.experiments.configs import AudioTagging
        >>> gccaps = Cell("system gccaps", {"system": "gccaps", "epochs": 2})
        >>> values = cell_values(AudioTagging(data="manifest.tsv", epochs=3), gccaps)
        >>> values.data, values.epochs, values.decision
        ('manifest.tsv', 2, 'capsule')
    """
    changes = dict(cell.values)
    system = changes.pop("system", None)
    if system is None:
        return dataclasses.replace(values, **changes)
    if system == "two_stream":  # hears and sees as the table's own models do
        changes.setdefault("embedders", values.embedders)
    return system_values(system, **{name: getattr(values, name) for name in _SHARED}, **changes)


def read_same_manifest(path: Path, clips_sha256: str) -> Manifest:
    """Reads the manifest of a table's runs again, as the process that makes them does.

    Args:
        path: of the manifest.
        clips_sha256: its `Manifest.digest` when the table was begun.

    Raises:
        AvkerasError: it holds other clips or labels now.
    """
    manifest = read_manifest(path)
    if manifest.digest() != clips_sha256:
        raise AvkerasError(f"{path}: was changed while the table was made; put it back, or give another --out")
    return manifest
