"""What a model card tells of a run: its data, its scores, its limits."""

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.experiments.detection_scores import METRICS
from avkeras.systems.registry import find_system

_SPLITS = ("train", "validation", "test")
_METRIC = re.compile(r"f1|psds", re.IGNORECASE)


def data_lines(config: Mapping[str, Any]) -> list[str]:
    """Returns what a run was trained, tuned and scored on.

    Args:
        config: `config.json` of the run.

    Example:
        >>> data_lines({"data": None, "demo_clips": [8, 4, 4], "seed": 0})
        ['demo soundscapes made by avkeras (synthetic, seed 0): 8 train, 4 validation, 4 test clips']
    """
    if config["data"] is None:
        counts = ", ".join(f"{count} {name}" for count, name in zip(config["demo_clips"], _SPLITS, strict=True))
        return [f"demo soundscapes made by avkeras (synthetic, seed {config['seed']}): {counts} clips"]
    from avkeras.data.manifest import read_manifest

    try:
        manifest = read_manifest(Path(config["data"]))
    except (AvkerasError, OSError):
        return [f"{config['data']}, which could not be read any more when the model was exported"]
    lines = []
    for name in _SPLITS:
        clips = manifest.split(name)
        seen = sum(clip.video is not None for clip in clips)
        lines.append(f"{name}: {len(clips)} clips of {manifest.path.name}, {seen} of them with video")
    return lines


def experiment_line(config: Mapping[str, Any]) -> str:
    """Returns which published system a run is of; empty: of none, but of the papers' own.

    Args:
        config: `config.json` of the run.

    Example:
        >>> experiment_line({"system": "gccaps"})[:25]
        'gccaps, after Iqbal, Xu, '
    """
    if not config.get("system"):
        return ""
    system = find_system(config["system"])
    return f"{system.name}, after {system.paper}"


def limit_lines(config: Mapping[str, Any], *, inputs: Sequence[str]) -> list[str]:
    """Returns the limits that follow from how a run was made.

    Args:
        config: `config.json` of the run.
        inputs: of the model.

    Example:
        >>> limit_lines({"data": "my.tsv", "complete_only": True}, inputs=["audio", "video"])
        ['Trained and scored only on clips with video, as in the paper: without video it was never tried.']
    """
    lines = []
    if config["data"] is None:
        lines.append("Trained on synthetic soundscapes: scores say nothing of real recordings.")
    if len(inputs) > 1 and config.get("complete_only"):
        lines.append("Trained and scored only on clips with video, as in the paper: without video it was never tried.")
    if "audio" not in inputs:
        lines.append("It does not hear: a clip without video cannot be used.")
    if "block" in config:
        lines.append("Sees 10 s at a time; events of one class that overlap become one.")
    return lines


def tagging_scores(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the scores of one system of a tagging run, from its `result.json`.

    Example:
        >>> tagging_scores({"f1": 0.5, "f1_with_video": None, "accuracy": None, "clips": 9})
        [{'metric': 'micro-F1', 'part': 'test (9 clips)', 'mean': 0.5, 'deviation': None, 'runs': 1}]
    """
    found = [("micro-F1", f"test ({result['clips']} clips)", result["f1"])]
    found += [("micro-F1", "test, clips with video", result["f1_with_video"])]
    found += [("accuracy", f"test ({result['clips']} clips)", result["accuracy"])]
    return [_score(metric, part, [value]) for metric, part, value in found if value is not None]


def detection_scores(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the scores of a detection run, from its `result.json`.

    Example:
        >>> rows = [{"part": "all", "clips": 9, **dict.fromkeys(METRICS, 0.5)}]
        >>> detection_scores(rows)[0]
        {'metric': 'CBF1', 'part': 'test: all (9 clips)', 'mean': 0.5, 'deviation': None, 'runs': 1}
    """
    return [
        _score(metric, f"test: {row['part']} ({row['clips']} clips)", [row[metric]])
        for row in rows
        for metric in METRICS
    ]


def repeated_scores(path: Path, cell: str | None) -> list[dict[str, Any]]:
    """Returns means and standard deviations (n - 1) over the runs of a cell.

    Args:
        path: `results.jsonl` of `avkeras reproduce`.
        cell: whose runs; None: the only one.

    Raises:
        AvkerasError: the file or the cell is not there, or several cells are and none is named.
    """
    from avkeras.runs.results_file import ResultsFile

    runs = ResultsFile(path).runs()
    cells = list(dict.fromkeys(name for name, _ in runs))
    if not cells:
        raise AvkerasError(f"{path}: holds no runs")
    if cell is None and len(cells) > 1:
        raise AvkerasError(f"{path}: holds runs of several cells; name one: {'; '.join(cells)}")
    if cell is not None and cell not in cells:
        raise AvkerasError(f"{path}: has no cell '{cell}'; it has {'; '.join(cells)}")
    chosen = [run for (name, _), run in runs.items() if name == (cell or cells[0])]
    metrics = [name for name, value in chosen[0].items() if _METRIC.search(name) and isinstance(value, float)]
    part = f"test, {cell or cells[0]}"
    return [_score(metric, part, [run[metric] for run in chosen]) for metric in metrics]


def _score(metric: str, part: str, values: Sequence[float]) -> dict[str, Any]:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {
        "metric": metric,
        "part": part,
        "mean": statistics.fmean(values),
        "deviation": deviation,
        "runs": len(values),
    }
