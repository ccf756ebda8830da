"""The report of a detection run, from the files that it left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avkeras.data.labels import clip_targets
from avkeras.evaluation.metrics import clip_f1, event_f1, segment_f1
from avkeras.evaluation.operating_points import operating_points
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdsSettings, psd_roc
from avkeras.experiments.detection import model_name
from avkeras.experiments.detection_scores import METRICS, Tuning
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
from avkeras.runs.files import file_name, read_json

if TYPE_CHECKING:
    from avkeras.data.manifest import Clip
    from avkeras.evaluation.score_files import FrameScores

_MULTI_ENCODER = "The multi-encoder model of Boes and Van hamme (2022), {}."


def write_detection_report(folder: str | Path) -> Path:
    """Write `report.html` of a detection run from the files in its folder.

    Args:
        folder: of the run.

    Returns:
        The file.

    Raises:
        AvkerasError: the folder holds no finished run, or its clips or features are not there any more.
    """
    from avkeras.evaluation.score_files import read_scores

    out = Path(folder)
    run, tuning = RunFacts(out), Tuning.read(out / "tuning.json")
    rows = read_json(out / "result.json")
    classes = tuning.classes
    scores = read_scores(out / "scores")
    ids, probabilities = read_probabilities(out / "clip_probabilities.csv", classes)
    # The scores come in the order of their files' names.
    places = {file_name(id): place for place, id in enumerate(ids)}
    order = [places[name] for name in scores.clips]
    probabilities = probabilities[order]
    clips = named_clips(run.manifest, [ids[place] for place in order], file=out / "scores")
    targets = np.array([clip_targets(clip.labels, classes) for clip in clips])
    with_video = np.array([clip.id in set(run.inputs["with_video"]) for clip in clips], bool)  # as in the results
    published = run.config.get("system")
    name = published or model_name(run.config["block"], [name for name in run.stores if name != "audio"])
    system = {
        "name": name,
        "thresholds": tuning.clip_thresholds,
        "training": read_columns(out / "metrics.csv"),
        "trainingNote": "means over the batches of an epoch; the student of the "
        f"{run.config.get('select', 'last')} epoch is kept",
        "counts": counts_by_part(targets, probabilities, with_video),
        "losses": loss_table(clips, targets, probabilities, tuning.labels(probabilities), folder=out),
    }
    return write_report(
        out / REPORT_FILE,
        title=f"Sound event detection: {out.name}",
        lead=f"{system_lead(published) if published else _MULTI_ENCODER.format(name)} On the test clips.",
        warnings=stand_in_warnings(run.specs),
        classes=classes,
        systems=[system],
        results=table(
            f"Results on test, split by availability of video. Audio weight {tuning.weight:g}, chosen by "
            "event-based F1 on validation",
            {"clips are": "text", "clips": "count", **dict.fromkeys(METRICS, "percent")},
            [(row["part"], row["clips"], *(row[name] for name in METRICS)) for row in rows],
        ),
        classTables=_class_tables(tuning, scores, clips, probabilities),
        weightTable=table(
            "Event-based F1 on validation by the audio encoder's weight in inference",
            {"audio weight": "number", "EBF1": "percent"},
            [(float(weight), score) for weight, score in tuning.weight_scores.items()],
        ),
        detection=_psd_curves(tuning, scores, clips, with_video),
        trainingLabel="loss",
        notes=problem_lines(run),
        tables=[
            setting_table(out),
            version_table(out),
            embedder_table(run.specs),
            data_table(run.manifest, out, audio=run.stores["audio"], video=run.visual),
        ],
    )


def _class_tables(
    tuning: Tuning, scores: FrameScores, clips: Sequence[Clip], probabilities: np.ndarray
) -> list[dict[str, Any]]:
    truth = [clip.events for clip in clips]
    options = {"durations": scores.durations}
    found = {
        "clip": clip_f1([clip.labels for clip in clips], tuning.labels(probabilities), classes=tuning.classes),
        "segment": segment_f1(truth, tuning.events(scores.scores, metric="segment", **options), classes=tuning.classes),
        "event": event_f1(truth, tuning.events(scores.scores, **options), classes=tuning.classes),
    }
    captions = {
        "clip": "Clip-based F1 per class (CBF1 is its micro average); support: clips with the class",
        "segment": "Segment-based F1 per class, 1 s (SBF1 is its micro average); support: segments",
        "event": "Event-based F1 per class (EBF1 is its mean); support: events",
    }
    tables = []
    for kind, scored in found.items():
        columns = {"class": "text", "support": "count", "predicted": "count", "correct": "count", "F1": "percent"}
        double = tuning.hysteresis.get(kind)
        if double:
            columns |= dict.fromkeys(("high threshold", "low threshold"), "number")
            columns |= dict.fromkeys(("longest gap filled", "shortest event (frames)"), "count")
        else:
            columns |= {"threshold": "number"} | ({} if kind == "clip" else {"median filter (frames)": "count"})
        rows = []
        for place, name in enumerate(tuning.classes):
            count = scored.counts[name]
            f1 = scored.per_class[name] if count.references else None
            row = [name, count.references, count.predicted, count.correct, f1]
            if double:
                row += [double[setting][place] for setting in ("high", "low", "gaps", "least")]
            else:
                row.append(getattr(tuning, f"{kind}_thresholds")[place])
                row += [] if kind == "clip" else [getattr(tuning, f"{kind}_filters")[place]]
            rows.append(row)
        tables.append(table(captions[kind], columns, rows))
    filters = zip(tuning.classes, *tuning.psds_filters.values(), strict=True)
    columns = {"class": "text", **{f"{name}: median filter (frames)": "count" for name in tuning.psds_filters}}
    psds_rows = [(name, *sizes) for name, *sizes in filters]
    return [*tables, table("Filters for PSDS, whose 50 thresholds are 0.01 to 0.99", columns, psds_rows)]


def _psd_curves(
    tuning: Tuning, scores: FrameScores, clips: Sequence[Clip], with_video: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Return PSD-ROC curves by metric and part: of each class, and the one that the score is the area under."""
    curves = {}
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        curves[name] = {}
        for part, chosen in parts_of(with_video).items():
            places = np.flatnonzero(chosen)
            if not any(clips[place].events for place in places):
                continue
            points = operating_points(
                scores.scores[places],
                [clips[place].events for place in places],
                classes=tuning.classes,
                seconds_per_frame=scores.seconds_per_frame,
                settings=settings,
                durations=scores.durations[places],
                filters=tuning.psds_filters[name],
            )
            roc = psd_roc(points, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr)
            each = {label: _staircase(*curve, settings) for label, curve in roc.classes.items()}
            mean = _staircase(roc.effective, roc.ratio, settings)
            curves[name][part] = {"value": roc.score, "mean": mean, "classes": each}
    return curves


def _staircase(steps: np.ndarray, heights: np.ndarray, settings: PsdsSettings) -> list[tuple[float, float]]:
    """Return the corners of a staircase up to the most false positives that count."""
    points = [(round(float(x), 3), round(float(y), 4)) for x, y in zip(steps, heights, strict=True)]
    return [*points, (settings.max_efpr, points[-1][1])]
