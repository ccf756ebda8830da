"""The 2019 experiment: train and compare audiovisual transformers on a manifest, from media files to served models."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.datasets.demo_data import demo_manifest
from avkeras.errors import AvkerasError
from avkeras.evaluation.thresholds import best_global_threshold, micro_f1
from avkeras.experiments.tagging_values import FILES, SYSTEMS, AudioTagging, Report, SystemResult
from avkeras.features.extract import extract
from avkeras.reports.tagging_report import write_tagging_report
from avkeras.runs.run_folder import pin_values, write_extraction, write_rows, write_text
from avkeras.serving.card_facts import data_lines, limit_lines, tagging_scores

__all__ = ["FILES", "SYSTEMS", "AudioTagging", "Report", "SystemResult", "build_model", "run_audio_tagging"]


def run_audio_tagging(
    values: AudioTagging, *, progress: Callable[[str], Callable[[int, int], None]] | None = None, verbose: int | str = 0
) -> Report:
    """Runs the experiment; on a folder that holds a part of it, does only what is left.

    Args:
        values: of the experiment.
        progress: called with the name of a long step, returns what is called with (done, in all).
        verbose: of `fit`.

    Returns:
        A `Report`; `results.csv` in `values.out` holds its rows, and `report.html` all that a person wants to see.
    """
    from avkeras.features.embedders import load_embedder

    step = progress or (lambda name: None)
    unknown = [name for name in values.systems if name not in SYSTEMS]
    if unknown:
        raise AvkerasError(f"systems: '{unknown[0]}' is none of {', '.join(SYSTEMS)}")
    manifest = _manifest(values, step)
    pin_values(values, values.out)
    wants_video = any("video" in name for name in values.systems) and any(clip.video for clip in manifest.clips)
    audio_embedder = load_embedder(values.embedders[0], modality="audio")
    video_embedder = load_embedder(values.embedders[1], modality="video") if wants_video else None
    embedders = {"audio": audio_embedder} | ({"video": video_embedder} if video_embedder else {})
    folders, summary = extract(
        manifest.clips,
        values.records or manifest.path.parent / "records",
        audio_embedder=audio_embedder,
        video_embedder=video_embedder,
        workers=values.workers,
        progress=step("embeddings"),
    )
    stores = {modality: RecordReader(folder) for modality, folder in folders.items()}
    write_extraction(values.out / "extraction.csv", summary)
    report = Report(
        values,
        manifest,
        embedders=[embedder.spec.name for embedder in embedders.values()],
        stand_ins=[embedder.spec.name for embedder in embedders.values() if embedder.spec.stand_in],
        summary=summary,
    )
    for name in values.systems:
        result, reason = _run_system(name, values, manifest, stores, embedders, verbose)
        if result:
            report.results.append(result)
        else:
            report.skipped.append((name, reason))
    write_rows(values.out / "results.csv", [_row(result) for result in report.results])
    write_tagging_report(report, stores=stores, specs=[embedder.spec for embedder in embedders.values()])
    return report


def _manifest(values: AudioTagging, step) -> Manifest:
    if values.data is not None:
        return read_manifest(values.data)
    return demo_manifest(
        values.out.parent,
        task="dcase2017",
        clips=values.demo_clips,
        seed=values.seed,
        progress=step("demo soundscapes"),
    )


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
        dims={modality: dims[modality] for modality in {first, second}},
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


def _run_system(name, values, manifest, stores, embedders, verbose) -> tuple[SystemResult | None, str]:
    from avkeras.reports.curves import training_curves
    from avkeras.reports.tagging_figures import write_attention_figures
    from avkeras.serving.export import export_model
    from avkeras.training.run import epoch_ensemble, train

    modalities = set(SYSTEMS[name][:2])
    if missing := modalities - set(stores):
        return None, f"no clip has {missing.pop()}"
    kept = {modality: store for modality, store in stores.items() if modality in modalities or values.complete_only}
    sets = {
        split: ClipSet(
            manifest.split(split), kept, manifest.classes, complete_only=values.complete_only or name == "video"
        )
        for split in ("train", "validation", "test")
    }
    if empty := [split for split, clips in sets.items() if not len(clips)]:
        return None, f"no clip of split {empty[0]} has {' and '.join(sorted(modalities))}"
    folder = values.out / name
    if (folder / "result.json").exists():
        return SystemResult(**json.loads((folder / "result.json").read_text()) | {"folder": folder}), ""
    first, second, positions = SYSTEMS[name]
    model = build_model(
        values,
        first=first,
        second=second,
        positions=positions,
        dims=sets["train"].dims,
        classes=len(manifest.classes),
    )
    files = train(
        model,
        sets["train"],
        sets["validation"],
        folder=folder,
        epochs=values.epochs,
        steps_per_epoch=values.steps_per_epoch,
        batch_size=values.batch_size,
        max_ratio=values.max_ratio,
        patience=values.patience,
        keep=values.keep,
        seed=values.seed,
        verbose=verbose,
    )
    averaged = epoch_ensemble(model, files)
    averaged.save(folder / "model.keras")
    probabilities = {
        split: averaged.predict(sets[split].dataset(batch_size=values.batch_size), verbose=0)
        for split in ("validation", "test")
    }
    threshold, _ = best_global_threshold(sets["validation"].targets, probabilities["validation"])
    result = _score(name, folder, sets["test"], probabilities["test"], threshold, stores)
    result.epochs = int(files[-1].name[6:9])
    write_rows(
        folder / "predictions.csv",
        [
            {"id": clip.id, **{label: f"{value:.6f}" for label, value in zip(manifest.classes, row, strict=True)}}
            for clip, row in zip(sets["test"].clips, probabilities["test"], strict=True)
        ],
    )
    training_curves(folder / "metrics.csv", folder / "curves.png", patience=values.patience, keep=values.keep)
    write_attention_figures(folder / "attention", model, sets["test"], probabilities["test"], embedders=embedders)
    used = {modality: embedder for modality, embedder in embedders.items() if modality in {"audio", *modalities}}
    export_model(
        averaged,
        folder / "saved_model",
        classes=manifest.classes,
        threshold=threshold,
        embedders=used,
        frames=sets["train"].frames,
        metadata={
            "experiment": "audio tagging (Boes and Van hamme, 2019)",
            "system": name,
            "seed": values.seed,
            "data": data_lines(vars(values)),
            "scores": tagging_scores(vars(result)),
            "limits": limit_lines(vars(values), inputs=sorted(modalities)),
        },
        overwrite=True,
    )
    write_text(folder / "result.json", json.dumps(_row(result)) + "\n")
    return result, ""


def _score(name, folder, test: ClipSet, probabilities, threshold, stores) -> SystemResult:
    targets = test.targets
    with_video = np.zeros(len(test), bool)
    if "video" in stores:
        with_video = np.array([stores["video"].records[clip.id].frames > 0 for clip in test.clips])
    one_label = bool((targets.sum(axis=1) == 1).all())
    return SystemResult(
        system=name,
        folder=folder,
        threshold=float(threshold),
        f1=micro_f1(targets, probabilities, threshold=threshold),
        f1_with_video=micro_f1(targets[with_video], probabilities[with_video], threshold=threshold)
        if with_video.any()
        else None,
        clips=len(test),
        accuracy=float((probabilities.argmax(1) == targets.argmax(1)).mean()) if one_label else None,
        epochs=0,
    )


def _row(result: SystemResult) -> dict:
    return {**vars(result), "folder": result.folder.name}
