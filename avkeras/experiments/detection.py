"""The 2022 experiment: train a multi-encoder model, or a published system, by a mean teacher, tune it and score it."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from avkeras.data.checks import check_data
from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import SUPERVISION, Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection, check_system
from avkeras.experiments.detection_files import write_results
from avkeras.experiments.detection_results import tune_and_score, with_video
from avkeras.experiments.detection_scores import DECISIONS, Tuning
from avkeras.experiments.detection_training import build_mean_teacher, train_mean_teacher
from avkeras.experiments.inputs import Features, UsedEmbedder, write_inputs
from avkeras.experiments.postprocessing import check_postprocessing
from avkeras.features.extract_detection import MULTI_ENCODER, extract_detection, most_frames
from avkeras.features.front_end import FrontEnd
from avkeras.features.log_mel import LOG_MEL
from avkeras.features.write_clips import write_extraction
from avkeras.runs.files import read_json, write_json, write_rows
from avkeras.runs.run_folder import pin_values
from avkeras.systems.registry import find_system

RESULT_FILE = "result.json"  # of a run that is trained and scored


@dataclass
class DetectionReport:
    """What a run did.

    Args:
        values: of the experiment.
        manifest: the clips.
        features: of the clips.
        tuning: what was chosen on validation.
        rows: metrics per part of the test clips.
        left_out: id and reason of each clip that was not used.
        cut_events: events that begin after the 10 s that the model sees of their clip.
    """

    values: SoundEventDetection
    manifest: Manifest
    features: Features
    tuning: Tuning | None = None
    rows: list[dict] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    cut_events: int = 0

    @property
    def model_name(self) -> str:
        """What was trained, in a few words."""
        if self.values.system:
            return f"{self.values.system}, {find_system(self.values.system).title}"
        return model_name(self.values.block, [name for name in self.features.stores if name != "audio"])


def model_name(block: str, others: Sequence[str]) -> str:
    """Returns what a model is, in a few words.

    Example:
        >>> model_name("conformer", ["openl3"])
        'bi-encoder conformer with openl3'
    """
    kinds = {0: "audio only", 1: "bi-encoder", 2: "tri-encoder"}
    kind = kinds.get(len(others), f"{1 + len(others)} encoders,")
    return f"{kind} {block}" + (f" with {' and '.join(others)}" if others else "")


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
    step = progress or (lambda name: None)
    if values.data is None:
        manifest = demo_manifest(
            values.out.parent,
            task="dcase2020",
            clips=values.demo_clips,
            seed=values.seed,
            progress=step("demo soundscapes"),
        )
    else:
        manifest = read_manifest(values.data)
    _check(values, manifest)
    pin_values(values, values.out)  # now, not after hours of extraction
    return run_on_features(
        values, manifest, detection_features(values, manifest, progress=step("features")), verbose=verbose
    )


def detection_features(
    values: SoundEventDetection, manifest: Manifest, *, progress: Callable[[int, int], None] | None = None
) -> Features:
    """Extracts what is missing of the features of all clips.

    Args:
        values: of the experiment.
        manifest: the clips.
        progress: called with (clips done, clips in all).

    Raises:
        AvkerasError: an embedder cannot be had, is named twice or gives more frames than the model takes.
    """
    from avkeras.features.embedders import load_embedder

    notes = _check(values, manifest)
    shown = any(clip.video for clip in manifest.clips)
    wanted = values.embedders if shown or values.encoders else ()
    loaded = {given: load_embedder(given, modality=None if values.encoders else "video") for given in wanted}
    loaded = {given: one for given, one in loaded.items() if shown or one.spec.modality == "audio"}
    embedders = {embedder.spec.name: embedder for embedder in loaded.values()}
    if len(set(wanted)) < len(wanted) or len(embedders) < len(loaded):
        raise AvkerasError(f"{_source(values)}: {', '.join(wanted)} names an embedder twice")
    for name, embedder in embedders.items():
        if (count := most_frames(embedder.spec, visual_frames=values.visual_frames)) > _vectors(values):
            raise AvkerasError(
                f"{_source(values)}: {name} gives {count} frames of 10 s, and pooling leaves {_vectors(values)} vectors"
            )
    stores, summary = extract_detection(
        manifest.clips,
        values.records or manifest.path.parent / "records",
        embedders=embedders,
        front_end=front_end(values),
        visual_frames=values.visual_frames,
        workers=values.workers,
        progress=progress,
    )
    summary.notes[:0] = [(manifest.path.name, note) for note in notes]
    used = {embedder.spec.name: UsedEmbedder.of(given, embedder) for given, embedder in loaded.items()}
    return Features(stores, used, summary).checked()


def run_on_features(
    values: SoundEventDetection, manifest: Manifest, features: Features, *, verbose: int | str = 0
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
    report = DetectionReport(values, manifest, features)
    stores = features.readers()
    sets = {name: detection_set(name, manifest, stores, report) for name in ("train", "validation", "test")}
    write_rows(values.out / "left_out.csv", [{"clip": clip, "reason": reason} for clip, reason in report.left_out])
    seen = with_video(sets["test"], features)
    write_inputs(
        values.out,
        manifest,
        features,
        lengths=_lengths(values, features),
        **({"front_end": dataclasses.asdict(front_end(values))} if values.system else {}),
        with_video=[clip.id for clip, there in zip(sets["test"].clips, seen, strict=True) if there],
    )
    finished = values.out / RESULT_FILE
    if not finished.exists():
        model = build_mean_teacher(
            values, visual_dims={name: stores[name].dim for name in features.embedders}, classes=manifest.classes
        )
        train_mean_teacher(model, sets["train"], values, validation=sets["validation"], verbose=verbose)
        rows = tune_and_score(model.student, sets, values, features)
        write_results(model, manifest.classes, rows, values.out)
        write_json(finished, rows)
    report.tuning = Tuning.read(values.out / "tuning.json")
    report.rows = read_json(finished)
    return report


def _check(values: SoundEventDetection, manifest: Manifest) -> tuple[str, ...]:
    """Refuses, before any work, data that cannot do; returns what is worth knowing of them."""
    check_system(values)
    check_postprocessing(values.postprocessing)
    words = {"class_token": ("first", "last"), "mixup_scope": ("batch", "clip"), "select": ("last", "best")}
    for name, known in (words | {"decision": DECISIONS}).items():
        if getattr(values, name) not in known:
            raise AvkerasError(f"{name}: '{getattr(values, name)}' is none of {', '.join(known)}")
    if not 0 <= values.modality_dropout < 1:
        raise AvkerasError(f"modality_dropout {values.modality_dropout}: a share below 1 is wanted")
    if wrong := [share for share in values.availability if not 0 <= share <= 1]:
        raise AvkerasError(f"availability {wrong[0]}: shares from 0 to 1 are wanted")
    if len(values.pooling) != len(values.filters):
        raise AvkerasError(f"pooling: of {len(values.pooling)} stacks, filters of {len(values.filters)}")
    if values.encoders and list(values.encoders).count(LOG_MEL) != 1:
        raise AvkerasError(f"encoders: {' '.join(values.encoders)}: {LOG_MEL}, which the decoder reads, is needed once")
    vectors = _vectors(values)
    if values.visual and not values.encoders and values.visual_frames > vectors:
        raise AvkerasError(f"visual_frames {values.visual_frames}: pooling leaves {vectors} vectors; give no more")
    notes = check_data(manifest, needs=("events",))
    kinds = {kind for kind, count in zip(SUPERVISION, values.batch, strict=True) if count}
    if missing := kinds - {clip.supervision for clip in manifest.split("train")}:
        kind = sorted(missing)[0]
        raise AvkerasError(f"{manifest.path}: no training clip is {kind}; set the number of {kind} clips in batch to 0")
    return notes


def front_end(values: SoundEventDetection) -> FrontEnd:
    """Returns what makes the model's levels of sound."""
    return find_system(values.system).front_end if values.system else MULTI_ENCODER


def _pooled(values: SoundEventDetection) -> int:
    """Returns how many log-mel frames make one vector of the model."""
    if values.system:
        return find_system(values.system).frames_per_vector
    return math.prod(frames for frames, _ in values.pooling)


def _vectors(values: SoundEventDetection) -> int:
    """Returns how many vectors the longest clip makes, the most frames that an encoder takes."""
    return math.ceil(front_end(values).frames / _pooled(values))


def _source(values: SoundEventDetection) -> str:
    return "encoders" if values.encoders else "visual"


def _lengths(values: SoundEventDetection, features: Features) -> dict[str, int]:
    """Returns the frames of the longest clip by input."""
    others = {
        name: most_frames(one.spec, visual_frames=values.visual_frames) for name, one in features.embedders.items()
    }
    return {"audio": front_end(values).frames} | others


def detection_set(
    split: str, manifest: Manifest, stores: Mapping[str, RecordReader], report: DetectionReport
) -> DetectionSet:
    """Returns the clips of a split that a model is trained, tuned or scored on; notes in the report what is left out.

    Raises:
        AvkerasError: there are none.
    """
    clips = manifest.split(split)
    if split != "train":
        report.left_out += [
            (c.id, f"{split}, but its events are not known") for c in clips if c.supervision != "strong"
        ]
        clips = tuple(clip for clip in clips if clip.supervision == "strong")
    values, failed = report.values, report.features.failed
    lengths = _lengths(values, report.features)
    hop = front_end(values).seconds(1)
    found = DetectionSet(clips, stores, manifest.classes, lengths=lengths, pooling=_pooled(values), hop=hop)
    if elsewhere := [clip.id for clip in found.clips if clip.id in failed]:  # of inputs that this model does not take
        clips = tuple(clip for clip in clips if clip.id not in failed)
        report.left_out += [(id, "failed for an input that models beside this one take") for id in elsewhere]
        found = DetectionSet(clips, stores, manifest.classes, lengths=lengths, pooling=_pooled(values), hop=hop)
    if not len(found):
        raise AvkerasError(
            f"{manifest.path}: no clip of split {split} can be used; see {values.out / 'extraction.csv'}"
        )
    report.left_out += found.left_out
    report.cut_events += found.cut_events
    return found
