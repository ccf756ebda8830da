"""Runs of a cell of the 2019 paper's table 1: train, choose the threshold, score, add the line."""

import dataclasses
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import read_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.evaluation.thresholds import best_global_threshold, micro_f1
from avkeras.experiments.tagging_values import AudioTagging
from avkeras.runs.results_file import ResultsFile
from avkeras.tables.paper_tables import Cell


@dataclass(frozen=True)
class TaggingTask:
    """What one process does: runs of one cell.

    Args:
        cell: of table 1.
        seeds: one run each.
        values: of the experiment; `data` is set.
        stores: folder of the embeddings per modality.
        results: file that the runs are added to.
        together: all runs in one program, see `avkeras.training.many_seeds`; None: if that is measured to be faster.
        notes: what each line tells besides: embedders, data, versions.
    """

    cell: Cell
    seeds: Sequence[int]
    values: AudioTagging
    stores: dict[str, Path]
    results: Path
    together: bool | None
    notes: dict[str, str]

    def without(self, done: Container[tuple[str, int]]) -> "TaggingTask":
        """Returns the task without the runs, by cell and seed, that are done."""
        return dataclasses.replace(self, seeds=[seed for seed in self.seeds if (self.cell.key, seed) not in done])


def run_tagging_task(task: TaggingTask) -> None:
    """Trains and scores the runs of a task, and adds each one's line as soon as it is known (2019, table 1)."""
    from avkeras.experiments.tagging import build_model
    from avkeras.training.many_seeds import faster_together, train_seeds

    wanted = dict(task.cell.values)
    all_clips = wanted.pop("all_clips")
    values = dataclasses.replace(task.values, attention=wanted.pop("attention"), aggregation=wanted.pop("aggregation"))
    sets = _clip_sets(task, {wanted["first"], wanted["second"]}, all_clips)

    def build(seed: int):
        return build_model(
            dataclasses.replace(values, seed=seed),
            dims=sets["train"].dims,
            classes=len(sets["train"].classes),
            **wanted,
        )

    together = task.together
    if together is None:
        together = faster_together(build, sets["train"], seeds=task.seeds, batch_size=values.batch_size)
    start = time.monotonic()
    runs = train_seeds(
        build,
        sets["train"],
        {name: sets[name] for name in ("validation", "test")},
        seeds=task.seeds,
        together=together,
        epochs=values.epochs,
        steps_per_epoch=values.steps_per_epoch,
        batch_size=values.batch_size,
        max_ratio=values.max_ratio,
        patience=values.patience,
        keep=values.keep,
    )
    for run in runs:
        threshold, validation_f1 = best_global_threshold(sets["validation"].targets, run.probabilities["validation"])
        seconds, start = time.monotonic() - start, time.monotonic()
        ResultsFile(task.results).add(
            {
                "cell": task.cell.key,
                "seed": run.seed,
                "micro_f1": micro_f1(sets["test"].targets, run.probabilities["test"], threshold=threshold),
                "validation": validation_f1,
                "threshold": float(threshold),
                "epochs": len(run.losses),
                "test_clips": len(sets["test"]),
                "seconds": round(seconds, 2),
                **wanted,
                "attention": values.attention,
                "aggregation": values.aggregation,
                "all_clips": all_clips,
                **task.notes,
            }
        )


def _clip_sets(task: TaggingTask, modalities: set[str], all_clips: bool) -> dict[str, ClipSet]:
    """Reads only the modalities that the model takes, of all clips that have these, or of those that have both."""
    manifest = read_manifest(task.values.data)
    stores = {modality: RecordReader(folder) for modality, folder in task.stores.items()}
    used = {modality: stores[modality] for modality in sorted(modalities)}
    sets = {}
    for split in ("train", "validation", "test"):
        clips = manifest.split(split)
        if not all_clips:
            clips = ClipSet(clips, stores, manifest.classes, complete_only=True).clips
        sets[split] = ClipSet(clips, used, manifest.classes, complete_only=True)
        if not len(sets[split]):
            what = " and ".join(sorted(modalities if all_clips else stores))
            raise AvkerasError(f"{manifest.path}: no clip of split {split} has {what}")
    return sets
