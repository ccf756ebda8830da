"""Tables of a report that say what the run was made of: values, software, embedders, data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.data.manifest import Manifest
from avkeras.reports.report import relative_path, table
from avkeras.runs.environment import FILE, environment
from avkeras.runs.files import JsonLines, read_rows
from avkeras.runs.run_folder import read_config
from avkeras.systems.registry import find_system

if TYPE_CHECKING:
    from avkeras.data.records import RecordReader
    from avkeras.features.embedders import EmbedderSpec
    from avkeras.reports.run_facts import RunFacts


def setting_table(folder: Path) -> dict[str, Any]:
    """Return the values of a run from its `config.json`; paths are told as seen from the run's folder."""
    rows = []
    for name, value in read_config(folder).items():
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
    lines, _ = JsonLines(folder / FILE).read()
    made = lines[-1] if lines else environment()
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


def problem_lines(run: RunFacts) -> list[str]:
    """Return what was padded, failed or left out in the run, in a few lines."""
    notes, errors = run.noted("note"), run.noted("error")
    lines = [f"{len(notes)} notes and {len(errors)} errors in the extraction: see extraction.csv."]
    lines += [f"Failed: {clip}: {reason}" for clip, reason in errors[:5]]
    file = run.folder / "left_out.csv"
    if left_out := [row for row in read_rows(file) if "clip" in row] if file.is_file() else []:
        first = left_out[0]
        lines.append(f"{len(left_out)} clips were left out, for instance {first['clip']}: {first['reason']}.")
    return lines


def system_lead(name: str) -> str:
    """Return what a published system is, with its published figures, which cannot be compared.

    Args:
        name: of the system.
    """
    system = find_system(name)
    figures = [f"{one.metric} {one.value:g} % on {one.on} ({one.source})" for one in system.published]
    told = f" Published, on other clips: {'; '.join(figures)}." if figures else ""
    return f"{system.name}: {system.title}. {system.paper}.{told}"
