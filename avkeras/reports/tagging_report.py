"""The report of a tagging run: all systems side by side, from the files that they left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avkeras.data.labels import clip_targets
from avkeras.evaluation.decisions import Decision
from avkeras.evaluation.metrics import clip_f1
from avkeras.experiments.tagging import DECISIONS, RESULT_FILE
from avkeras.reports.report import (
    REPORT_FILE,
    counts_by_part,
    loss_table,
    named_clips,
    parts_of,
    read_columns,
    read_probabilities,
    table,
    write_report,
)
from avkeras.reports.report_tables import (
    data_table,
    embedder_table,
    problem_lines,
    setting_table,
    stand_in_warnings,
    system_lead,
    version_table,
)
from avkeras.reports.run_facts import RunFacts
from avkeras.reports.tagging_figures import HOW_CHOSEN
from avkeras.runs.files import read_json, read_rows


def write_tagging_report(folder: str | Path) -> Path:
    """Write `report.html` of a tagging run from the files in its folder.

    Args:
        folder: of the run.

    Returns:
        The file.

    Raises:
        AvkerasError: the folder holds no finished run, or its clips or features are not there any more.
    """
    out = Path(folder)
    run = RunFacts(out)
    results = [read_json(out / row["folder"] / RESULT_FILE) for row in read_rows(out / "results.csv")]
    systems = [_system(result, run) for result in results]
    parts = [(system["name"], *row) for system in systems for row in system.pop("parts")]
    metrics = {"precision": "percent", "recall": "percent", "F1": "percent"}
    return write_report(
        out / REPORT_FILE,
        title=f"Audio tagging: {out.name}",
        lead=_lead(run.config),
        warnings=stand_in_warnings(run.specs)
        + [f"{name} was not trained: {reason}." for name, reason in run.inputs["skipped"]],
        classes=run.manifest.classes,
        systems=systems,
        results=_result_table(results),
        partTable=table(
            "Test clips split by availability of video, at each system's threshold (micro average)",
            {"system": "text", "clips are": "text", "clips": "count", **metrics},
            parts,
        ),
        trainingLabel="loss (binary cross-entropy)",
        notes=[*problem_lines(run), *([] if run.config.get("system") else [f"Attention pictures: {HOW_CHOSEN}"])],
        pictures=[
            (f"{result['system']}: {picture.stem}", f"{result['folder']}/attention/{picture.name}")
            for result in results
            for picture in sorted((out / result["folder"] / "attention").glob("*.png"))
        ],
        tables=[
            *(_decision_table(out, result) for result in results if (out / result["folder"] / DECISIONS).is_file()),
            setting_table(out),
            version_table(out),
            embedder_table(run.specs),
            data_table(run.manifest, out, audio=run.stores["audio"], video=run.visual),
        ],
    )


def _lead(config: dict[str, Any]) -> str:
    """Return what was trained, and, of a published system, what was published of it and cannot be compared."""
    if not config.get("system"):
        return "The audiovisual transformer of Boes and Van hamme (2019), systems side by side, on the test clips."
    return system_lead(config["system"])


def _decision_table(out: Path, result: dict[str, Any]) -> dict[str, Any]:
    rows = [
        (row["decision"], float(row["validation"]), float(row["test"]))
        for row in read_rows(out / result["folder"] / DECISIONS)
    ]
    columns = {"decision": "text", "micro-F1, validation": "percent", "micro-F1, test": "percent"}
    return table(f"{result['system']}: the same probabilities by every rule of decision", columns, rows)


def _result_table(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    columns = {"system": "text", "clips": "count", "micro-F1": "percent", "micro-F1, clips with video": "percent"}
    columns |= {"accuracy (clips of one label)": "percent", "threshold": "number", "epochs": "count"}
    names = ("system", "clips", "f1", "f1_with_video", "accuracy", "threshold", "epochs")
    rows = [tuple(_number(result[name]) for name in names) for result in results]
    caption = "Results on test; one threshold for all classes, the best on validation (2019, section 3.2.10)"
    if any(result.get("decision", "global") != "global" for result in results):
        caption = f"Results on test; rule of decision: {', '.join(dict.fromkeys(r['decision'] for r in results))}"
    return table(caption, columns, rows)


def _number(value: Any) -> Any:
    return None if isinstance(value, list) else value  # a threshold per class


def _system(result: dict[str, Any], run: RunFacts) -> dict[str, Any]:
    classes, video = run.manifest.classes, run.visual
    folder, threshold = run.folder / result["folder"], result["threshold"]
    ids, probabilities = read_probabilities(folder / "predictions.csv", classes)
    clips = named_clips(run.manifest, ids, file=folder / "predictions.csv")
    targets = np.array([clip_targets(clip.labels, classes) for clip in clips])
    decided = Decision(result.get("decision", "global"), threshold).decide(probabilities)
    predicted = [tuple(np.array(classes)[row]) for row in decided]
    scored = clip_f1([clip.labels for clip in clips], predicted, classes=classes)
    with_video = np.array([video is not None and video.records[id].frames > 0 for id in ids], bool)
    training = read_columns(folder / "metrics.csv")
    return {
        "name": result["system"],
        **({"thresholds": threshold} if isinstance(threshold, list) else {"threshold": threshold}),
        "training": training,
        "trainingNote": _training_note(training, run.config),
        "counts": counts_by_part(targets, probabilities, with_video),
        "perClass": [
            {
                "class": name,
                "support": count.references,
                "predicted": count.predicted,
                "precision": count.correct / count.predicted if count.predicted else None,
                "recall": count.correct / count.references if count.references else None,
                "F1": scored.per_class[name] if count.references else None,
            }
            for name, count in scored.counts.items()
        ],
        "parts": [
            (part, int(chosen.sum()), *_scores(targets[chosen] > 0.5, decided[chosen]))
            for part, chosen in parts_of(with_video).items()
        ],
        "losses": loss_table(clips, targets, probabilities, predicted, folder=run.folder),
    }


def _scores(truth: np.ndarray, claimed: np.ndarray) -> tuple[float | None, float | None, float]:
    """Return micro precision, recall and F1."""
    correct = int((truth & claimed).sum())
    precision = correct / claimed.sum() if claimed.any() else None
    recall = correct / truth.sum() if truth.any() else None
    return precision, recall, float(2 * correct / max(truth.sum() + claimed.sum(), 1))


def _training_note(training: dict[str, list[float | None]], config: dict[str, Any]) -> str:
    from avkeras.training.callbacks import should_stop

    losses = [float("nan") if loss is None else loss for loss in training["val_loss"]]
    lowest = int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
    stopped = "by the early stop" if should_stop(losses, patience=config["patience"]) else "the most epochs"
    return (
        f"{len(losses)} epochs ({stopped}); lowest validation loss {losses[lowest]:.4f} in epoch {lowest + 1}; "
        f"the {config.get('ensemble', 'last')} {min(config['keep'], len(losses))} epochs make the ensemble"
    )
