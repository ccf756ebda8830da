"""The model of a run, or of a predictor, as a SavedModel, with a model card of what the run's folder tells."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.runs.files import read_json
from avkeras.runs.run_folder import read_config
from avkeras.serving.card_facts import (
    data_lines,
    detection_scores,
    experiment_line,
    limit_lines,
    repeated_scores,
    tagging_scores,
)
from avkeras.serving.predictor import Predictor, load
from avkeras.serving.saved_model_folder import refuse_existing
from avkeras.serving.trained_embedders import Given
from avkeras.serving.trained_model import (
    RESULT_FILE,
    TUNING_FILE,
    is_saved_model,
    load_keras,
    system_facts,
    system_folder,
)

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder


def export(
    model: Predictor | str | Path,
    directory: str | Path,
    *,
    system: str | None = None,
    bundle: bool = False,
    embedders: Given = (),
    results: str | Path | None = None,
    cell: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a trained model as a SavedModel with model card and warm-up requests.

    Args:
        model: from `avkeras.load`; or the folder of a run, of a system of a tagging run, or of an exported model,
            which is copied.
        directory: the folder to write; for TF Serving one that is named by a version number.
        system: of a tagging run: which system; default: the one with the best F1 on test.
        bundle: tagging: write the embedders into the SavedModel too.
        embedders: to bundle, as for `avkeras.load`.
        results: `results.jsonl` of `avkeras reproduce`: the card then gives the mean and spread of these runs.
        cell: which cell of `results` the model is a run of; not needed if it holds one.
        overwrite: replace a SavedModel that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the folder holds no finished run, or what is asked for cannot be had.
    """
    directory = Path(directory)
    if isinstance(model, Predictor):
        folder, embedders = model.folder, loadable_embedders(model)
        if model.kind == "pretrained":
            raise AvkerasError(f"{folder}: is a pretrained tagger, a SavedModel already; export a run")
    else:
        folder = Path(model)
    if is_saved_model(folder):
        if system or bundle or results or cell:
            raise AvkerasError(f"{folder}: is an exported model, which is copied as it is; export its run instead")
        return _copy(folder, directory, overwrite)
    if (folder / TUNING_FILE).is_file():
        if system or bundle:
            raise AvkerasError(f"{folder}: is a detection run, which has no systems and bundles no embedders")
        return _export_detection(folder, directory, _repeated(results, cell), embedders, overwrite)
    folder = system_folder(folder, system)
    return _export_tagging(folder, directory, _repeated(results, cell), bundle, embedders, overwrite)


def loadable_embedders(predictor: Predictor) -> list[Embedder | Path]:
    """Returns the embedders of a predictor, or folders of those that TensorFlow's library runs: they hold no module.

    Args:
        predictor: whose embedders are to be bundled.
    """
    found = predictor.embedders.values()
    return [one.folder if one.module is None and one.folder is not None else one for one in found]


def _repeated(results: str | Path | None, cell: str | None) -> list[dict[str, Any]]:
    if cell and not results:
        raise AvkerasError("cell: it is one of the cells of results; give that file too")
    return repeated_scores(Path(results), cell) if results else []


def _copy(folder: Path, directory: Path, overwrite: bool) -> Path:
    """Copies an exported model, whole or not at all."""
    if directory.exists() and directory.resolve() == folder.resolve():
        raise AvkerasError(f"{directory}: is the exported model itself; name another folder")
    refuse_existing(directory, overwrite=overwrite)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
            copied = Path(shutil.copytree(folder, Path(scratch, "model")))
            if directory.exists():
                directory.rename(Path(scratch, "old"))
            copied.rename(directory)
    except OSError as error:
        raise AvkerasError(f"{directory}: the SavedModel cannot be written: {error.strerror or error}") from error
    return directory


def _export_tagging(
    folder: Path, directory: Path, repeated: list, bundle: bool, embedders: Given, overwrite: bool
) -> Path:
    from avkeras.features.front_end import FrontEnd
    from avkeras.serving.export_tagging import export_model

    config, facts = read_config(folder.parent), system_facts(folder)
    used = load(folder, embedders=embedders, runtime="python").embedders if bundle else _described(facts["embedders"])
    result = read_json(folder / RESULT_FILE)
    metadata = {
        "experiment": experiment_line(config) or "audio tagging (Boes and Van hamme, 2019)",
        "system": folder.name,
        **(facts.get("metadata") or {}),
        "run": str(folder),
        "seed": config["seed"],
        "data": data_lines(config),
        "scores": repeated or tagging_scores(result),
        "limits": limit_lines(config, inputs=list(facts["inputs"])),
    }
    return export_model(
        load_keras(folder),
        directory,
        classes=facts["classes"],
        threshold=facts["threshold"],
        decision=facts.get("decision", "global"),
        front_end=FrontEnd(**facts["front_end"]) if facts.get("front_end") else None,
        embedders=used,
        bundle=bundle,
        frames=facts["frames"],
        metadata=metadata,
        overwrite=overwrite,
    )


def _described(embedders: dict[str, dict[str, Any]]) -> dict[str, Embedder]:
    """Returns embedders of which only what they are is known, as the card tells it."""
    from avkeras.features.embedder import Embedder, EmbedderSpec

    return {
        name: Embedder(EmbedderSpec(**one["spec"]), None, fingerprint=one["fingerprint"])
        for name, one in embedders.items()
    }


def _export_detection(run: Path, directory: Path, repeated: list, embedders: Given, overwrite: bool) -> Path:
    from avkeras.serving.export_detection import export_detection_model

    predictor = load(run, embedders=embedders)
    config = read_config(run)
    rows = read_json(run / RESULT_FILE)
    return export_detection_model(
        predictor.model.keras or load_keras(run),
        directory,
        tuning=predictor.answer.tuning,
        embedders=predictor.embedders,
        max_frames=predictor.answer.max_frames,
        visual_frames=predictor.answer.visual_frames,
        front_end=predictor.answer.front_end if config.get("system") else None,
        metadata={
            "experiment": experiment_line(config) or "sound event detection (Boes and Van hamme, 2022)",
            "run": str(run),
            "seed": config["seed"],
            "data": data_lines(config),
            "scores": repeated or detection_scores(rows),
            "limits": limit_lines(config, inputs=["audio", *predictor.embedders]),
        },
        overwrite=overwrite,
    )
