"""Clip probabilities as a table of commas: `id`, then a column per class; for clip-based F1 (2022 paper: CBF1)."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError, ManifestError
from avkeras.evaluation.metrics import F1Report, clip_f1


def read_clip_probabilities(path: str | Path) -> dict[str, dict[str, float]]:
    """Read the probability of each class for each clip; every defect of the file is reported at once.

    Args:
        path: a table with the column `id` (or `filename`), then a column per class.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    found, defects = {}, []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if len(header) < 2 or header[0] not in ("id", "filename"):
            raise ManifestError([f"{path}:1: the first line must be: id,class1,class2,..."])
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                defects.append(f"{place}: {len(row)} fields, but the header has {len(header)}")
                continue
            values = [_number(text) for text in row[1:]]
            defects += [
                f"{place}: {name} {text!r} is not a probability"
                for name, text, value in zip(header[1:], row[1:], values, strict=True)
                if not 0 <= value <= 1
            ]
            if row[0] in found:
                defects.append(f"{place}: {row[0]} has probabilities already")
            found[row[0]] = dict(zip(header[1:], values, strict=True))
    if defects:
        raise ManifestError(defects)
    if not found:
        raise ManifestError([f"{path}: no clips"])
    return found


def clip_f1_of_probabilities(
    probabilities: Mapping[str, Mapping[str, float]],
    truth: Mapping[str, Sequence[Event]],
    *,
    thresholds: float | Mapping[str, float] = 0.5,
) -> F1Report:
    """Score clip probabilities by the classes of the true events.

    Args:
        probabilities: by clip and class, from `read_clip_probabilities`; clips by their names in the ground truth or
            by these without extension.
        truth: the events of each clip.
        thresholds: from which probability on a class counts as heard; one, or one per class.

    Raises:
        AvkerasError: clips, classes and thresholds do not fit each other.

    Example:
        >>> truth = {"a.wav": [Event(0.0, 2.0, "Dog")], "b.wav": []}
        >>> clip_f1_of_probabilities({"a": {"Dog": 0.7}, "b": {"Dog": 0.6}}, truth, thresholds=0.65).micro
        1.0
    """
    classes = list(next(iter(probabilities.values())))
    if not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(classes, thresholds)
    if missing := sorted(set(classes) - set(thresholds)):
        raise AvkerasError(f"no clip threshold for {', '.join(missing)}")
    heard, claimed = [], []
    for name, events in truth.items():
        key = name if name in probabilities else Path(name).stem
        if key not in probabilities:
            raise AvkerasError(f"clip probabilities are missing for {name} of the ground truth")
        heard.append(sorted({event.label for event in events}))
        if unknown := set(heard[-1]) - set(classes):
            raise AvkerasError(f"the clip probabilities have no column for {', '.join(sorted(unknown))}")
        claimed.append([label for label, value in probabilities[key].items() if value >= thresholds[label]])
    return clip_f1(heard, claimed, classes=classes)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
