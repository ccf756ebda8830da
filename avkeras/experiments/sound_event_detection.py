"""The 2022 experiment: train a multi-encoder model by a mean teacher, tune it on validation and score it on test."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import SUPERVISION, Clip, Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.experiments.detection_scores import Tuning, score, tune
from avkeras.experiments.detection_training import build_mean_teacher, train_mean_teacher
from avkeras.experiments.run_folder import pin_values, write_extraction, write_rows, write_text
from avkeras.features.extract import Summary
from avkeras.features.extract_detection import HOP, MAX_FRAMES, SAMPLE_RATE, extract_detection

if TYPE_CHECKING:
    from avkeras.features.embedders import Embedder
    from avkeras.training.mean_teacher import MeanTeacher

INPUTS_FILE = "inputs.json"
FILES = (
    "model.keras (the student), teacher.keras, classes.txt, inputs.json (embedders)",
    "tuning.json (audio weight, thresholds, filters), metrics.csv (losses per epoch), config.json",
    "extraction.csv (clips that were padded, cut or failed), left_out.csv",
    "predictions.tsv, ground_truth.tsv, durations.tsv, scores/ (for `avkeras evaluate`), clip_probabilities.csv",
)


@dataclass
class SoundEventDetection:
    """Values of the experiment (2022, section 3.1); the defaults are the paper's, with random weights.

    Args:
        data: manifest; None: demo soundscapes, made on first use.
        out: folder of the run.
        records: folder of the features; None: `records` beside the manifest.
        visual: embedders of the pictures, one encoder each: names, TF Hub handles or folders; none: audio only.
        visual_frames: still images per 10 s.
        block: `transformer` or `conformer`.
        training_weight: weight of the audio encoder while training; None: drawn for each batch from U(0.25, 1).
        weights: of the audio encoder in inference, from which validation chooses.
        blocks: of each encoder, and of the decoder.
        dim: width of the model.
        num_heads: attention heads.
        key_dim: width of one head.
        hidden_dim: width of the feed-forwards' first map.
        dropout: rate.
        filters: output channels of the convolutional front end.
        epochs: to train for.
        steps_per_epoch: batches per epoch.
        batch: strong, weak and unlabelled clips per batch.
        learning_rate: of rectified Adam at the first step.
        decay_steps: steps in which the rate falls by `decay_rate`.
        decay_rate: factor of the rate per `decay_steps`.
        teacher_decay: of the teacher's moving average, per step.
        consistency_weight: of the differences between student and teacher.
        mixup_rate: share of the batches that are mixed.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        demo_clips: train, validation and test clips of the demo data.
        seed: of everything random.
        workers: threads that decode media.
    """

    data: Path | None = None
    out: Path = Path("runs/dcase2020_multi_encoder")
    records: Path | None = None
    visual: Sequence[str] = ("vgg16",)
    visual_frames: int = 64
    block: str = "transformer"
    training_weight: float | None = None
    weights: Sequence[float] = (0.25, 0.5, 0.75, 0.875)
    blocks: int = 3
    dim: int = 128
    num_heads: int = 3
    key_dim: int = 128
    hidden_dim: int = 512
    dropout: float = 0.1
    filters: Sequence[int] = (16, 32, 64, 128, 128, 128, 128)
    epochs: int = 100
    steps_per_epoch: int = 250
    batch: tuple[int, int, int] = (32, 32, 64)
    learning_rate: float = 0.001
    decay_steps: int = 10000
    decay_rate: float = 0.1
    teacher_decay: float = 0.999
    consistency_weight: float = 2.0
    mixup_rate: float = 1 / 3
    precision: str = "float32"
    demo_clips: tuple[int, int, int] = (160, 40, 60)
    seed: int = 0
    workers: int = 2


POOLING = 8  # of them make one of its vectors


@dataclass
class DetectionReport:
    """What a run did.

    Args:
        values: of the experiment.
        manifest: the clips.
        inputs: of the model: `audio`, then the visual embedders.
        stand_ins: embedders that only stand in for pretrained ones.
        summary: of the extraction.
        tuning: what was chosen on validation.
        rows: metrics per part of the test clips.
        left_out: id and reason of each clip that was not used.
        cut_events: events that begin behind the 10 s that the model sees of their clip.
    """

    values: SoundEventDetection
    manifest: Manifest
    inputs: tuple[str, ...]
    stand_ins: list[str]
    summary: Summary
    tuning: Tuning | None = None
    rows: list[dict] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    cut_events: int = 0

    @property
    def model_name(self) -> str:
        """What was trained, in a few words."""
        kinds = {0: "audio only", 1: "bi-encoder", 2: "tri-encoder"}
        visual = [name for name in self.inputs if name != "audio"]
        kind = kinds.get(len(visual), f"{1 + len(visual)} encoders")
        return f"{kind} {self.values.block}" + (f" with {' and '.join(visual)}" if visual else "")


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
        A `DetectionReport`; `results.csv` in `values.out` holds its rows.

    Raises:
        AvkerasError: the data or the values do not fit, with what to do.
    """
    from avkeras.features.embedders import load_embedder

    step = progress or (lambda name: None)
    manifest = _manifest(values, step)
    _check(values, manifest)
    pin_values(values, values.out)
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
        progress=step("features"),
    )
    write_extraction(values.out / "extraction.csv", summary)
    report = DetectionReport(
        values,
        manifest,
        inputs=tuple(folders),
        stand_ins=[name for name, embedder in visual.items() if embedder.spec.stand_in],
        summary=summary,
    )
    stores = {name: RecordReader(folder) for name, folder in folders.items()}
    sets = {name: _detection_set(name, manifest, stores, values, report) for name in ("train", "validation", "test")}
    write_rows(values.out / "left_out.csv", [{"clip": clip, "reason": reason} for clip, reason in report.left_out])
    finished = values.out / "result.json"
    if not finished.exists():
        model = build_mean_teacher(
            values, visual_dims={name: stores[name].dim for name in visual}, classes=manifest.classes
        )
        train_mean_teacher(model, sets["train"], values, verbose=verbose)
        tuning, rows = _tune_and_score(model.student, sets, values)
        _write_results(model, tuning, rows, values.out)
        _write_inputs(values, visual)
        write_text(finished, json.dumps(rows) + "\n")
    report.tuning = Tuning.read(values.out / "tuning.json")
    report.rows = json.loads(finished.read_text())
    return report


def _manifest(values: SoundEventDetection, step) -> Manifest:
    if values.data is not None:
        return read_manifest(values.data)
    from avkeras.data.demo import make_demo

    clips = dict(zip(("train", "validation", "test"), values.demo_clips, strict=True))
    folder = values.out.parent / f"demo-dcase2020-{'-'.join(map(str, values.demo_clips))}-seed{values.seed}"
    return make_demo(folder, task="dcase2020", clips=clips, seed=values.seed, progress=step("demo soundscapes"))


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
    _write_predictions(test, predicted, tuning, values.out)
    return tuning, rows


def _write_predictions(test: DetectionSet, predicted, tuning: Tuning, folder: Path) -> None:
    """Writes what `avkeras evaluate` takes, and the clip probabilities."""
    from avkeras.evaluation.files import FrameScores, write_events, write_scores

    ids = tuple(clip.id for clip in test.clips)
    events = tuning.events(predicted["frame"], durations=test.durations)
    write_events(folder / "predictions.tsv", dict(zip(ids, events, strict=True)))
    write_events(folder / "ground_truth.tsv", dict(zip(ids, test.events, strict=True)))
    durations = [{"filename": id, "duration": seconds} for id, seconds in zip(ids, test.durations, strict=True)]
    write_rows(folder / "durations.tsv", durations, delimiter="\t")
    write_scores(
        folder / "scores", FrameScores(ids, test.classes, predicted["frame"], test.seconds_per_vector, test.durations)
    )
    probabilities = [
        {"id": id, **{name: f"{value:.6f}" for name, value in zip(test.classes, row, strict=True)}}
        for id, row in zip(ids, predicted["clip"], strict=True)
    ]
    write_rows(folder / "clip_probabilities.csv", probabilities)


def _write_results(model: "MeanTeacher", tuning: Tuning, rows, folder: Path) -> None:
    model.student.save(folder / "model.keras")
    model.teacher.save(folder / "teacher.keras")
    write_text(folder / "classes.txt", "\n".join(tuning.classes) + "\n")
    tuning.write(folder / "tuning.json")
    write_rows(folder / "results.csv", rows)


def _write_inputs(values: SoundEventDetection, visual: dict[str, "Embedder"]) -> None:
    """Writes what a prediction needs to know of the model's inputs."""
    # Without a clip with video, no embedder was loaded.
    embedders = {
        name: {"embedder": str(given), "fingerprint": embedder.fingerprint}
        for given, (name, embedder) in zip(values.visual, visual.items(), strict=bool(visual))
    }
    inputs = {"visual": embedders, "visual_frames": values.visual_frames, "max_frames": MAX_FRAMES}
    write_text(values.out / INPUTS_FILE, json.dumps(inputs, indent=1) + "\n")
