"""Clip probabilities as a table, `id`, then a column per class; for clip-based F1 (2022 paper: CBF1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from avkeras.errors import AvkerasError, ManifestError
from avkeras.evaluation.clip_names import ClipNames
from avkeras.evaluation.inputs import unknown_clips
from avkeras.evaluation.text_tables import number, read_table

NAME_COLUMNS = ("id", "filename")


def read_clip_probabilities(path: str | Path, *, notes: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Read the probability of each class for each clip; every defect of the file is reported at once.

    Args:
        path: a table with the column `id` (or `filename`), then a column per class.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    table = read_table(path, NAME_COLUMNS, notes=notes, usual=",")
    header = table.header or ()
    if len(header) < 2 or header[0] not in NAME_COLUMNS:
        raise ManifestError([f"{path}:1: the first line must be: id,class1,class2,..."])
    found: dict[str, dict[str, float]] = {}
    defects: list[str] = []
    for line, fields in table.rows:
        place = f"{path}:{line}"
        if len(fields) != len(header):
            defects.append(f"{place}: {len(fields)} fields, but the header has {len(header)}")
            continue
        values = [number(text) for text in fields[1:]]
        defects += [
            f"{place}: {name} {text!r} is not a probability"
            for name, text, value in zip(header[1:], fields[1:], values, strict=True)
            if value is None or not 0 <= value <= 1
        ]
        if fields[0] in found:
            defects.append(f"{place}: {fields[0]} has probabilities already")
        found[fields[0]] = dict(zip(header[1:], values, strict=True))
    if defects:
        raise ManifestError(defects)
    if not found:
        raise ManifestError([f"{path}: no clips"])
    return found


def labels_of_probabilities(
    probabilities: Mapping[str, Mapping[str, float]],
    names: Sequence[str],
    *,
    thresholds: float | Mapping[str, float] = 0.5,
    what: str = "the clip probabilities",
    notes: list[str] | None = None,
) -> list[tuple[str, ...]]:
    """Decide which classes are heard in each clip.

    Args:
        probabilities: by clip and class, from `read_clip_probabilities`.
        names: of the clips; with and without folder and ending they are the same.
        thresholds: from which probability on a class counts as heard; one, or one per class.
        what: names their file in messages.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Returns:
        For each of `names` its classes.

    Raises:
        AvkerasError: clips, classes and thresholds do not fit each other.

    Example:
        >>> labels_of_probabilities({"a": {"Dog": 0.7}, "b": {"Dog": 0.6}}, ["a", "b"], thresholds=0.65)
        [('Dog',), ()]
    """
    classes = list(next(iter(probabilities.values())))
    if not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(classes, thresholds)
    if missing := sorted(set(classes) - set(thresholds)):
        raise AvkerasError(f"no clip threshold for {', '.join(missing)}")
    own, unknown = ClipNames(names).adopt(probabilities, what=what, notes=notes)
    if missing := [name for name in names if name not in own]:
        raise AvkerasError(f"{what}: probabilities are missing for {missing[0]} of the ground truth")
    if unknown:
        raise unknown_clips(unknown, what)
    return [tuple(label for label, value in own[name].items() if value >= thresholds[label]) for name in names]
