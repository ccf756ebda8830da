"""A paper's table by one command: every cell, every seed, side by side, and never a finished run again."""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import avkeras
from avkeras.data.manifest import Manifest, read_manifest
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import EXPERIMENTS
from avkeras.experiments.detection_inputs import detection_features
from avkeras.experiments.inputs import Features
from avkeras.experiments.tagging import tagging_features
from avkeras.features.write_clips import Summary, write_extraction
from avkeras.runs.locks import locked_folder
from avkeras.runs.results_file import ResultsFile
from avkeras.runs.run_folder import pin_values
from avkeras.tables.cells import Cell, PaperTable, cell_values, changed_values
from avkeras.tables.chance import constant_events, constant_tags
from avkeras.tables.files import write_table
from avkeras.tables.fusion_curve import fusion_gains
from avkeras.tables.numbers import table_numbers
from avkeras.tables.paper_tables import FUSION, paper_table
from avkeras.tables.prior_systems import DEMO
from avkeras.tables.reproduction import Reproduction
from avkeras.tables.run_tasks import run_tasks

RESULTS_FILE = "results.jsonl"
DEMO_RUNS = {FUSION: 3}  # else 2
# What a table changes of the papers' values, which `avkeras.experiments.configs` holds and the recipes show. On demo
# soundscapes runs are few and short: they show that a table can be made, and no more.
_CHANGES = {
    ("tagging", "paper"): {},
    ("tagging", "demo"): {
        "embedders": ("vggish_stand_in", "efficientnet_lite0"),
        "epochs": 4,
        "steps_per_epoch": 30,
        "keep": 2,
        "learning_rate": 0.003,
        "blocks": 1,
        "dim": 32,
        "demo_clips": (320, 80, 120),
    },
    ("detection", "paper"): {"visual": ("openl3", "tce", "vgg16")},
    ("detection", "demo"): {
        "visual": ("efficientnet_lite0", "picture_stand_in"),
        "visual_frames": 8,
        "weights": (0.5, 0.875),
        "blocks": 1,
        "dim": 32,
        "num_heads": 2,
        "key_dim": 16,
        "hidden_dim": 32,
        "filters": (8, 8, 16, 16, 32, 32, 32),
        "epochs": 4,
        "steps_per_epoch": 15,
        "batch": (4, 4, 4),
        "learning_rate": 0.003,
        "decay_steps": 1000,
        "decay_rate": 0.3,
        "teacher_decay": 0.9,
        "demo_clips": (72, 24, 32),
    },
}
# Ways of fusion differ only in models that have learnt something, and by less than a few runs of a few clips tell.
_CHANGES[FUSION, "demo"] = _CHANGES["detection", "demo"] | {
    "visual": ("efficientnet_lite0",),
    "visual_frames": 16,
    "weights": (0.5, 0.75),
    "hidden_dim": 64,
    "filters": (8, 16, 16, 32, 32, 32, 32),
    "epochs": 16,
    "steps_per_epoch": 25,
    "batch": (6, 6, 6),
    "teacher_decay": 0.95,
    "demo_clips": (320, 80, 200),
}


def reproduce(
    name: str,
    *,
    data: Path | None = None,
    out: Path | None = None,
    preset: str | None = None,
    embedders: Sequence[str] | None = None,
    runs: int | None = None,
    rows: Sequence[int] = (),
    jobs: int | None = None,
    cluster: str | None = None,
    together: bool | None = None,
    precision: str = "float32",
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
) -> Reproduction:
    """Reproduces a table of the papers, or goes on where an earlier call was stopped.

    Args:
        name: one of `paper_tables.TABLES`.
        data: manifest; None: demo soundscapes, made on first use.
        out: folder; tables of one paper share it, and what they train in common is trained once. Default:
            `runs/reproduce-2019`, `runs/reproduce-2022` or `runs/reproduce-fusion`.
        preset: `paper` or `demo`; default: `paper` with data, `demo` without.
        embedders: 2019: of sound and of pictures; 2022: of pictures, each a row, but `fusion` takes the first. Default:
            the preset's.
        runs: seeds per cell, from 0; default: the paper's 25 or 20, `demo`: 2, of `fusion` 3.
        rows: numbers of the rows, from 1; default: all.
        jobs: processes side by side; default: what cores, memory and GPUs allow, see `run_tasks`.
        cluster: address of a Ray cluster that does the work; None: this machine.
        together: 2019: train the runs of a cell in one program; None: where this is measured to be faster.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        progress: called with the name of a long step, returns what is called with (done, in all).

    Returns:
        A `Reproduction`; in `out` are `results.jsonl`, a line per run, and the table as Markdown and CSV.

    Raises:
        AvkerasError: the data or the values do not fit, `out` holds runs with others, or another process works there.
    """
    step = progress or (lambda name: None)
    system = paper_table(name).system
    preset = preset or ("paper" if data else "demo")
    if (system, preset) not in _CHANGES:
        raise AvkerasError(f"preset: '{preset}' is none of paper, demo")
    if runs is not None and runs < 1:
        raise AvkerasError(f"runs {runs}: at least 1 is wanted")
    values = table_values(name if (name, preset) in _CHANGES else system, preset)
    values = dataclasses.replace(values, precision=precision, workers=os.cpu_count() or 1)
    if embedders:
        values = dataclasses.replace(values, **{"embedders" if system == "tagging" else "visual": tuple(embedders)})
    if name == FUSION:
        values = dataclasses.replace(values, visual=tuple(values.visual)[:1])
    if system == "tagging" and len(values.embedders) != 2:
        raise AvkerasError(f"embedders: {name} takes one of sound and one of pictures, not {len(values.embedders)}")
    grid = {"systems": DEMO if preset == "demo" else {}}
    if system == "detection":
        grid |= {"visual": values.visual, "weights": values.weights}
    table = paper_table(name, **grid).of_rows(rows)
    values.out = Path(out or f"runs/reproduce-{name.partition('-')[0]}")
    manifest = _manifest(values, data, system, step)
    values.data = manifest.path
    with locked_folder(values.out, "making a table in this folder"):
        pin_values(values, values.out, free=("workers", "out"))  # the mean of runs with other values would say nothing

        results = ResultsFile(values.out / RESULTS_FILE)
        seeds = range(runs or (DEMO_RUNS.get(name, 2) if preset == "demo" else table.runs))
        before = results.runs()
        made_on = {"data_sha256": _digest(manifest), "clips_sha256": manifest.digest()}
        for cell in table.cells:
            for run in (before[cell.key, seed] for seed in seeds if (cell.key, seed) in before):
                _refuse_another(cell, run, made_on, results.path)

        features = _features(table, values, manifest, step)
        summary = _summary(features.values())
        write_extraction(values.out / "extraction.csv", summary)
        report = Reproduction(table, values.out, preset)
        if failed := {clip for clip, _ in summary.errors}:
            report.notes.append(f"{len(failed)} clips failed and are left out, see extraction.csv")
        if data is None:
            report.notes.append(_chance(table, manifest, with_video=name != "2019-table2"))
        stand_ins = dict.fromkeys(name for one in features.values() for name in one.stand_ins)
        report.notes += [f"{name} is a stand-in, not a pretrained network" for name in stand_ins]
        missing = {cell: [seed for seed in seeds if (cell.key, seed) not in before] for cell in table.cells}
        report.wanted = len(table.cells) * len(seeds)
        report.found = report.wanted - sum(map(len, missing.values()))
        embeds = not all("system" in cell.values for cell in table.cells)
        notes = {
            "preset": preset,
            "data": manifest.path.name,
            **made_on,
            "embedders": ", ".join(values.embedders if system == "tagging" else values.visual) if embeds else "none",
            "avkeras": avkeras.__version__,
        }
        report.failed = run_tasks(
            {cell: seeds for cell, seeds in missing.items() if seeds},
            values,
            features=features,
            results=results,
            notes=notes,
            jobs=jobs,
            cluster=cluster,
            together=together,
            progress=step("runs"),
        )
        if system == "tagging" and not report.failed:
            shutil.rmtree(values.out / "runs", ignore_errors=True)  # a kill may have left one that is in the results
        if damaged := results.damaged():
            report.notes.append(
                f"{results.path}: {damaged} lines were cut short by an interruption and are not counted"
            )
        found = {key: run for key, run in results.runs().items() if key[1] in seeds}
        report.done = sum((cell.key, seed) in found for cell in table.cells for seed in seeds)
        report.numbers = table_numbers(table, found)
        report.files = write_table(report, notes, fusion_gains(table, found) if name == FUSION else None)
        return report


def table_values(system: str, preset: str) -> Any:
    """Returns the values of the experiment that a table is made of.

    Args:
        system: `tagging` or `detection`, or a table that has values of its own.
        preset: `paper` or `demo`.

    Example:
        >>> table_values("tagging", "demo").epochs
        4
    """
    return EXPERIMENTS[system if system in EXPERIMENTS else "detection"](**_CHANGES[system, preset])


def _refuse_another(cell: Cell, run: Mapping[str, Any], made_on: Mapping[str, str], results: Path) -> None:
    """Refuses a run of a cell that was made with other values or on other data; what it does not tell is the same."""
    if changed := changed_values(cell, run):
        raise AvkerasError(f"{results}: has runs of {cell.key} with another {changed[0]}; give another out")
    for name, now in made_on.items():
        if run.get(name, now) != now:
            raise AvkerasError(
                f"{results}: {cell.key} was made on other data ({name} {run[name]}, now {now}); give another --out"
            )


def _features(table: PaperTable, values: Any, manifest: Manifest, step) -> dict[Cell, Features]:
    """Returns the features by cell; cells of the papers' own models share them, a published system has its own."""
    systems = {cell.values["system"]: cell for cell in table.cells if "system" in cell.values}
    extract, title = tagging_features, "embeddings"
    if table.system == "detection":
        extract, title = detection_features, "features"
    found: dict[str | None, Features] = {}
    # The papers' own say which clips with video all detection models are scored on.
    if table.system == "detection" or any("system" not in cell.values for cell in table.cells):
        found[None] = extract(values, manifest, progress=step(title))
    for name, cell in systems.items():
        found[name] = extract(cell_values(values, cell), manifest, progress=step(f"{title} for {name}"))
        if table.system == "detection":
            found[name] = found[name].scored_as(found[None])
    return {cell: found[cell.values.get("system")] for cell in table.cells}


def _summary(features: Iterable[Features]) -> Summary:
    """Returns what all extractions noted, each line once."""
    notes, errors = {}, {}
    for one in features:
        notes |= dict.fromkeys(one.summary.notes)
        errors |= dict.fromkeys(one.summary.errors)
    return Summary(notes=list(notes), errors=list(errors))


def _manifest(values: Any, data: Path | None, system: str, step) -> Manifest:
    if data is not None:
        return read_manifest(data)
    task = "dcase2017" if system == "tagging" else "dcase2020"
    return demo_manifest(values.out.parent, task=task, clips=values.demo_clips, progress=step("demo soundscapes"))


def _chance(table: PaperTable, manifest: Manifest, *, with_video: bool) -> str:
    if table.system == "tagging":
        level = constant_tags(manifest, with_video=with_video)
        clips = "every clip with video" if with_video else "every clip"
        return f"The classes that are most common on validation, for {clips}, reach {100 * level:.1f}"
    levels = ", ".join(f"{metric} {100 * level:.1f}" for metric, level in constant_events(manifest).items())
    return f"The classes that are most common on validation, all through every clip, reach {levels}"


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(manifest.path.read_bytes()).hexdigest()[:16]
