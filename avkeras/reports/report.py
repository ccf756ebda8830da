"""What the reports of both recipes share: tables, score counts and links; the page itself is `pages/report.html`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from avkeras.data.manifest import Clip, Manifest
from avkeras.errors import AvkerasError
from avkeras.reports.page import write_page
from avkeras.runs.files import read_rows

REPORT_FILE = "report.html"
BINS = 1000  # thresholds that the report's slider has
EXAMPLES = 20  # clips with the highest loss that are shown
_LEAST = 1e-7  # probability that a loss is taken of, as in Keras


def write_report(path: Path, *, title: str, lead: str, warnings: Sequence[str], **parts: Any) -> Path:
    """Write `report.html`, whole or not at all.

    Args:
        path: the file.
        title: of the page.
        lead: a sentence below the title.
        warnings: what a reader must know of the scores.
        parts: what `pages/report.js` draws: `systems`, `classes`, `tables`, `detection`, ...

    Returns:
        The file.
    """
    data = {"title": title, "lead": lead, "warnings": list(warnings), "bins": BINS, **parts}
    return write_page(path, "report", title=title, data=data, scripts=("charts", "tables"))


def table(caption: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return a table for the page, which sorts by a click on a column's name.

    Args:
        caption: above the table.
        columns: kind of each column by its name: `text`, `count`, `percent` (of 1), `number` or `links`.
        rows: a value per column; None where there is none; of `links` pairs of text and address.
    """
    kinds = [{"name": name, "kind": kind} for name, kind in columns.items()]
    return {"caption": caption, "columns": kinds, "rows": [list(row) for row in rows]}


def score_counts(targets: np.ndarray, probabilities: np.ndarray) -> list[dict[str, list[int]]]:
    """Count, per class, the clips whose probability lies in each thousandth, with the class and without.

    From these counts precision, recall and F1 at any threshold of three decimals follow exactly, however many clips
    there are.

    Args:
        targets: 0 or 1, `(clips, classes)`.
        probabilities: of the same shape, in [0, 1].

    Returns:
        Per class `bins`, rising, and for each the clips with the class (`with`) and without it (`without`).

    Example:
        >>> score_counts(np.array([[1], [0], [0]]), np.array([[0.75], [0.75], [0.2]]))
        [{'bins': [200, 750], 'with': [0, 1], 'without': [1, 1]}]
    """
    # A millionth as the files have it, so that 0.3 reaches the threshold 0.3.
    bins = np.round(np.asarray(probabilities, np.float64) * 1e6).astype(np.int64) // (1_000_000 // BINS)
    counts = []
    for column, truth in zip(bins.T, np.asarray(targets).astype(bool).T, strict=True):
        found, place = np.unique(column, return_inverse=True)
        present = np.bincount(place, weights=truth, minlength=len(found)).astype(int)
        everything = np.bincount(place, minlength=len(found))
        counts.append({"bins": found.tolist(), "with": present.tolist(), "without": (everything - present).tolist()})
    return counts


def counts_by_part(
    targets: np.ndarray, probabilities: np.ndarray, with_video: np.ndarray
) -> dict[str, list[dict[str, list[int]]]]:
    """Return `score_counts` of all clips, of those with video and of those without, where there are any."""
    return {part: score_counts(targets[chosen], probabilities[chosen]) for part, chosen in parts_of(with_video).items()}


def parts_of(with_video: np.ndarray) -> dict[str, np.ndarray]:
    """Return which clips belong to each part that has any: `all`, `with video`, `without video`."""
    parts = {"all": np.ones(len(with_video), bool), "with video": with_video, "without video": ~with_video}
    return {part: chosen for part, chosen in parts.items() if chosen.any()}


def clip_losses(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the binary cross-entropy of each clip, the mean of its classes, `(clips,)`."""
    kept = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    return -np.where(np.asarray(targets) > 0.5, np.log(kept), np.log(1 - kept)).mean(axis=1)


def loss_table(
    clips: Sequence[Clip],
    targets: np.ndarray,
    probabilities: np.ndarray,
    predicted: Sequence[Sequence[str]],
    *,
    folder: Path,
) -> dict[str, Any]:
    """Return the clips with the highest loss, with their labels and links to their files.

    Args:
        clips: of the test set.
        targets: 0 or 1, `(clips, classes)`.
        probabilities: of the same shape.
        predicted: the classes that were found in each clip.
        folder: of the report.
    """
    loss = clip_losses(targets, probabilities)
    rows = [
        (
            clips[place].id,
            float(loss[place]),
            ", ".join(clips[place].labels) or "–",
            ", ".join(predicted[place]) or "–",
            media_links(clips[place], folder),
        )
        for place in np.argsort(-loss, kind="stable")[:EXAMPLES]
    ]
    columns = {"clip": "text", "loss": "number", "true": "text", "predicted": "text", "file": "links"}
    return table(
        f"The {len(rows)} test clips with the highest loss (binary cross-entropy, mean of classes)", columns, rows
    )


def named_clips(manifest: Manifest, ids: Sequence[str], *, file: Path) -> list[Clip]:
    """Return the test clips that a file of the run names.

    Raises:
        AvkerasError: the manifest has no such clip any more.
    """
    by_id = {clip.id: clip for clip in manifest.split("test")}
    if missing := [id for id in ids if id not in by_id]:
        raise AvkerasError(f"{file}: names clip {missing[0]}, which is no test clip of {manifest.path} any more")
    return [by_id[id] for id in ids]


def media_links(clip: Clip, folder: Path) -> list[tuple[str, str]]:
    """Return text and address of a clip's files, relative to the report's folder."""
    links = []
    for path in dict.fromkeys(filter(None, (clip.audio, clip.video))):
        relative = relative_path(path, folder)
        links.append((Path(path).name, quote(relative)))
    return links


def relative_path(path: str | Path, folder: str | Path) -> str:
    """Return a path as seen from a folder, with forward slashes.

    Example:
        >>> relative_path("runs/data/a.wav", "runs/demo")
        '../data/a.wav'
    """
    return Path(os.path.relpath(path, folder)).as_posix()


def read_columns(path: Path) -> dict[str, list[float | None]]:
    """Return the columns of a table of numbers, such as `metrics.csv`."""
    rows = read_rows(path)
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in (rows[0] if rows else ())}


def read_probabilities(path: Path, classes: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return clip ids and probabilities `(clips, classes)` of a table with a column per class."""
    rows = read_rows(path)
    values = [[float(row[name]) for name in classes] for row in rows]
    return [row["id"] for row in rows], np.array(values, np.float64).reshape(-1, len(classes))
