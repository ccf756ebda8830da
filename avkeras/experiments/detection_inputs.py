"""What a detection run's models take: values that fit the data, and features of all clips."""

import math
from collections.abc import Callable
from pathlib import Path

from avkeras.data.checks import check_data
from avkeras.data.manifest import SUPERVISION, Manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection, check_system
from avkeras.experiments.detection_scores import DECISIONS, Tuning
from avkeras.experiments.inputs import Features, UsedEmbedder
from avkeras.experiments.postprocessing import check_postprocessing
from avkeras.features.extract_detection import MULTI_ENCODER, extract_detection, most_frames
from avkeras.features.front_end import FrontEnd
from avkeras.features.log_mel import LOG_MEL
from avkeras.systems.registry import find_system


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
    notes = check_values(values, manifest)
    features = extract_features(values, manifest, progress=progress)
    features.summary.notes[:0] = [(manifest.path.name, note) for note in notes]
    return features


def extract_features(
    values: SoundEventDetection, manifest: Manifest, *, progress: Callable[[int, int], None] | None = None
) -> Features:
    """Does what `detection_features` does, for clips that need not be a whole data set."""
    from avkeras.features.embedders import load_embedder

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
    used = {embedder.spec.name: UsedEmbedder.of(given, embedder) for given, embedder in loaded.items()}
    return Features(stores, used, summary).checked()


def check_values(values: SoundEventDetection, manifest: Manifest) -> tuple[str, ...]:
    """Refuses, before any work, data that cannot do; returns what is worth knowing of them."""
    check_system(values)
    check_postprocessing(values.postprocessing)
    words = {"class_token": ("first", "last"), "mixup_scope": ("batch", "clip"), "select": ("last", "best")}
    words["late_fusion"] = ("none", "logits", "probabilities")
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
    seen = any(clip.video for clip in manifest.clips)
    if values.time_shift and values.embedders and (seen or values.encoders):
        raise AvkerasError(
            f"time_shift {values.time_shift:g}: it moves the sound and its labels, and would leave "
            f"{', '.join(values.embedders)} where they are; set it to 0, or take log_mel alone ({_source(values)})"
        )
    vectors = _vectors(values)
    if values.visual and not values.encoders and values.visual_frames > vectors:
        raise AvkerasError(f"visual_frames {values.visual_frames}: pooling leaves {vectors} vectors; give no more")
    notes = check_data(manifest, needs=("events",))
    kinds = {kind for kind, count in zip(SUPERVISION, values.batch, strict=True) if count}
    if not kinds - {"unlabelled"}:
        raise AvkerasError("batch: neither strong nor weak clips: nothing tells the model what is heard")
    there = {clip.supervision for clip in manifest.split("train")}
    if values.teacher:
        check_teacher(values, manifest)
        there |= {"strong"}
    if missing := kinds - there:
        kind = sorted(missing)[0]
        raise AvkerasError(f"{manifest.path}: no training clip is {kind}; set the number of {kind} clips in batch to 0")
    return notes


def check_teacher(values: SoundEventDetection, manifest: Manifest) -> None:
    """Refuses, before any work, a teacher that cannot label the unlabelled clips.

    Raises:
        AvkerasError: its folder holds no finished detection run, it knows other classes, there is nothing to label, or
            batches ask for unlabelled clips, of which it leaves none.
    """
    folder, (strong, weak, unlabelled) = values.teacher, values.batch
    tuning = teacher_tuning(folder)
    if lacking := [name for name in manifest.classes if name not in tuning.classes]:
        raise AvkerasError(f"teacher: {folder}: its model has no class '{lacking[0]}', which {manifest.path} has")
    if folder.resolve() == values.out.resolve():
        raise AvkerasError(f"teacher: {folder}: is the run itself; give another folder (out)")
    if not any(clip.supervision == "unlabelled" for clip in manifest.split("train")):
        raise AvkerasError(f"teacher: {manifest.path}: no training clip is unlabelled, there is nothing to label")
    if unlabelled:
        wanted = [strong + unlabelled, weak, 0]
        raise AvkerasError(
            f"teacher: unlabelled clips become strong by it; give a batch without them, such as {wanted}"
        )


def teacher_tuning(folder: Path) -> Tuning:
    """Returns what the run that is a teacher was tuned to.

    Raises:
        AvkerasError: it is no finished detection run.
    """
    for name in ("tuning.json", "model.keras"):
        if not (folder / name).is_file():
            raise AvkerasError(f"teacher: {folder}: holds no finished detection run ({name} is missing)")
    return Tuning.read(folder / "tuning.json")


def front_end(values: SoundEventDetection) -> FrontEnd:
    """Returns what makes the model's levels of sound."""
    return find_system(values.system).front_end if values.system else MULTI_ENCODER


def frames_per_vector(values: SoundEventDetection) -> int:
    """Returns how many log-mel frames make one vector of the model."""
    if values.system:
        return find_system(values.system).frames_per_vector
    return math.prod(frames for frames, _ in values.pooling)


def _vectors(values: SoundEventDetection) -> int:
    """Returns how many vectors the longest clip makes, the most frames that an encoder takes."""
    return math.ceil(front_end(values).frames / frames_per_vector(values))


def _source(values: SoundEventDetection) -> str:
    return "encoders" if values.encoders else "visual"


def input_lengths(values: SoundEventDetection, features: Features) -> dict[str, int]:
    """Returns the frames of the longest clip by input."""
    others = {
        name: most_frames(one.spec, visual_frames=values.visual_frames) for name, one in features.embedders.items()
    }
    return {"audio": front_end(values).frames} | others
