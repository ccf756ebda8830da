"""What has been made of a paper's table."""

from dataclasses import dataclass, field
from pathlib import Path

from avkeras.tables.cells import PaperTable
from avkeras.tables.numbers import Number


@dataclass
class Reproduction:
    """What has been made of a table.

    Args:
        table: the table, or the rows of it that were asked for.
        out: folder of the results.
        preset: `paper` or `demo`.
        wanted: runs in all.
        found: of them, runs that were there before.
        done: of them, runs that are there now.
        numbers: of the table.
        files: the table as written.
        failed: cell, seeds and reason of what could not be run; the same command tries it again.
        notes: what was left out of the data, or is not what the paper used.
    """

    table: PaperTable
    out: Path
    preset: str
    wanted: int = 0
    found: int = 0
    done: int = 0
    numbers: list[Number] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
