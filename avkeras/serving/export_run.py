"""`avkeras export`: the model of a run as a SavedModel, with a model card of what the run's folder tells."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.runs.run_folder import INPUTS_FILE, read_config
from avkeras.serving.card_facts import data_lines, detection_scores, limit_lines, repeated_scores, tagging_scores

if TYPE_CHECKING:
    from avkeras.features.embedders import Embedder


def export_run(
    run: str | Path,
    directory: str | Path,
    *,
    system: str | None = None,
    bundle: bool = False,
    results: str | Path | None = None,
    cell: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the trained model of a run as a SavedModel with model card and warm-up requests.

    Args:
        run: the folder of a tagging run, of one of its systems, or of a detection run.
        directory: the folder to write; for TF Serving one that is named by a version number.
        system: tagging: which system; default: the one with the best F1 on test.
        bundle: tagging: write the embedders into the SavedModel too.
        results: `results.jsonl` of `avkeras reproduce`: the card then gives the mean and spread of these runs.
        cell: which cell of `results` the model is a run of; not needed if it holds one.
        overwrite: replace a SavedModel that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the folder holds no finished run, or what is asked for cannot be had.
    """
    run = Path(run)
    if (run / "tuning.json").is_file():
        if system or bundle:
            raise AvkerasError(f"{run}: is a detection run, which has no systems and bundles no embedders")
        return _export_detection(run, Path(directory), _repeated(results, cell), overwrite)
    folder = _system_folder(run, system)
    return _export_tagging(folder, Path(directory), _repeated(results, cell), bundle, overwrite)


def _repeated(results: str | Path | None, cell: str | None) -> list[dict[str, Any]]:
    if cell and not results:
        raise AvkerasError("cell: it is one of the cells of results; give that file too")
    return repeated_scores(Path(results), cell) if results else []


def _system_folder(run: Path, system: str | None) -> Path:
    if system is None and (run / "result.json").is_file():
        return run
    found = {file.parent.name: file.parent for file in sorted(run.glob("*/result.json"))}
    if not found:
        raise AvkerasError(f"{run}: holds no finished run")
    if system is None:
        with open(run / "results.csv", newline="", encoding="utf-8") as file:
            system = max(csv.DictReader(file), key=lambda row: float(row["f1"]))["system"]
    if system not in found:
        raise AvkerasError(f"{run}: has no system '{system}'; it has {', '.join(found)}")
    return found[system]


def _export_tagging(folder: Path, directory: Path, repeated: list, bundle: bool, overwrite: bool) -> Path:
    import keras

    from avkeras.features.embedders import Embedder, EmbedderSpec
    from avkeras.serving.export import export_model, read_description
    from avkeras.serving.predict import load_predictor

    config = read_config(folder.parent)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if (folder / INPUTS_FILE).is_file():
        description = json.loads((folder / INPUTS_FILE).read_text(encoding="utf-8"))
    else:  # of a version whose experiment wrote the SavedModel itself
        description = read_description(folder / "saved_model")
        result["threshold"] = description["threshold"]
    if bundle:
        embedders = load_predictor(folder / "saved_model", embedders=_in_folders(config)).embedders
    else:  # only what they are is written
        embedders = {
            modality: Embedder(EmbedderSpec(**given["spec"]), None, fingerprint=given["fingerprint"])
            for modality, given in description["embedders"].items()
        }
    metadata = {
        "experiment": "audio tagging (Boes and Van hamme, 2019)",
        "system": folder.name,
        "run": str(folder),
        "seed": config["seed"],
        "data": data_lines(config),
        "scores": repeated or tagging_scores(result),
        "limits": limit_lines(config, inputs=list(description["inputs"])),
    }
    return export_model(
        keras.saving.load_model(folder / "model.keras", compile=False),
        directory,
        classes=description["classes"],
        threshold=result["threshold"],
        embedders=embedders,
        bundle=bundle,
        frames=description["frames"],
        metadata=metadata,
        overwrite=overwrite,
    )


def _in_folders(config: dict) -> dict[str, Embedder]:
    """Loads the embedders that a run had from folders; the others are found by their names."""
    from avkeras.features.embedders import load_embedder

    return {
        modality: load_embedder(name, modality=modality)
        for modality, name in zip(("audio", "video"), config["embedders"], strict=True)
        if Path(name, "saved_model.pb").is_file()
    }


def _export_detection(run: Path, directory: Path, repeated: list, overwrite: bool) -> Path:
    from avkeras.serving.export_detection import export_detection_model
    from avkeras.serving.predict_events import load_event_predictor

    predictor = load_event_predictor(run)
    config = read_config(run)
    rows = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return export_detection_model(
        predictor.model,
        directory,
        tuning=predictor.tuning,
        visual=predictor.visual,
        max_frames=predictor.max_frames,
        visual_frames=predictor.visual_frames,
        metadata={
            "experiment": "sound event detection (Boes and Van hamme, 2022)",
            "run": str(run),
            "seed": config["seed"],
            "data": data_lines(config),
            "scores": repeated or detection_scores(rows),
            "limits": limit_lines(config, inputs=["audio", *predictor.visual]),
        },
        overwrite=overwrite,
    )
