"""The 2019 experiment: train audiovisual transformers or a published system, choose thresholds and score them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avkeras.data.checks import check_data
from avkeras.data.manifest import Manifest, read_manifest
from avkeras.data.sampling import BALANCES
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.evaluation.decisions import RULES
from avkeras.experiments.configs import SYSTEMS, AudioTagging, check_system, wanted_systems
from avkeras.experiments.inputs import Features, UsedEmbedder, pin_media, pin_run, write_inputs
from avkeras.experiments.tagging_scores import (
    SystemResult,
    clip_sets,
    clips_with_video,
    decision_rows,
    score_tagging,
)
from avkeras.features.extract import extract
from avkeras.features.extract_detection import extract_detection
from avkeras.features.write_clips import write_extraction
from avkeras.runs.files import read_json, whole_file, write_json, write_rows
from avkeras.runs.locks import TRAINING, locked_folder
from avkeras.runs.run_folder import INPUTS_FILE
from avkeras.systems.registry import find_system

RESULT_FILE = "result.json"  # of a system that is trained and scored
DECISIONS = "decisions.csv"  # of a system: what each rule of decision reaches


@dataclass
class TaggingReport:
    """What a run did: values, clips, features, the systems' results, and what was left out and why."""

    values: AudioTagging
    manifest: Manifest
    features: Features
    results: list[SystemResult] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def run_audio_tagging(
    values: AudioTagging, *, progress: Callable[[str], Callable[[int, int], None]] | None = None, verbose: int | str = 0
) -> TaggingReport:
    """Runs the experiment; on a folder that holds a part of it, does only what is left.

    Args:
        values: of the experiment.
        progress: called with the name of a long step, returns what is called with (done, in all).
        verbose: of `fit`.

    Returns:
        A `TaggingReport`; `results.csv` in `values.out` holds its rows.

    Raises:
        AvkerasError: the data or the values do not fit, with what to do.
    """
    step = progress or (lambda name: None)
    check_system(values)
    wanted_systems(values)
    if values.data is None:
        manifest = demo_manifest(
            values.out.parent,
            task="dcase2017",
            clips=values.demo_clips,
            seed=values.seed,
            progress=step("demo soundscapes"),
        )
    else:
        manifest = read_manifest(values.data)
    _check(values, manifest)
    pin_run(values, manifest)  # now, not after hours of extraction
    return run_on_features(
        values, manifest, tagging_features(values, manifest, progress=step("embeddings")), verbose=verbose
    )


def _check(values: AudioTagging, manifest: Manifest) -> tuple[str, ...]:
    """Refuses, before any work, data that cannot do; returns what is worth knowing of them."""
    for name, known in (("decision", RULES), ("balance", BALANCES), ("ensemble", ("last", "best"))):
        if getattr(values, name) not in known:
            raise AvkerasError(f"{name}: '{getattr(values, name)}' is none of {', '.join(known)}")
    if values.system and find_system(values.system).mixes_pairs and (values.batch_size < 2 or values.batch_size % 2):
        raise AvkerasError(f"batch_size {values.batch_size}: {values.system} mixes clips in pairs; give an even number")
    sees = any("video" in inputs[:2] for inputs in wanted_systems(values).values())
    # All systems together train those that can be: without video, that of audio alone.
    strict = values.system or values.first is not None or tuple(values.systems) != tuple(SYSTEMS)
    return check_data(manifest, needs=("labels", "video") if sees and strict else ("labels",))


def tagging_features(
    values: AudioTagging, manifest: Manifest, *, progress: Callable[[int, int], None] | None = None
) -> Features:
    """Extracts what is missing of the embeddings of all clips, or of the levels that a published system takes.

    Args:
        values: of the experiment.
        manifest: the clips.
        progress: called with (clips done, clips in all).

    Raises:
        AvkerasError: an embedder cannot be had.
    """
    from avkeras.features.embedders import load_embedder

    notes = _check(values, manifest)
    if values.system and not find_system(values.system).embeds:
        return _levels(values, manifest, notes, progress)
    sees = any("video" in inputs[:2] for inputs in wanted_systems(values).values())
    modalities = ("audio", "video") if sees and any(clip.video for clip in manifest.clips) else ("audio",)
    given = dict(zip(modalities, values.embedders, strict=False))
    embedders = {modality: load_embedder(name, modality=modality) for modality, name in given.items()}
    stores, summary = extract(
        manifest.clips,
        values.records or manifest.path.parent / "records",
        audio_embedder=embedders["audio"],
        video_embedder=embedders.get("video"),
        workers=values.workers,
        progress=progress,
    )
    summary.notes[:0] = [(manifest.path.name, note) for note in notes]
    used = {modality: UsedEmbedder.of(given[modality], embedder) for modality, embedder in embedders.items()}
    return Features(stores, used, summary)


def _levels(values: AudioTagging, manifest: Manifest, notes: Sequence[str], progress) -> Features:
    stores, summary = extract_detection(
        manifest.clips,
        values.records or manifest.path.parent / "records",
        embedders={},
        front_end=find_system(values.system).front_end,
        workers=values.workers,
        progress=progress,
    )
    summary.notes[:0] = [(manifest.path.name, note) for note in notes]
    return Features(stores, {}, summary)


def run_on_features(
    values: AudioTagging, manifest: Manifest, features: Features, *, verbose: int | str = 0
) -> TaggingReport:
    """Trains, tunes and scores on features that are there; several runs may do so side by side, each in its folder.

    Args:
        values: of the experiment.
        manifest: the clips.
        features: from `tagging_features`.
        verbose: of `fit`.

    Raises:
        AvkerasError: the data do not fit, or another process is training into the folder.
    """
    with locked_folder(values.out, TRAINING):
        pin_run(values, manifest)
        write_extraction(values.out / "extraction.csv", features.summary)
        report = TaggingReport(values, manifest, features)
        stores = features.readers()
        media = pin_media(values.out, manifest, stores)
        systems = wanted_systems(values)
        sets = {}
        for name, (first, second, _) in systems.items():
            try:
                sets[name] = clip_sets(manifest, stores, {first, second}, complete_only=values.complete_only)
            except AvkerasError as error:
                report.skipped.append((name, str(error)))
        if not sets:
            raise AvkerasError(f"{manifest.path}: nothing can be trained: {report.skipped[0][1]}")
        write_inputs(values.out, manifest, features, skipped=report.skipped, **media)
        for name, of_system in sets.items():
            folder = values.out / name
            if (folder / RESULT_FILE).exists():
                result = SystemResult(**read_json(folder / RESULT_FILE) | {"folder": folder})
            else:
                result = _run_system(name, systems[name], values, of_system, features, stores, verbose)
            report.results.append(result)
        write_rows(values.out / "results.csv", [result.row() for result in report.results])
        return report


def build_model(
    values: AudioTagging, *, first: str, second: str, positions: Sequence[str], dims: dict[str, int], classes: int
) -> Any:
    """Returns a compiled `AudiovisualTransformer` with the experiment's values and these inputs (2019, table 1)."""
    import keras

    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam

    keras.utils.set_random_seed(values.seed)
    model = AudiovisualTransformer(
        classes=classes,
        dims={modality: dims[modality] for modality in dict.fromkeys((first, second))},
        first=first,
        second=second,
        positions=positions,
        attention=values.attention,
        aggregation=values.aggregation,
        blocks=values.blocks,
        dim=values.dim,
        num_heads=values.num_heads,
        key_dim=values.dim,
        hidden_dim=values.dim,
        dropout=values.dropout,
        dtype=values.precision,
    )
    model.compile(Adam(values.learning_rate), "binary_crossentropy")
    return model


def build_system(
    values: AudioTagging, *, classes: int, training: bool = True, dims: Mapping[str, int] | None = None
) -> Any:
    """Returns the compiled model of a published system.

    Args:
        values: of the experiment.
        classes: how many.
        training: as it is trained; else as it answers, where that differs: with the same weights.
        dims: width of the embeddings by modality, for a system that takes them.
    """
    import keras

    system = find_system(values.system)
    keras.utils.set_random_seed(values.seed)
    options = system.options_of(values.options) | ({"dims": dims} if system.embeds else {})
    model = system.build(classes=classes, dtype=values.precision, training=training, **options)
    schedule = {name: getattr(values, name) for name in ("learning_rate", "epochs", "steps_per_epoch")}
    model.compile(system.optimizer(**schedule), system.loss)
    return model


def _run_system(name, inputs, values, sets, features, stores, verbose) -> SystemResult:
    from avkeras.data.pair_mixup import pair_mixup
    from avkeras.training.callbacks import LastEpochs
    from avkeras.training.run import best_epochs, epoch_ensemble, train

    folder = values.out / name
    first, second, positions = inputs
    classes = sets["train"].classes
    if values.system:
        system = find_system(values.system)
        model = build_system(values, classes=len(classes), dims=sets["train"].dims)
    else:
        system = None
        model = build_model(
            values, first=first, second=second, positions=positions, dims=sets["train"].dims, classes=len(classes)
        )
    best = values.ensemble == "best"
    files = train(
        model,
        sets["train"],
        sets["validation"],
        folder=folder,
        epochs=values.epochs,
        steps_per_epoch=values.steps_per_epoch,
        batch_size=values.batch_size,
        max_ratio=values.max_ratio,
        balance=values.balance,
        patience=values.patience,
        keep=values.epochs if best else values.keep,
        seed=values.seed,
        augment=pair_mixup if system and system.mixes_pairs else None,
        verbose=verbose,
    )
    if system and system.mixes_pairs:
        model = build_system(values, classes=len(classes), training=False)
    if best:
        files = best_epochs(model, files, sets["validation"], count=values.keep)
    averaged = epoch_ensemble(model, files)
    with whole_file(folder / "model.keras") as partial:
        averaged.save(partial)
    probabilities = {
        split: averaged.predict(sets[split].dataset(batch_size=values.batch_size), verbose=0)
        for split in ("validation", "test")
    }
    with_video = clips_with_video(sets["test"], stores)
    scores = score_tagging(sets, probabilities, with_video=with_video, rule=values.decision)
    result = SystemResult(system=name, folder=folder, epochs=LastEpochs(folder / "epochs").done(), **scores)
    write_rows(folder / DECISIONS, decision_rows(sets, probabilities))
    rows = zip(sets["test"].clips, probabilities["test"], strict=True)
    write_rows(
        folder / "predictions.csv",
        [
            {"id": clip.id, **{label: f"{value:.6f}" for label, value in zip(classes, row, strict=True)}}
            for clip, row in rows
        ],
    )
    used = {modality: one for modality, one in features.embedders.items() if modality in {"audio", first, second}}
    front_end = {"front_end": dataclasses.asdict(system.front_end)} if system and system.front_end else {}
    write_json(
        folder / INPUTS_FILE,
        {
            "classes": classes,
            "inputs": {modality: sets["train"].dims[modality] for modality in sets["train"].stores},
            "frames": sets["train"].frames,
            "embedders": {modality: one.as_json() for modality, one in used.items()},
            **front_end,
        },
    )
    write_json(folder / RESULT_FILE, result.row())
    return result
