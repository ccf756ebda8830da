"""The figures of an evaluation as data: averages of all classes, a row for each class, the curves behind PSDS."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from avkeras.evaluation.bootstrap import Difference, Interval
from avkeras.evaluation.clip_counts import ClipCounts
from avkeras.evaluation.evaluate import Evaluation
from avkeras.evaluation.exact_segments import auroc
from avkeras.evaluation.threshold_changes import average_precision, best_f1

KINDS = ("clip", "segment", "event", "intersection")


def averages(counts: ClipCounts) -> dict[str, float]:
    """The averages of all classes by their names in sed_eval.

    Args:
        counts: of any kind.

    Returns:
        `micro_f1`, `micro_precision` and `micro_recall` of all items together; `macro_f1`, `macro_precision` and
        `macro_recall`, means over the classes with references; and, where they are defined, `error_rate` and what it
        is the sum of: `substitution_rate`, `deletion_rate`, `insertion_rate`. NaN without references.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> from avkeras.evaluation.clip_counts import event_counts
        >>> truth, found = [[Event(0.0, 1.0, "Dog")]], [[Event(0.0, 1.0, "Dog"), Event(3.0, 4.0, "Dog")]]
        >>> averages(event_counts(truth, found, classes=["Dog"]))["micro_precision"]
        0.5
    """
    references, predicted, correct = (
        array.sum(axis=0).tolist() for array in (counts.references, counts.predicted, counts.correct)
    )
    precision, recall, _ = _ratios(sum(references), sum(predicted), sum(correct))
    found = {"micro_f1": counts.micro_f1(), "micro_precision": precision, "micro_recall": recall}
    own = [_ratios(*row) for row in zip(references, predicted, correct, strict=True) if row[0]]
    found["macro_f1"] = counts.macro_f1()
    for place, name in enumerate(("precision", "recall")):
        found[f"macro_{name}"] = sum(row[place] for row in own) / len(own) if own else math.nan
    if counts.substitutions is not None:
        total = sum(references) or math.nan
        found["error_rate"] = counts.error_rate()
        for name in ("substitution", "deletion", "insertion"):
            found[f"{name}_rate"] = float(getattr(counts, f"{name}s").sum() / total)
    return found


def class_rows(evaluation: Evaluation) -> list[dict[str, str | int | float]]:
    """A row for each class: numbers of items, precision, recall and F1 of every kind, and the class's own PSDS.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.

    Returns:
        For each class `class`, then for every kind `<kind>_references`, `_predicted`, `_correct`, `_precision`,
        `_recall` and `_f1`, and for every PSDS the area under the class's own curve. NaN where not defined.
    """
    rows = []
    for place, name in enumerate(evaluation.inputs.classes):
        row: dict[str, str | int | float] = {"class": name}
        for kind, counts in evaluation.counts.items():
            numbers = [int(array[:, place].sum()) for array in (counts.references, counts.predicted, counts.correct)]
            values = dict(zip(("references", "predicted", "correct"), numbers, strict=True))
            values |= dict(zip(("precision", "recall", "f1"), _ratios(*numbers), strict=True))
            row |= {f"{kind}_{key}": value for key, value in values.items()}
        for key, roc in evaluation.rocs.items():
            row[key] = roc.class_scores.get(name, math.nan)
        rows.append(row)
    return rows


def best_threshold_rows(evaluation: Evaluation) -> dict[str, list[dict[str, str | float]]]:
    """What the scores could give with the best threshold of each class, chosen on the truth itself.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`, with scores.

    Returns:
        For segment-, event- and intersection-based items a row `micro average`, a row `macro average` and a row for
        each class, of `class`, `f1`, `threshold` and `average_precision`; for segments `auroc` and, up to a false
        positive rate of 0.1, `partial_auroc` (their macro averages are DCASE 2024's mAUC and mpAUC). Empty without
        scores.
    """
    found = {}
    for kind in ("segment", "event", "intersection"):
        if kind not in evaluation.changes:
            continue
        changes = evaluation.changes[kind]
        best, precision = best_f1(changes), average_precision(changes)
        columns = {"f1": best.per_class, "threshold": best.thresholds, "average_precision": precision}
        if kind == "segment":
            columns |= {"auroc": auroc(changes), "partial_auroc": auroc(changes, max_fpr=0.1)}
        rows = [{"class": name, **{key: column[name] for key, column in columns.items()}} for name in changes.classes]
        means = {key: sum(column.values()) / len(column) for key, column in columns.items() if key != "threshold"}
        found[kind] = [{"class": "micro average", "f1": best.micro}, {"class": "macro average", **means}, *rows]
    return found


def as_data(evaluation: Evaluation, intervals: Mapping[str, Mapping[str, Interval]] | None = None) -> dict:
    """All figures as what JSON can hold; NaN and infinity become None.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.
        intervals: from `avkeras.evaluation.resampling.intervals`.

    Returns:
        `figures` (the papers' names), `averages` by kind, `classes` (the rows of `class_rows`), `best_thresholds`
        (`best_threshold_rows`), `intervals`, `psd_rocs` by the name of the PSDS (the joint curve, whose area is the
        score, and one for each class), `clips`, `clips_without_predictions`, `offset_rule` and `notes`.
    """
    rocs = {
        name: {
            "effective_false_positives_per_hour": roc.effective.tolist(),
            "effective_true_positive_ratio": roc.ratio.tolist(),
            "classes": {label: [steps.tolist(), height.tolist()] for label, (steps, height) in roc.classes.items()},
            "max_effective_false_positives_per_hour": roc.max_efpr,
        }
        for name, roc in evaluation.rocs.items()
    }
    return _plain(
        {
            "figures": evaluation.summary(),
            "averages": {kind: averages(counts) for kind, counts in evaluation.counts.items()},
            "classes": class_rows(evaluation),
            "best_thresholds": best_threshold_rows(evaluation),
            "intervals": {
                name: {part: asdict(interval) for part, interval in parts.items()}
                for name, parts in (intervals or {}).items()
            },
            "psd_rocs": rocs,
            "clips": len(evaluation.inputs.names),
            "clips_without_predictions": evaluation.inputs.silent,
            "offset_rule": evaluation.offset_rule,
            "notes": list(evaluation.notes),
        }
    )


def table_rows(evaluation: Evaluation) -> list[dict[str, str | int | float]]:
    """The rows of `class_rows`, then a row `micro average` and a row `macro average`."""
    rows = class_rows(evaluation)
    for kind in ("micro", "macro"):
        row = {"class": f"{kind} average"}
        for name, counts in evaluation.counts.items():
            values = averages(counts)
            row |= {f"{name}_{key}": values[f"{kind}_{key}"] for key in ("precision", "recall", "f1")}
        rows.append(row)
    return rows


def comparison_rows(
    differences: Mapping[str, Mapping[str, Difference]], tests: Mapping[str, Mapping[str, float]]
) -> list[dict[str, str | float]]:
    """A row for each figure and class of two systems.

    Args:
        differences: from `avkeras.evaluation.resampling.compare_systems`.
        tests: likewise.

    Returns:
        Rows of `figure`, `of` (an average or a class), `first`, `second`, `difference`, its 95 % interval `low` to
        `high`, the paired bootstrap's `p_value` and, for F1, `permutation_p_value`.
    """
    return [
        {
            "figure": name,
            "of": part,
            "first": found.first,
            "second": found.second,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p_value": found.p_value,
            "permutation_p_value": tests.get(name, {}).get(part, math.nan),
        }
        for name, parts in differences.items()
        for part, found in parts.items()
    ]


def comparison_data(differences, tests, evaluations: Sequence[Evaluation]) -> dict:
    """What JSON holds of two systems: `differences` (`comparison_rows`) and `systems`, each as `as_data`."""
    rows = _plain(comparison_rows(differences, tests))
    return {"differences": rows, "systems": [as_data(evaluation) for evaluation in evaluations]}


def write_json(path: str | Path, data: dict) -> None:
    """Write data of `as_data` or `comparison_data`."""
    Path(path).write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: str | Path, rows: Sequence[Mapping]) -> None:
    """Write rows of `table_rows` or `comparison_rows` with commas; empty where not defined."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_plain(rows))


def _ratios(references: int, predicted: int, correct: int) -> tuple[float, float, float]:
    """Precision, recall and F1 as sed_eval has them where nothing is predicted: 0."""
    if not references:
        return (0.0 if predicted else math.nan), math.nan, math.nan
    return (correct / predicted if predicted else 0.0), correct / references, 2 * correct / (references + predicted)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
