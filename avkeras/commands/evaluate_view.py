"""What `avkeras evaluate` shows."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.evaluation.bootstrap import Difference, Interval
from avkeras.evaluation.evaluate import Evaluation
from avkeras.evaluation.figures import averages, best_threshold_rows, class_rows, comparison_rows

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

# Where the bootstrap has the papers' figures
_RESAMPLED = {"CBF1": ("clip", "micro"), "SBF1": ("segment", "micro"), "EBF1": ("event", "macro")}
_MEANS = ("average_precision", "auroc", "partial_auroc")


def show_evaluation(evaluation: Evaluation, intervals: Mapping[str, Mapping[str, Interval]] | None = None) -> None:
    """Shows the metrics of detected events, the averages, a row for each class, and what was interpreted."""
    out = sys.stdout.write
    of_points = f" over {len(evaluation.inputs.points) or 50} thresholds"
    for name, value in evaluation.summary().items():
        meaning = _MEANINGS[name] + (of_points if name in ("PSDS1", "PSDS2") else "")
        between = ""
        if intervals:
            figure, part = _RESAMPLED.get(name, (name, "score"))
            between = f"  [{intervals[figure][part].low:.4f}, {intervals[figure][part].high:.4f}]"
        out(f"{name:<10}{value:.6f}{between}  {meaning}\n")
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
    rows = [
        [kind, *(_value(table[0]["f1"]), _value(table[1]["f1"])), *(_value(table[1].get(name)) for name in _MEANS)]
        for kind, table in best_threshold_rows(evaluation).items()
    ]
    if rows:
        out("\n")
        header = ["with the best threshold of each class", "micro F1", "macro F1", "mean average precision"]
        _show_table([*header, "mAUC", "mpAUC"], rows)
    if intervals:
        rows = [
            [name, part, *(_value(one) for one in (found.value, found.low, found.high))]
            for name, parts in intervals.items()
            for part, found in parts.items()
        ]
        out("\n")
        _show_table(["95 % intervals", "of", "value", "from", "to"], rows)
    out(f"\nevent-based: {_OFFSET_RULES[evaluation.offset_rule]}\n")
    clips, silent = len(evaluation.inputs.names), evaluation.inputs.silent
    out(f"{clips} clips, {silent} of them without a predicted event\n")
    for note in evaluation.notes:
        out(f"note: {note}\n")


def show_comparison(
    differences: Mapping[str, Mapping[str, Difference]],
    tests: Mapping[str, Mapping[str, float]],
    evaluations: Sequence[Evaluation],
    names: Sequence[str],
) -> None:
    """Shows two systems beside each other: every figure, then its classes, with the paired tests."""
    out = sys.stdout.write
    out(f"A: {names[0]}\nB: {names[1]}\n\n")
    rows = [
        [
            row["figure"],
            row["of"],
            *(_value(row[name]) for name in ("first", "second", "difference", "low", "high", "p_value")),
            "" if math.isnan(row["permutation_p_value"]) else _value(row["permutation_p_value"]),
        ]
        for row in comparison_rows(differences, tests)
    ]
    _show_table(["figure", "of", "A", "B", "B - A", "from", "to", "p", "p by permutation"], rows)
    out("\nB - A from ... to: 95 % interval; p: of no difference, by paired bootstrap and by swapping clips\n")
    out(f"{len(evaluations[0].inputs.names)} clips; F1 at the systems' decisions, *_best at the best thresholds\n")
    for name, evaluation in zip("AB", evaluations, strict=True):
        for note in evaluation.notes:
            out(f"note on {name}: {note}\n")


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
