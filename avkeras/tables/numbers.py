"""What the numbers of a table are: means over runs, their spread, and how far they lie from the paper's."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avkeras.tables.cells import Cell, PaperTable, Place

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


@dataclass(frozen=True)
class Gain:
    """What a number of a row is more than another, in % points.

    Args:
        row: title.
        column: title.
        runs: seeds that both have.
        mean: of the differences, seed by seed.
        interval: of their mean, with 95 % confidence by Student's t; None: fewer than two.
    """

    row: str
    column: str
    runs: int
    mean: float
    interval: tuple[float, float] | None = None


def gains(table: PaperTable, runs: Mapping[tuple[str, int], Mapping[str, Any]], *, over: str | None) -> list[Gain]:
    """Returns what the numbers of a table are more than others, from the runs of the same seeds.

    Args:
        table: with one cell a place.
        runs: by cell and seed, from `ResultsFile.runs`.
        over: title of the row whose number in the same column is compared with; if there are no runs of it, there are
            no gains. None: the first number of the same row.

    Example:
        >>> from avkeras.tables.paper_tables import paper_table
        >>> table = paper_table("fusion").of_rows([1, 4])
        >>> names = [place.metric for place in table.places]
        >>> runs = {("fusion, audio only", seed): dict.fromkeys(names, 0.5) for seed in (0, 1)}
        >>> runs |= {("fusion, gate", seed): dict.fromkeys(names, 0.6 + 0.02 * seed) for seed in (0, 1)}
        >>> gain = gains(table, runs, over="audio only")[0]
        >>> gain.row, gain.column, gain.runs, round(gain.mean, 2)
        ('gate', 'CBF1, 0 %', 2, 11.0)
    """
    by_column = {place.column: place for place in table.places if place.row == over}
    firsts = {place.row: place for place in reversed(table.places)}
    found = []
    for place in table.places:
        base = firsts[place.row] if over is None else by_column.get(place.column)
        if base is None or place.row == over:
            continue
        (cell,), (other,) = place.cells, base.cells
        differences = [
            100 * (run[place.metric] - runs[other.key, seed][base.metric])
            for (key, seed), run in runs.items()
            if key == cell.key and (other.key, seed) in runs
        ]
        if differences:
            mean, half = statistics.fmean(differences), half_width(differences)
            interval = None if half is None else (mean - half, mean + half)
            found.append(Gain(place.row, place.column, len(differences), mean, interval))
    return found


def half_width(values: Sequence[float]) -> float | None:
    """Returns half of the 95 % interval of a mean by Student's t; None: fewer than two values."""
    if len(values) < 2:
        return None
    return _student(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


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
    half = half_width(scores)
    if difference is not None and half is not None:
        interval = (difference - half, difference + half)
    return Number(place, cell, len(scores), mean, deviation, difference, interval)


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
