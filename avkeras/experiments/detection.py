"""The 2022 experiment: train a multi-encoder model, or a published system, by a mean teacher, tune it and score it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection_files import write_results
from avkeras.experiments.detection_inputs import (
    check_values,
    detection_features,
    frames_per_vector,
    front_end,
    input_lengths,
)
from avkeras.experiments.detection_results import tune_and_score, with_video
from avkeras.experiments.detection_scores import Tuning
from avkeras.experiments.detection_training import build_mean_teacher, train_mean_teacher
from avkeras.experiments.inputs import Features, pin_media, pin_run, write_inputs
from avkeras.experiments.pseudo_labels import labelled_by_teacher
from avkeras.features.write_clips import write_extraction
from avkeras.runs.files import read_json, write_json, write_rows
from avkeras.runs.locks import TRAINING, locked_folder
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
    check_values(values, manifest)
    pin_run(values, manifest)  # now, not after hours of extraction
    return run_on_features(
        values, manifest, detection_features(values, manifest, progress=step("features")), verbose=verbose
    )


def run_on_features(
    values: SoundEventDetection, manifest: Manifest, features: Features, *, verbose: int | str = 0
) -> DetectionReport:
    """Trains, tunes and scores on features that are there; several runs may do so side by side, each in its folder.

    Args:
        values: of the experiment.
        manifest: the clips.
        features: from `detection_features`.
        verbose: of `fit`.

    Raises:
        AvkerasError: the data do not fit, or another process is training into the folder.
    """
    with locked_folder(values.out, TRAINING):
        pin_run(values, manifest)
        write_extraction(values.out / "extraction.csv", features.summary)
        labelled = labelled_by_teacher(values, manifest) if values.teacher else manifest
        report = DetectionReport(values, labelled, features)
        stores = features.readers()
        media = pin_media(values.out, manifest, stores)
        sets = {name: detection_set(name, labelled, stores, report) for name in ("train", "validation", "test")}
        write_rows(values.out / "left_out.csv", [{"clip": clip, "reason": reason} for clip, reason in report.left_out])
        seen = with_video(sets["test"], features)
        write_inputs(
            values.out,
            manifest,
            features,
            lengths=input_lengths(values, features),
            **({"front_end": dataclasses.asdict(front_end(values))} if values.system else {}),
            with_video=[clip.id for clip, there in zip(sets["test"].clips, seen, strict=True) if there],
            **media,
        )
        finished = values.out / RESULT_FILE
        if not (finished.exists() and (values.out / "tuning.json").exists()):
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
    lengths = input_lengths(values, report.features)
    hop = front_end(values).seconds(1)
    found = DetectionSet(clips, stores, manifest.classes, lengths=lengths, pooling=frames_per_vector(values), hop=hop)
    if elsewhere := [clip.id for clip in found.clips if clip.id in failed]:  # of inputs that this model does not take
        clips = tuple(clip for clip in clips if clip.id not in failed)
        report.left_out += [(id, "failed for an input that models beside this one take") for id in elsewhere]
        found = DetectionSet(
            clips, stores, manifest.classes, lengths=lengths, pooling=frames_per_vector(values), hop=hop
        )
    if not len(found):
        raise AvkerasError(
            f"{manifest.path}: no clip of split {split} can be used; see {values.out / 'extraction.csv'}"
        )
    report.left_out += found.left_out
    report.cut_events += found.cut_events
    return found
