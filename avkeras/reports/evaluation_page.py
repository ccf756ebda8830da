"""The page of an evaluation: the figures of one system, or of two beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avkeras.evaluation.bootstrap import Difference, Interval
from avkeras.evaluation.evaluate import Evaluation
from avkeras.evaluation.figures import averages, best_threshold_rows, class_rows, comparison_rows
from avkeras.reports.page import write_page
from avkeras.reports.report import table


def write_evaluation_page(
    path: str | Path, evaluation: Evaluation, intervals: Mapping[str, Mapping[str, Interval]] | None = None
) -> Path:
    """Write the figures of a system: results, PSD-ROCs, a row for each class.

    Args:
        path: the file.
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.
        intervals: from `avkeras.evaluation.resampling.intervals`.

    Returns:
        The file.

    Raises:
        AvkerasError: the file cannot be written.
    """
    results = [table("Figures", {"figure": "text", "value": "percent"}, list(evaluation.summary().items()))]
    rows = [(kind, averages(counts)) for kind, counts in evaluation.counts.items()]
    columns = {name: "percent" for found in (rows[1][1],) for name in found}
    results.append(
        table(
            "Averages over all items (micro) and over classes (macro); error rates are shares of the true items",
            {"based on": "text", **{name.replace("_", " "): kind for name, kind in columns.items()}},
            [(kind, *(found.get(name) for name in columns)) for kind, found in rows],
        )
    )
    best = best_threshold_rows(evaluation)
    if best:
        columns = {"f1": "percent", "threshold": "number", "average_precision": "percent"}
        columns |= {"auroc": "percent", "partial_auroc": "percent"}
        results.append(
            table(
                "With the best threshold of each class, chosen on the truth itself",
                {"based on": "text", "of": "text", **{name.replace("_", " "): kind for name, kind in columns.items()}},
                [
                    (kind, row["class"], *(row.get(name) for name in columns))
                    for kind, own in best.items()
                    for row in own
                ],
            )
        )
    if intervals:
        results.append(
            table(
                "95 % intervals by the bootstrap over clips",
                {"figure": "text", "of": "text", "value": "percent", "from": "percent", "to": "percent"},
                [
                    (name, part, found.value, found.low, found.high)
                    for name, parts in intervals.items()
                    for part, found in parts.items()
                ],
            )
        )
    return _write(path, "Evaluation of detected sound events", [evaluation], [""], results, _class_tables(evaluation))


def write_comparison_page(
    path: str | Path,
    evaluations: Sequence[Evaluation],
    names: Sequence[str],
    differences: Mapping[str, Mapping[str, Difference]],
    tests: Mapping[str, Mapping[str, float]],
) -> Path:
    """Write two systems beside each other: every figure with the paired tests, and the PSD-ROCs.

    Args:
        path: the file.
        evaluations: of both systems.
        names: of both systems.
        differences: from `avkeras.evaluation.resampling.compare_systems`.
        tests: likewise.

    Returns:
        The file.

    Raises:
        AvkerasError: the file cannot be written.
    """
    columns = {"figure": "text", "of": "text"} | dict.fromkeys(("A", "B", "B - A", "from", "to"), "percent")
    columns |= {"p": "number", "p by permutation": "number"}
    rows = [tuple(row.values()) for row in comparison_rows(differences, tests)]
    averaged = ("micro", "macro", "score", "mean")
    captions = "B - A with its 95 % interval; p: of no difference, by paired bootstrap and by swapping clips"
    results = [table(captions, columns, [row for row in rows if row[1] in averaged])]
    classes = [table(captions, columns, [row for row in rows if row[1] not in averaged])]
    title = "Two systems that detect sound events"
    return _write(
        path, title, evaluations, [f"{one}: {name}" for one, name in zip("AB", names, strict=True)], results, classes
    )


def _class_tables(evaluation: Evaluation) -> list[dict[str, Any]]:
    tables = []
    rows = class_rows(evaluation)
    for kind in evaluation.counts:
        columns = dict.fromkeys(("references", "predicted", "correct"), "count")
        columns |= dict.fromkeys(("precision", "recall", "f1"), "percent")
        found = [(row["class"], *(_defined(row[f"{kind}_{name}"]) for name in columns)) for row in rows]
        tables.append(table(f"{kind.capitalize()}-based", {"class": "text", **columns}, found))
    return tables


def _write(path, title, evaluations, systems, results, class_tables) -> Path:
    rocs = [
        {
            "metric": name,
            "system": system,
            "value": roc.score,
            "limit": roc.max_efpr,
            "points": _points(roc.effective, roc.ratio),
            "classes": [
                {"name": label, "value": roc.class_scores[label], "points": _points(*curve)}
                for label, curve in roc.classes.items()
            ],
        }
        for system, evaluation in zip(systems, evaluations, strict=True)
        for name, roc in evaluation.rocs.items()
    ]
    first = evaluations[0].inputs
    data = {
        "lead": f"{len(first.names)} clips, {len(first.classes)} classes, {sum(map(len, first.truth))} true events. "
        + " ".join(system for system in systems if system),
        "notes": [
            f"{system} {note}".strip()
            for system, evaluation in zip(systems, evaluations, strict=True)
            for note in evaluation.notes
        ],
        "results": results,
        "classTables": class_tables,
        "rocs": rocs,
    }
    return write_page(path, "evaluation", title=title, data=data, scripts=("charts", "tables"))


def _points(effective, ratio) -> list[list[float]]:
    return [[round(x, 6), round(y, 6)] for x, y in zip(effective.tolist(), ratio.tolist(), strict=True)]


def _defined(value):
    return None if isinstance(value, float) and math.isnan(value) else value
