"""A trained model as it lies in a folder: of a run, of a system of a tagging run, or a SavedModel."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.runs.files import read_json, read_rows
from avkeras.runs.run_folder import CONFIG_FILE, INPUTS_FILE, read_config
from avkeras.saved_models.frozen_graph import PLACE
from avkeras.saved_models.runtimes import NotForLibrary
from avkeras.saved_models.session import load_session
from avkeras.serving.export_tagging import read_description
from avkeras.serving.inference_graph import answer_function, answering_model, input_specs, named_answers

if TYPE_CHECKING:
    import keras
    import numpy as np

    from avkeras.features.embedder import Embedder

MODEL_FILE, TUNING_FILE, RESULT_FILE = "model.keras", "tuning.json", "result.json"


@dataclass(frozen=True)
class TrainedModel:
    """A trained model and what its folder tells of it.

    Args:
        folder: of the system, of the detection run, or the SavedModel.
        kind: `tagging`, `detection` or `pretrained`.
        answer: a function from named inputs to named probabilities.
        facts: `classes`, `inputs` (width by name), `embedders` (by input) and perhaps `front_end` (fields of a
            `FrontEnd`); tagging: `threshold`, its `decision`, `frames`; detection: `tuning` (fields of a `Tuning`),
            `lengths` (frames by input).
        bundled: by input, the embedders that are saved with the model.
        keras: the Keras model, where the folder's own was loaded.
        log_mel: does what the model's front end does with a waveform, without TensorFlow's Python; None: there is no
            such, or no front end.
    """

    folder: Path
    kind: str
    answer: Callable[..., Mapping[str, Any]] = field(repr=False)
    facts: Mapping[str, Any] = field(repr=False)
    bundled: Mapping[str, Embedder] = field(default_factory=dict, repr=False)
    keras: keras.Model | None = field(default=None, repr=False)
    log_mel: Callable | None = field(default=None, repr=False)


def load_trained(path: str | Path, *, runtime: str = "python") -> TrainedModel:
    """Loads a trained model.

    Args:
        path: the folder of a run (of a tagging run, the system with the best F1 on test is taken), of a system of a
            tagging run, or a SavedModel that avkeras wrote.
        runtime: what runs it, one of `avkeras.saved_models.runtimes.RUNTIMES`; the library needs a SavedModel.

    Raises:
        AvkerasError: the folder holds no such model, or it is damaged.
        NotForLibrary: `runtime` is the library, which cannot run this model.
    """
    path = Path(path)
    if not path.is_dir():
        raise AvkerasError(f"{path}: there is no such folder; a run's folder or an exported model is wanted")
    if is_saved_model(path):
        return _exported(path, runtime)
    if (path / TUNING_FILE).is_file():
        return _detection_run(path, runtime)
    folder = system_folder(path)
    # TensorFlow loads a SavedModel in less time than Keras its own file.
    if is_saved_model(folder / "saved_model"):
        found = _exported(folder / "saved_model", runtime)
        return dataclasses.replace(found, folder=folder, facts=system_facts(folder))
    model = load_keras(folder, runtime)
    return TrainedModel(folder, "tagging", _answer_of(model), system_facts(folder), keras=model)


def is_saved_model(folder: Path) -> bool:
    """Returns whether a folder is a SavedModel itself, and not a run's folder that may hold one."""
    return (folder / "saved_model.pb").is_file()


def system_facts(folder: Path) -> dict[str, Any]:
    """Returns what the folder of a system of a tagging run tells of its model, see `TrainedModel`."""
    facts = {}
    if is_saved_model(folder / "saved_model"):
        facts = read_description(folder / "saved_model")
    if (folder / INPUTS_FILE).is_file():
        result = read_json(folder / RESULT_FILE)
        decided = {name: result[name] for name in ("threshold", "decision") if name in result}
        return facts | read_json(folder / INPUTS_FILE) | decided
    if not facts:
        raise AvkerasError(f"{folder}: holds neither {INPUTS_FILE} nor saved_model; is its run finished?")
    # A SavedModel does not tell how the run's values named its embedders.
    config = folder.parent / CONFIG_FILE
    named = read_config(folder.parent)["embedders"] if config.is_file() else ()
    sources = dict(zip(("audio", "video"), named, strict=False))
    embedders = {
        name: one | ({"embedder": sources[name]} if name in sources else {}) for name, one in facts["embedders"].items()
    }
    return facts | {"embedders": embedders}


def system_folder(run: Path, system: str | None = None) -> Path:
    """Returns the folder of a system of a tagging run; by default of the one with the best F1 on test.

    Args:
        run: folder of the run, or of the system itself.
        system: its name.

    Raises:
        AvkerasError: the run has not finished, or has no such system.
    """
    if system is None and (run / RESULT_FILE).is_file():
        return run
    found = {file.parent.name: file.parent for file in sorted(run.glob(f"*/{RESULT_FILE}"))}
    if not found:
        raise AvkerasError(f"{run}: holds no finished run and no model exported by avkeras")
    if system is None:
        system = max(read_rows(run / "results.csv"), key=lambda row: float(row["f1"]))["system"]
    if system not in found:
        raise AvkerasError(f"{run}: has no system '{system}'; it has {', '.join(found)}")
    return found[system]


def load_keras(folder: Path, runtime: str = "python") -> keras.Model:
    """Loads the Keras model of a system or of a detection run.

    Raises:
        AvkerasError: it is not there, or damaged; or TensorFlow's library is to run it.
    """
    file = folder / MODEL_FILE
    if not file.is_file():
        raise AvkerasError(f"{folder}: holds no {MODEL_FILE}; give the folder of a finished run")
    if runtime == "library":
        raise NotForLibrary(f"{file}: is no SavedModel")
    import keras

    try:
        return keras.saving.load_model(file, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AvkerasError(f"{file}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error


def _exported(directory: Path, runtime: str) -> TrainedModel:
    description = read_description(directory)
    if runtime == "library":
        if description["bundled"]:
            raise NotForLibrary(f"{directory}: bundles its embedders")
        if not is_saved_model(graph := directory / PLACE):
            raise NotForLibrary(f"{directory}: has no {PLACE}; export it again")
        signatures = load_session(graph).signatures
        log_mel = functools.partial(_levels, signatures["levels"]) if "levels" in signatures else None
        answer = signatures["serving_default"]
        return TrainedModel(directory, description["kind"], answer, description, log_mel=log_mel)
    import tensorflow as tf

    from avkeras.features.embedder import Embedder, EmbedderSpec

    try:
        loaded = tf.saved_model.load(str(directory))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise AvkerasError(f"{directory}: cannot be loaded as a SavedModel: {error}") from error
    bundled = {}
    if description["bundled"]:
        for name, one in description["embedders"].items():
            spec = EmbedderSpec(**one["spec"])
            bundled[name] = Embedder(spec, loaded.embed[name], fingerprint=one["fingerprint"], module=loaded)
    signature = loaded.signatures["serving_default"]
    # The signature holds no reference to the variables of bundled embedders.
    return TrainedModel(directory, description["kind"], _holding(signature, loaded), description, bundled)


def _levels(signature: Callable, waveform: np.ndarray) -> np.ndarray:
    return signature(waveform=waveform)["levels"]


def _holding(function: Callable, module: Any) -> Callable:
    def answer(**inputs):
        return function(**inputs)

    answer.module = module
    return answer


def _answer_of(model: keras.Model) -> Callable:
    import keras

    if keras.backend.backend() != "tensorflow":
        whole = answering_model(model)
        return lambda **inputs: named_answers(whole(inputs, training=False), keras.ops.convert_to_numpy)
    answer = answer_function(model).get_concrete_function(**input_specs(model))
    return _holding(answer, model)


def _detection_run(folder: Path, runtime: str) -> TrainedModel:
    if missing := [name for name in (MODEL_FILE, INPUTS_FILE) if not (folder / name).is_file()]:
        raise AvkerasError(f"{folder}: holds no finished detection run ({missing[0]} is missing)")
    given, tuning = read_json(folder / INPUTS_FILE), read_json(folder / TUNING_FILE)
    embedders = given["embedders"] if "embedders" in given else given["visual"]
    exported = folder / "saved_model"
    # Its audio weight is that of its own tuning.
    if is_saved_model(exported) and read_description(exported)["tuning"] == tuning:
        found = _exported(exported, runtime)
        return dataclasses.replace(found, folder=folder, facts={**found.facts, "embedders": embedders})
    model = load_keras(folder, runtime)
    dims = {name: model.input[name].shape[-1] for name in ("audio", *embedders)}
    facts = {
        "classes": tuning["classes"],
        "tuning": tuning,
        "inputs": dims,
        "lengths": given.get("lengths")
        or {name: given["max_frames" if name == "audio" else "visual_frames"] for name in dims},
        "embedders": embedders,
        "front_end": given.get("front_end"),
    }
    return TrainedModel(folder, "detection", _answer_of(model), facts, keras=model)
