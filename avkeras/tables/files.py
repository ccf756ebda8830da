"""A reproduced table as text: in the paper's shape for people, and number by number for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.runs.files import write_rows, write_text
from avkeras.tables.fusion_curve import gain_lines, write_curve
from avkeras.tables.paper_tables import FUSION

if TYPE_CHECKING:
    from avkeras.tables.fusion_curve import FusionGains
    from avkeras.tables.numbers import Number
    from avkeras.tables.reproduction import Reproduction


def write_table(
    report: Reproduction, notes: Mapping[str, str], gains: Mapping[str, FusionGains] | None = None
) -> list[Path]:
    """Writes `<table>.md`, in the paper's shape, `<table>.csv`, a row per number, and `<table>-<metric>.png` of gains.

    Args:
        report: with its numbers.
        notes: embedders and data.
        gains: by metric, of ways of fusion, where the table is about them.

    Returns:
        The files.
    """
    markdown, rows = report.out / f"{report.table.name}.md", report.out / f"{report.table.name}.csv"
    lines, curves = table_lines(report, notes), []
    for metric, found in (gains or {}).items():
        lines += gain_lines(metric, found)
        curves.append(write_curve(metric, found, report.out / f"{report.table.name}-{metric}.png"))
    write_text(markdown, "\n".join(lines) + "\n")
    compare = report.preset == "paper" or not report.table.apart
    write_rows(rows, [_row(number, compare=compare) for number in report.numbers])
    return [markdown, rows, *filter(None, curves)]


def table_lines(report: Reproduction, notes: Mapping[str, str]) -> list[str]:
    """Returns the table in Markdown, with what was measured on what."""
    table = report.table
    lines = [f"# {table.name}: {table.title}, in %", ""]
    lines += [f"Data: {notes['data']} (SHA-256 {notes['data_sha256']}...), preset {report.preset}."]
    lines += [f"Embedders: {notes['embedders']}.", f"Runs: {report.done} of {report.wanted}."]
    lines += [f"Note: {note}." for note in (*table.notes, *report.notes)]
    known, compare = any(place.published is not None for place in table.places), report.preset == "paper"
    if known and compare:
        lines += [
            "",
            "Mean ± standard deviation over runs [published; difference, with its 95 % interval by Student's t,",
        ]
        lines += ["in which the published mean counts as exact]."]
    elif table.apart:
        lines += ["", "Mean ± standard deviation over runs, **on demo data**: it cannot be compared with the published"]
        lines += ["figures below."]
    elif known:
        lines += ["", "Mean ± standard deviation over runs, **on demo data**. In brackets what the paper published on"]
        lines += ["DCASE 2017's clips with VGGish and VGG16: it cannot be compared with these numbers."]
    else:
        known = (
            "There are no published numbers"
            if table.name == FUSION
            else "The published numbers are not known to avkeras"
        )
        lines += ["", f"Mean ± standard deviation over runs. {known}."]
    lines += ["", f"| | {' | '.join(table.columns)} |", f"|---|{'---|' * len(table.columns)}"]
    numbers = {(number.place.row, number.place.column): number for number in report.numbers}
    for row in table.rows:
        texts = [_text(numbers.get((row, column)), compare=compare, apart=table.apart) for column in table.columns]
        lines.append(f"| {row} | {' | '.join(texts)} |")
    chosen = _chosen(report.numbers)
    if chosen:
        lines += ["", "Chosen by the score on validation:", "", *(f"* {line}" for line in chosen)]
    if table.figures:
        by = "Published" if table.apart else "Published by others"
        lines += ["", f"{by}, on DCASE 2017's test clips:", "", *(f"* {line}" for line in table.figures)]
    if report.failed:
        lines += ["", "Not run:", "", *(f"* {cell}: {reason}" for cell, reason in report.failed)]
    return lines


def _text(number: Number | None, *, compare: bool, apart: bool) -> str:
    if number is None:
        return ""
    published = None if apart and not compare else number.place.published
    if number.mean is None:
        return "not run" if published is None else f"not run [{published:.1f}]"
    text = f"{number.mean:.1f}" + ("" if number.deviation is None else f" ± {number.deviation:.1f}")
    if published is None:
        return text
    if not compare or number.difference is None:
        return f"{text} [{published:.1f}]"
    interval = ""
    if number.interval:
        interval = f", {number.interval[0]:+.1f} to {number.interval[1]:+.1f}"
    return f"{text} [{published:.1f}; {number.difference:+.1f}{interval}]"


def _chosen(numbers: Sequence[Number]) -> list[str]:
    """Says per row which of several cells is shown."""
    return list(
        dict.fromkeys(
            f"{number.place.row}: {number.cell.key}"
            for number in numbers
            if number.cell and len(number.place.cells) > 1
        )
    )


def _row(number: Number, *, compare: bool) -> dict:
    low, high = (number.interval if compare else None) or (None, None)
    return {
        "row": number.place.row,
        "column": number.place.column,
        "cell": number.cell.key if number.cell else None,
        "runs": number.runs,
        "mean": number.mean,
        "deviation": number.deviation,
        "published": number.place.published if compare else None,
        "difference": number.difference if compare else None,
        "low": low,
        "high": high,
    }
