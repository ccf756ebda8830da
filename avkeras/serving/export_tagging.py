"""Trained models as SavedModels for TF Serving, with what is needed to use them beside the graph."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.evaluation.decisions import Decision
from avkeras.saved_models.frozen_graph import is_mask
from avkeras.serving.saved_model_folder import DESCRIPTION, EXTRA, refuse_existing, write_saved_model
from avkeras.serving.signatures import serving_module

if TYPE_CHECKING:
    import keras
    import numpy as np

    from avkeras.features.embedders import Embedder
    from avkeras.features.front_end import FrontEnd


def export_model(
    model: keras.Model,
    directory: str | Path,
    *,
    classes: Sequence[str],
    threshold: float | Sequence[float],
    decision: str = "global",
    front_end: FrontEnd | None = None,
    embedders: Mapping[str, Embedder] | None = None,
    bundle: bool = False,
    frames: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model as a SavedModel whose signatures have named inputs and the output `probabilities`.

    | signature | inputs |
    |---|---|
    | `serving_default` | per modality `(batch, frames, dim)` float32 and `<modality>_mask` `(batch, frames)` bool |
    | `embeddings` | the same without masks: all frames are real |
    | `media` | if the embedders are bundled; see below |

    `media` takes, for a model that hears, `waveform` `(batch, samples)` float32, mono, at the rate of its
    embedder (16 kHz for most), in [-1, 1], padded to the longest clip, and `samples` `(batch,)` int32, the length of
    each clip before that padding (0: no sound); for a model that sees, `frames` `(batch, frames, height, width, 3)`
    uint8 RGB, taken at the centres of the audio embedder's windows, and `frame_mask` `(batch, frames)` bool (False
    throughout: no video). As in training, a clip shorter than one audio window is padded with zeros to one window.

    Beside the graph, in `assets.extra`, `classes.txt` names the classes, one a line in the order of the
    probabilities, `avkeras.json` holds the threshold, the classes, what the embedders are, and `metadata`,
    `MODEL_CARD.md` tells a person all this, and `tf_serving_warmup_requests` holds requests that TF Serving answers
    when it has loaded the model (written where the package tensorflow-serving-api is installed). `library` is the
    model's graph alone, which `avkeras.load` loads without TensorFlow's Python. The folder is written whole or not at
    all.

    Args:
        model: takes a dict of embeddings and masks and gives clip probabilities `(batch, classes)`.
        directory: the folder to write; for TF Serving one that is named by a version number.
        classes: their names, in the order of the model's output.
        threshold: from which probability on a class counts as present; one, or one per class.
        decision: its rule, see `avkeras.evaluation.Decision`.
        front_end: what makes levels of sound, for a model that takes them and no embeddings of sound.
        embedders: per modality the embedder that the model was trained on; the one for sound also where the model
            only sees, as its windows say when pictures are taken. One that is not needed is left out.
        bundle: write the embedders into the SavedModel too, and the signature `media`.
        frames: the most frames that a clip had in training; longer files are predicted in windows of so many.
        metadata: what else `avkeras.json` and the model card should tell; JSON values. `data`, `scores` and `limits`
            are sections of the card: see `avkeras.serving.model_card.model_card`.
        overwrite: replace a SavedModel that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the folder exists or cannot be written, or classes, threshold, embedders and model do not fit
            each other.

    Example:
        >>> from avkeras.models import AudiovisualTransformer
        >>> model = AudiovisualTransformer(classes=2, dims={"video": 6, "audio": 4}, blocks=1, dim=8, key_dim=4)
        >>> folder = export_model(model, "served/1", classes=["Car", "Train"], threshold=0.4)
        >>> served = tf.saved_model.load(str(folder)).signatures["embeddings"]
        >>> served(audio=tf.zeros((1, 10, 4)), video=tf.zeros((1, 10, 6)))["probabilities"].shape
        TensorShape([1, 2])
    """
    import numpy as np

    directory = Path(directory)
    Decision(decision, threshold)  # refuses a rule that there is not
    needed = {name for name in model.input if not is_mask(name)} | {"audio"}
    embedders = {modality: embedder for modality, embedder in (embedders or {}).items() if modality in needed}
    _check(model, classes, np.atleast_1d(threshold), embedders, bundle)
    refuse_existing(directory, overwrite=overwrite)
    module, signatures, graph = serving_module(model, embedders=embedders if bundle else {}, front_end=front_end)
    dims = {name: tensor.shape[-1] for name, tensor in model.input.items() if not is_mask(name)}
    description = {
        "kind": "tagging",
        "classes": list(classes),
        "threshold": np.asarray(threshold, float).tolist(),
        "decision": decision,
        "inputs": dims,
        "frames": frames,
        "lengths": dict.fromkeys(dims, frames) if frames else {},
        "embedders": described(embedders),
        "bundled": bundle,
        **({"front_end": dataclasses.asdict(front_end)} if front_end else {}),
        "metadata": dict(metadata or {}),
    }
    return write_saved_model(directory, module, signatures, graph=graph, description=description)


def described(embedders: Mapping[str, Embedder]) -> dict[str, dict[str, Any]]:
    """Return what `avkeras.json` says of embedders, by the names of the model's inputs."""
    return {
        name: {"spec": dataclasses.asdict(embedder.spec), "fingerprint": embedder.fingerprint}
        for name, embedder in embedders.items()
    }


def read_description(directory: str | Path) -> dict[str, Any]:
    """Read what `export_model` wrote beside the graph into `avkeras.json`.

    Raises:
        AvkerasError: the folder holds no such file, or it is damaged.

    Example:
        >>> read_description("served/tagging")["classes"][0]
        'Train horn'
    """
    path = Path(directory, EXTRA, DESCRIPTION)
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        wanted = {"kind", "classes", "inputs", "embedders", "bundled"}
        if missing := wanted.difference(description if isinstance(description, dict) else ()):
            raise ValueError(f"without {', '.join(sorted(missing))}")
        return description
    except OSError as error:
        raise AvkerasError(
            f"{directory}: holds no model exported by avkeras ({EXTRA}/{DESCRIPTION}: {error.strerror})."
        ) from error
    except ValueError as error:
        raise AvkerasError(f"{path}: is damaged, export the model again: {error}") from error


def _check(
    model: keras.Model, classes: Sequence[str], thresholds: np.ndarray, embedders: Mapping[str, Embedder], bundle: bool
) -> None:
    """Raise an `AvkerasError` that names the argument that does not fit the model."""
    if isinstance(model.output, Mapping) or len(model.output.shape) != 2:
        raise AvkerasError("model: one output (batch, classes) is served; export the model of clip probabilities.")
    units = model.output.shape[-1]
    if isinstance(classes, str) or len(classes) != units or len(set(classes)) != units:
        raise AvkerasError(f"classes: the model gives {units} probabilities, and {len(set(classes))} names are given.")
    if any(not name.strip() or "\n" in name for name in classes):
        raise AvkerasError("classes: a name is empty or holds a line break.")
    if len(thresholds) not in (1, units):
        raise AvkerasError(f"threshold: one or {units} wanted, {len(thresholds)} given.")
    dims = {name: tensor.shape[-1] for name, tensor in model.input.items() if not is_mask(name)}
    for modality, embedder in embedders.items():
        if embedder.spec.modality != modality:
            raise AvkerasError(f"embedders: {embedder.spec.name} is for {embedder.spec.modality}, not {modality}.")
        if modality in dims and embedder.spec.dim != dims[modality]:
            given = f"{embedder.spec.name} gives {embedder.spec.dim} values"
            raise AvkerasError(f"embedders: {given} a frame, the model takes {dims[modality]} for {modality}.")
    if bundle and (missing := sorted(set(dims) - set(embedders))):
        raise AvkerasError(f"embedders: none for {', '.join(missing)}; without it the model cannot be bundled.")
