"""What the reports of both recipes share: tables, score counts and links; the page itself is `pages/report.html`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from avkeras.data.manifest import Clip, Manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.environment import FILE, environment
from avkeras.experiments.page import write_page

if TYPE_CHECKING:
    from avkeras.data.records import RecordReader
    from avkeras.features.embedders import EmbedderSpec
    from avkeras.features.extract import Summary

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
    return write_page(path, "report", title=title, data=data, scripts=("charts",))


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
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in (rows[0] if rows else ())}


def read_probabilities(path: Path, classes: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return clip ids and probabilities `(clips, classes)` of a table with a column per class."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = [[float(row[name]) for name in classes] for row in rows]
    return [row["id"] for row in rows], np.array(values, np.float64).reshape(-1, len(classes))


def setting_table(folder: Path) -> dict[str, Any]:
    """Return the values of a run from its `config.json`; paths are told as seen from the run's folder."""
    rows = []
    for name, value in json.loads((folder / "config.json").read_text(encoding="utf-8")).items():
        if isinstance(value, list):
            value = ", ".join(_local(one, folder) for one in value)
        rows.append((name, "–" if value is None else "." if name == "out" else _local(value, folder)))
    return table("Values of the run (config.json)", {"name": "text", "value": "text"}, rows)


def _local(value: Any, folder: Path) -> str:
    if isinstance(value, str) and value and (os.path.isabs(value) or Path(value).exists()):
        return relative_path(value, folder)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def version_table(folder: Path) -> dict[str, Any]:
    """Return the versions that the run was last started with; of an old run that does not tell, the current ones."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    made = json.loads(lines[-1]) if lines else environment()
    caption = f"Software at the last of {len(lines)} starts" if lines else "Software that wrote this report"
    rows = [("avkeras", made["avkeras"]), ("Python", made["python"]), ("system", made["platform"])]
    rows += [(name, version or "not installed") for name, version in made["packages"].items()]
    return table(f"{caption}, {made['time']}", {"package": "text", "version": "text"}, rows)


def embedder_table(specs: Sequence[EmbedderSpec]) -> dict[str, Any]:
    """Return what the embedders are, with their licences."""
    columns = dict.fromkeys(("embedder", "input"), "text") | {"values per frame": "count"}
    columns |= dict.fromkeys(("pretrained", "licence of the weights", "remarks"), "text")
    rows = [
        (
            spec.name,
            {"audio": "sound", "video": "pictures"}[spec.modality],
            spec.dim,
            "no: a stand-in" if spec.stand_in else "yes",
            spec.licence or ("none needed" if spec.stand_in else "not stated"),
            spec.note,
        )
        for spec in specs
    ]
    return table("Embedders", columns, rows)


def stand_in_warnings(specs: Sequence[EmbedderSpec]) -> list[str]:
    """Return a line for each embedder that only stands in for a pretrained one."""
    return [
        f"{spec.name} is a stand-in, not a pretrained network: these scores say nothing of the papers'."
        for spec in specs
        if spec.stand_in
    ]


def data_table(manifest: Manifest, folder: Path, *, audio: RecordReader, video: RecordReader | None) -> dict[str, Any]:
    """Return the number of clips per split: in the manifest, with and without video, and those that failed.

    Args:
        manifest: the clips.
        folder: of the report.
        audio: store of what was extracted from the sound.
        video: store of what was extracted from the pictures; None: nothing was.
    """
    rows = []
    for split in ("train", "validation", "test"):
        clips = manifest.split(split)
        used = [clip for clip in clips if clip.id in audio.records and not audio.records[clip.id].error]
        seen = sum(video is not None and video.records[clip.id].frames > 0 for clip in used)
        kinds = [(kind, sum(clip.supervision == kind for clip in clips)) for kind in ("strong", "weak", "unlabelled")]
        labelled = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
        rows.append((split, len(clips), labelled, len(clips) - len(used), len(used), seen, len(used) - seen))
    columns = {"split": "text", "clips": "count", "supervision": "text", "failed": "count", "used": "count"}
    columns |= {"used with video": "count", "used without video": "count"}
    where = relative_path(manifest.path, folder)
    return table(f"Clips of {where}, {len(manifest.classes)} classes", columns, rows)


def problem_lines(summary: Summary, left_out: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return what was padded, failed or left out in the run, in a few lines."""
    lines = [f"{len(summary.notes)} notes and {len(summary.errors)} errors in the extraction: see extraction.csv."]
    lines += [f"Failed: {clip}: {reason}" for clip, reason in summary.errors[:5]]
    if left_out:
        lines.append(f"{len(left_out)} clips were left out, for instance {left_out[0][0]}: {left_out[0][1]}.")
    return lines
