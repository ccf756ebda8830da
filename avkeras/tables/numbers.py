"""What the numbers of a table are: means over runs, their spread, and how far they lie from the paper's."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avkeras.tables.paper_tables import Cell, PaperTable, Place

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Number:
    """A number of a table, in %.

    Args:
        place: where it stands.
        cell: whose runs it is of; None: there are none yet.
        runs: how many.
        mean: over the runs; None: there are none.
        deviation: standard deviation over the runs (n - 1); None: fewer than two.
        difference: mean less the published value; None: one of them is not known.
        interval: of the difference, with 95 % confidence by Student's t; the published mean counts as exact, since
            the paper tells no spread of it. None: fewer than two runs.
    """

    place: Place
    cell: Cell | None = None
    runs: int = 0
    mean: float | None = None
    deviation: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None


def table_numbers(table: PaperTable, runs: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[Number]:
    """Returns the numbers of a table from the runs that there are.

    Where a place has several cells (training weights, 2022 section 3.2.2), the one with the best mean score on
    validation is shown.

    Args:
        table: the table.
        runs: by cell and seed, from `ResultsFile.runs`.

    Example:
        >>> from avkeras.tables.paper_tables import paper_table
        >>> table = paper_table("2019-table1").of_rows([5])
        >>> runs = {(table.cells[0].key, seed): {"micro_f1": f1} for seed, f1 in enumerate((0.70, 0.69, 0.71))}
        >>> number = table_numbers(table, runs)[0]
        >>> round(number.mean, 1), round(number.deviation, 1), round(number.difference, 1)
        (70.0, 1.0, 0.3)
        >>> [round(bound, 1) for bound in number.interval]
        [-2.2, 2.8]
    """
    by_cell: dict[str, list[Mapping]] = {}
    for (key, _), run in runs.items():
        by_cell.setdefault(key, []).append(run)
    return [_number(place, by_cell) for place in table.places]


def _number(place: Place, by_cell: dict[str, list[Mapping]]) -> Number:
    there = [cell for cell in place.cells if cell.key in by_cell]
    if not there:
        return Number(place)
    cell = there[0]
    if len(place.cells) > 1:
        cell = max(there, key=lambda cell: statistics.fmean(run["validation"] for run in by_cell[cell.key]))
    scores = [100 * run[place.metric] for run in by_cell[cell.key] if place.metric in run]
    if not scores:
        return Number(place)
    mean = statistics.fmean(scores)
    deviation = statistics.stdev(scores) if len(scores) > 1 else None
    difference = None if place.published is None else mean - place.published
    interval = None
    if difference is not None and deviation is not None:
        half = _student(len(scores) - 1) * deviation / math.sqrt(len(scores))
        interval = (difference - half, difference + half)
    return Number(place, cell, len(scores), mean, deviation, difference, interval)


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
