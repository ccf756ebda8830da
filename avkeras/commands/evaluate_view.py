"""What `avkeras evaluate` shows."""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.evaluation.evaluate import Evaluation
from avkeras.evaluation.figures import averages, class_rows

if TYPE_CHECKING:
    from avkeras.evaluation.reference_check import Checked

_MEANINGS = {
    "CBF1": "clip-based F1, micro average",
    "SBF1": "segment-based F1 (1 s), micro average",
    "EBF1": "event-based F1, macro average",
    "PSDS1": "PSDS 1",
    "PSDS2": "PSDS 2",
    "PSDS1_all": "PSDS 1 over all thresholds",
    "PSDS2_all": "PSDS 2 over all thresholds",
}
_OFFSET_RULES = {
    "larger": "onset within 200 ms, offset within the larger of 200 ms and 20 % of the event (sed_eval)",
    "smaller": "onset within 200 ms, offset within 20 % of the event, at most 200 ms",
}


def show_evaluation(evaluation: Evaluation) -> None:
    """Shows the metrics of detected events, the averages, a row for each class, and what was interpreted."""
    out = sys.stdout.write
    of_points = f" over {len(evaluation.inputs.points) or 50} thresholds"
    for name, value in evaluation.summary().items():
        meaning = _MEANINGS[name] + (of_points if name in ("PSDS1", "PSDS2") else "")
        out(f"{name:<10}{value:.6f}  {meaning}\n")
    columns = ("micro_f1", "micro_precision", "micro_recall", "macro_f1", "macro_precision", "macro_recall")
    errors = ("error_rate", "substitution_rate", "deletion_rate", "insertion_rate")
    rows = []
    for kind, counts in evaluation.counts.items():
        found = averages(counts)
        rows.append([kind, *(_value(found.get(name)) for name in columns + errors)])
    header = ["based on", *("micro F1", "precision", "recall", "macro F1", "precision", "recall")]
    out("\n")
    _show_table([*header, "error rate", "subst.", "deletions", "insertions"], rows)
    rows = []
    kinds, rocs = list(evaluation.counts), list(evaluation.rocs)
    for row in class_rows(evaluation):
        numbers = [str(row[f"event_{name}"]) for name in ("references", "predicted", "correct")]
        f1 = [_value(row[f"{kind}_f1"]) for kind in kinds]
        rows.append([row["class"], *numbers, *f1, *(_value(row[name]) for name in rocs)])
    out("\n")
    _show_table(["class", "events", "predicted", "correct", *(f"{kind} F1" for kind in kinds), *rocs], rows)
    out(f"\nevent-based: {_OFFSET_RULES[evaluation.offset_rule]}\n")
    clips, silent = len(evaluation.inputs.names), evaluation.inputs.silent
    out(f"{clips} clips, {silent} of them without a predicted event\n")
    for note in evaluation.notes:
        out(f"note: {note}\n")


def show_check(found: "Sequence[Checked]", unchecked: Sequence[str]) -> None:
    """Shows which figures the reference tools agree with.

    Raises:
        AvkerasError: one differs.
    """
    for line in unchecked:
        sys.stdout.write(f"not checked: {line}\n")
    tools = " and ".join(sorted({row.tool for row in found}))
    if wrong := [row for row in found if not row.agrees]:
        lines = [f"{row.figure}: {row.value!r}, but {row.tool} says {row.reference!r}" for row in wrong]
        raise AvkerasError("; ".join(lines))
    sys.stdout.write(f"checked: {len(found)} figures are those of {tools}\n")


def _value(value: float | None) -> str:
    return "" if value is None else "-" if math.isnan(value) else f"{value:.4f}"


def _show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
