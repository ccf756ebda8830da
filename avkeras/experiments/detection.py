"""The 2022 experiment: train a multi-encoder model by a mean teacher, tune it on validation and score it on test."""

import json
from collections.abc import Callable

import numpy as np

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import SUPERVISION, Clip, Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.detection_files import write_inputs, write_predictions, write_results
from avkeras.experiments.detection_scores import Tuning, score, tune
from avkeras.experiments.detection_training import build_mean_teacher, train_mean_teacher
from avkeras.experiments.detection_values import (
    FILES,
    INPUTS_FILE,
    POOLING,
    DetectionFeatures,
    DetectionReport,
    SoundEventDetection,
    VisualInput,
)
from avkeras.features.extract_detection import HOP, MAX_FRAMES, SAMPLE_RATE, extract_detection
from avkeras.reports.detection_report import write_detection_report
from avkeras.runs.run_folder import pin_values, write_extraction, write_rows, write_text

__all__ = [
    "FILES",
    "INPUTS_FILE",
    "POOLING",
    "DetectionReport",
    "SoundEventDetection",
    "run_sound_event_detection",
]


def run_sound_event_detection(
    values: SoundEventDetection,
    *,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
    verbose: int | str = 0,
) -> DetectionReport:
    """Runs the experiment; on a folder that holds a part of it, does only what is left.

    Args:
        values: of the experiment.
        progress: called with the name of a long step, returns what is called with (done, in all).
        verbose: of `fit`.

    Returns:
        A `DetectionReport`; `results.csv` in `values.out` holds its rows, and `report.html` all that a person wants to
        see.

    Raises:
        AvkerasError: the data or the values do not fit, with what to do.
    """
    step = progress or (lambda name: None)
    manifest = _manifest(values, step)
    _check(values, manifest)
    pin_values(values, values.out)  # now, not after hours of extraction
    features = detection_features(values, manifest, progress=step("features"))
    return run_on_features(values, manifest, features, verbose=verbose)


def detection_features(
    values: SoundEventDetection, manifest: Manifest, *, progress: Callable[[int, int], None] | None = None
) -> DetectionFeatures:
    """Extracts what is missing of the features of all clips.

    Args:
        values: of the experiment.
        manifest: the clips.
        progress: called with (clips done, clips in all).

    Raises:
        AvkerasError: an embedder cannot be had or is named twice.
    """
    from avkeras.features.embedders import load_embedder

    wanted = values.visual if any(clip.video for clip in manifest.clips) else ()
    loaded = [load_embedder(name, modality="video") for name in wanted]
    visual = {embedder.spec.name: embedder for embedder in loaded}
    if len(visual) < len(loaded):
        raise AvkerasError(f"visual: {', '.join(values.visual)} names an embedder twice")
    folders, summary = extract_detection(
        manifest.clips,
        values.records or manifest.path.parent / "records",
        visual=visual,
        max_frames=MAX_FRAMES,
        visual_frames=values.visual_frames,
        workers=values.workers,
        progress=progress,
    )
    inputs = {
        name: VisualInput(str(given), embedder.spec, embedder.fingerprint)
        for given, (name, embedder) in zip(wanted, visual.items(), strict=True)
    }
    return DetectionFeatures(folders, inputs, summary)


def run_on_features(
    values: SoundEventDetection, manifest: Manifest, features: DetectionFeatures, *, verbose: int | str = 0
) -> DetectionReport:
    """Trains, tunes and scores on features that are there; several runs may do so side by side.

    Args:
        values: of the experiment.
        manifest: the clips.
        features: from `detection_features`.
        verbose: of `fit`.
    """
    pin_values(values, values.out)
    write_extraction(values.out / "extraction.csv", features.summary)
    specs = [one.spec for one in features.visual.values()]
    report = DetectionReport(
        values,
        manifest,
        inputs=tuple(features.stores),
        stand_ins=[spec.name for spec in specs if spec.stand_in],
        summary=features.summary,
    )
    stores = {name: RecordReader(folder) for name, folder in features.stores.items()}
    sets = {name: _detection_set(name, manifest, stores, values, report) for name in ("train", "validation", "test")}
    write_rows(values.out / "left_out.csv", [{"clip": clip, "reason": reason} for clip, reason in report.left_out])
    finished = values.out / "result.json"
    if not finished.exists():
        model = build_mean_teacher(
            values, visual_dims={name: stores[name].dim for name in features.visual}, classes=manifest.classes
        )
        train_mean_teacher(model, sets["train"], values, verbose=verbose)
        tuning, rows = _tune_and_score(model.student, sets, values)
        write_results(model, tuning, rows, values.out)
        write_inputs(values, features.visual)
        write_text(finished, json.dumps(rows) + "\n")
    report.tuning = Tuning.read(values.out / "tuning.json")
    report.rows = json.loads(finished.read_text())
    write_detection_report(report, stores=stores, specs=specs)
    return report


def _manifest(values: SoundEventDetection, step) -> Manifest:
    if values.data is not None:
        return read_manifest(values.data)
    return demo_manifest(
        values.out.parent,
        task="dcase2020",
        clips=values.demo_clips,
        seed=values.seed,
        progress=step("demo soundscapes"),
    )


def _check(values: SoundEventDetection, manifest: Manifest) -> None:
    """Refuses, before any work, what would fail after hours of it."""
    kinds = {kind for kind, count in zip(SUPERVISION, values.batch, strict=True) if count}
    if missing := kinds - {clip.supervision for clip in manifest.split("train")}:
        kind = sorted(missing)[0]
        raise AvkerasError(f"{manifest.path}: no training clip is {kind}; set the number of {kind} clips in batch to 0")
    for split in ("validation", "test"):
        clips = [clip for clip in manifest.split(split) if clip.supervision == "strong"]
        if not any(clip.events for clip in clips):
            raise AvkerasError(
                f"{manifest.path}: no strong {split} clip has events; detection is scored by their times"
            )
        for clip in clips:
            if label := _overlap(clip):
                raise AvkerasError(f"{manifest.path}: clip {clip.id} has events of {label} that overlap; join them")


def _overlap(clip: Clip) -> str:
    """Returns a class with events that overlap, which psds-eval refuses."""
    last = {}
    for event in sorted(clip.events):
        if event.onset < last.get(event.label, 0.0):
            return event.label
        last[event.label] = event.offset
    return ""


def _detection_set(split: str, manifest: Manifest, stores, values, report: DetectionReport) -> DetectionSet:
    clips = manifest.split(split)
    if split != "train":
        report.left_out += [
            (c.id, f"{split}, but its events are not known") for c in clips if c.supervision != "strong"
        ]
        clips = tuple(clip for clip in clips if clip.supervision == "strong")
    lengths = {name: MAX_FRAMES if name == "audio" else values.visual_frames for name in stores}
    found = DetectionSet(clips, stores, manifest.classes, lengths=lengths, pooling=POOLING, hop=HOP / SAMPLE_RATE)
    if not len(found):
        raise AvkerasError(
            f"{manifest.path}: no clip of split {split} can be used; see {values.out / 'extraction.csv'}"
        )
    report.left_out += found.left_out
    report.cut_events += found.cut_events
    return found


def _predict(student, clips: DetectionSet, values: SoundEventDetection, weight: float) -> dict[str, np.ndarray]:
    student.set_inference_weight(weight)
    return student.predict(clips.dataset(batch_size=sum(values.batch)), verbose=0)


def _tune_and_score(student, sets, values) -> tuple[Tuning, list[dict]]:
    """Returns what validation chose, and the rows of the table; writes what is predicted for the test clips."""
    visual = [name for name in sets["test"].stores if name != "audio"]
    weights = values.weights if visual else (1.0,)
    tuning = tune(
        sets["validation"], {weight: _predict(student, sets["validation"], values, weight) for weight in weights}
    )
    test = sets["test"]
    predicted = _predict(student, test, values, tuning.weight)
    seen = test.has(visual[0]) if visual else np.array([clip.video is not None for clip in test.clips])
    parts = {"all": np.ones(len(test), bool), "with video": seen, "without video": ~seen}
    rows = score(test, predicted, tuning, parts=parts)
    if visual and seen.any():
        ignored = _predict(student, test, values, 1.0)
        rows += score(test, ignored, tuning, parts={"with video, video ignored": seen})
        student.set_inference_weight(tuning.weight)
    write_predictions(test, predicted, tuning, values.out)
    return tuning, rows
