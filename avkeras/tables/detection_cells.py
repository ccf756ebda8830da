"""Runs of a cell of the 2022 paper's tables 5 to 8: each the experiment of its own, and a line of results."""

import dataclasses
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.inputs import Features
from avkeras.runs.results_file import ResultsFile
from avkeras.tables.cells import Cell, cell_values, read_same_manifest
from avkeras.tables.paper_tables import METRICS


@dataclass(frozen=True)
class DetectionTask:
    """What one process does: runs of one cell.

    Args:
        cell: of the tables.
        seeds: one run each.
        values: of the experiment; `data` is set, `out` is the folder of all runs' folders.
        features: of the clips, with the visual embedders of all cells, or what the cell's published system takes.
        results: file that the runs are added to.
        notes: what each line tells besides: embedders, data, versions.
    """

    cell: Cell
    seeds: Sequence[int]
    values: SoundEventDetection
    features: Features
    results: Path
    notes: dict[str, str]

    def without(self, done: Container[tuple[str, int]]) -> "DetectionTask":
        """Returns the task without the runs, by cell and seed, that are done."""
        return dataclasses.replace(self, seeds=[seed for seed in self.seeds if (self.cell.key, seed) not in done])


def run_detection_task(task: DetectionTask) -> None:
    """Runs the experiment per seed in a folder of its own, where an interrupted one goes on, and adds its line."""
    from avkeras.experiments.detection import run_on_features

    manifest = read_same_manifest(task.values.data, task.notes["clips_sha256"])
    own = cell_values(task.values, task.cell)
    features = task.features if own.system else task.features.of(own.visual)
    name = task.cell.key.replace(", ", "-").replace(" ", "_")
    for seed in task.seeds:
        start = time.monotonic()
        values = dataclasses.replace(own, seed=seed, out=own.out / name / f"seed-{seed}")
        report = run_on_features(values, manifest, features)
        scores = {f"{metric} {row['part']}": row[metric] for row in report.rows for metric in METRICS}
        clips = {f"clips {row['part']}": row["clips"] for row in report.rows}
        ResultsFile(task.results).add(
            {
                "cell": task.cell.key,
                "seed": seed,
                **scores,
                "validation": max(report.tuning.weight_scores.values()),
                "weight": report.tuning.weight,
                **clips,
                "seconds": round(time.monotonic() - start, 2),
                **{key: list(value) if isinstance(value, tuple) else value for key, value in task.cell.values.items()},
                **task.notes,
                **({"embedders": ", ".join(features.embedders) or "none"} if own.system else {}),
            }
        )
