"""The figures of an evaluation as data: averages of all classes, a row for each class, the curves behind PSDS."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

from avkeras.evaluation.clip_counts import ClipCounts
from avkeras.evaluation.evaluate import Evaluation

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


def as_data(evaluation: Evaluation) -> dict:
    """All figures as what JSON can hold; NaN becomes None.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.

    Returns:
        `figures` (the papers' names), `averages` by kind, `classes` (the rows of `class_rows`), `psd_rocs` by the name
        of the PSDS (the joint curve, the area under it is the score, and one for each class), `clips`,
        `clips_without_predictions`, `offset_rule` and `notes`.
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
            "psd_rocs": rocs,
            "clips": len(evaluation.inputs.names),
            "clips_without_predictions": evaluation.inputs.silent,
            "offset_rule": evaluation.offset_rule,
            "notes": list(evaluation.notes),
        }
    )


def write_json(path: str | Path, evaluation: Evaluation) -> None:
    """Write `as_data` as JSON."""
    Path(path).write_text(json.dumps(as_data(evaluation), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: str | Path, evaluation: Evaluation) -> None:
    """Write `class_rows` with commas, then a row `micro average` and a row `macro average`; empty where not defined."""
    rows = class_rows(evaluation)
    for kind in ("micro", "macro"):
        row = {"class": f"{kind} average"}
        for name, counts in evaluation.counts.items():
            values = averages(counts)
            row |= {f"{name}_{key}": values[f"{kind}_{key}"] for key in ("precision", "recall", "f1")}
        rows.append(row)
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
        return None if math.isnan(value) else float(value)
    return value
