"""Runs of a cell of the 2019 paper's tables: each the experiment of its own, and a line of results."""

import dataclasses
import shutil
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avkeras.data.manifest import Manifest
from avkeras.experiments.configs import AudioTagging
from avkeras.experiments.inputs import Features
from avkeras.runs.files import file_name
from avkeras.runs.results_file import ResultsFile
from avkeras.tables.cells import Cell, cell_values, read_same_manifest


@dataclass(frozen=True)
class TaggingTask:
    """What one process does: runs of one cell.

    Args:
        cell: of the tables.
        seeds: one run each.
        values: of the experiment; `data` is set, `out` is the folder of all runs' folders.
        features: of the clips: of both modalities, or what the cell's published system takes.
        results: file that the runs are added to.
        together: all runs in one program, see `avkeras.training.many_seeds`; None: if that is measured to be faster.
        notes: what each line tells besides: embedders, data, versions.
    """

    cell: Cell
    seeds: Sequence[int]
    values: AudioTagging
    features: Features
    results: Path
    together: bool | None
    notes: dict[str, str]

    def without(self, done: Container[tuple[str, int]]) -> "TaggingTask":
        """Returns the task without the runs, by cell and seed, that are done."""
        return dataclasses.replace(self, seeds=[seed for seed in self.seeds if (self.cell.key, seed) not in done])


def run_tagging_task(task: TaggingTask) -> None:
    """Trains and scores the runs of a task, and adds each one's line as soon as it is known (2019, tables 1 to 3)."""
    values = cell_values(task.values, task.cell)
    manifest = read_same_manifest(values.data, task.notes["clips_sha256"])
    if values.system or task.together is False or len(task.seeds) < 2 or not _run_together(task, values, manifest):
        _run_apart(task, values, manifest)


def _run_apart(task: TaggingTask, values: AudioTagging, manifest: Manifest) -> None:
    """Runs the experiment per seed in a folder of its own, where an interrupted one goes on.

    A table has hundreds of runs with the weights of several epochs each: what is in the line needs no folder any more.
    `avkeras train tagging` trains any cell's model to keep.
    """
    from avkeras.experiments.tagging import run_on_features

    for seed in task.seeds:
        start = time.monotonic()
        folder = values.out / "runs" / f"{file_name(task.cell.key)}-seed{seed}"
        (result,) = run_on_features(dataclasses.replace(values, seed=seed, out=folder), manifest, task.features).results
        _add(task, seed, vars(result), result.epochs, start)
        shutil.rmtree(folder)


def _run_together(task: TaggingTask, values: AudioTagging, manifest: Manifest) -> bool:
    """Trains the experiment's models of all seeds in one program; returns False where that is not the faster way."""
    from avkeras.experiments.configs import wanted_systems
    from avkeras.experiments.tagging import build_model
    from avkeras.experiments.tagging_scores import clip_sets, clips_with_video, score_tagging
    from avkeras.training.many_seeds import faster_together, train_seeds

    ((first, second, positions),) = wanted_systems(values).values()
    stores = task.features.readers()
    sets = clip_sets(manifest, stores, {first, second}, complete_only=values.complete_only)

    def build(seed: int):
        return build_model(
            dataclasses.replace(values, seed=seed),
            first=first,
            second=second,
            positions=positions,
            dims=sets["train"].dims,
            classes=len(manifest.classes),
        )

    if task.together is None and not faster_together(
        build, sets["train"], seeds=task.seeds, batch_size=values.batch_size
    ):
        return False
    start = time.monotonic()
    runs = train_seeds(
        build,
        sets["train"],
        {name: sets[name] for name in ("validation", "test")},
        seeds=task.seeds,
        together=True,
        epochs=values.epochs,
        steps_per_epoch=values.steps_per_epoch,
        batch_size=values.batch_size,
        max_ratio=values.max_ratio,
        patience=values.patience,
        keep=values.keep,
    )
    with_video = clips_with_video(sets["test"], stores)
    for run in runs:
        scores = score_tagging(sets, run.probabilities, with_video=with_video)
        _add(task, run.seed, scores, len(run.losses), start)
        start = time.monotonic()
    return True


def _add(task: TaggingTask, seed: int, scores: dict[str, Any], epochs: int, start: float) -> None:
    ResultsFile(task.results).add(
        {
            "cell": task.cell.key,
            "seed": seed,
            "micro_f1": scores["f1"],
            "validation": scores["validation"],
            "threshold": scores["threshold"],
            "epochs": epochs,
            "test_clips": scores["clips"],
            "seconds": round(time.monotonic() - start, 2),
            **task.cell.values,
            **task.notes,
            **({"embedders": "none"} if "system" in task.cell.values else {}),
        }
    )
