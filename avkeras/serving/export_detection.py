"""Trained detection models as SavedModels for TF Serving, with what turns their probabilities into events."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.features.extract_detection import MULTI_ENCODER, most_frames
from avkeras.saved_models.frozen_graph import is_mask
from avkeras.serving.export_tagging import described
from avkeras.serving.saved_model_folder import refuse_existing, write_saved_model
from avkeras.serving.signatures import serving_module

if TYPE_CHECKING:
    from avkeras.experiments.detection_scores import Tuning
    from avkeras.features.embedders import Embedder
    from avkeras.features.front_end import FrontEnd
    from avkeras.models.multi_encoder import MultiEncoder


def export_detection_model(
    model: MultiEncoder,
    directory: str | Path,
    *,
    tuning: Tuning,
    embedders: Mapping[str, Embedder] | None = None,
    max_frames: int = 512,
    visual_frames: int = 64,
    front_end: FrontEnd | None = None,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a detection model as a SavedModel with named inputs, log-mel spectrograms and embeddings.

    | signature | inputs |
    |---|---|
    | `serving_default` | `audio` `(batch, frames, 64)` float32 in dB, by further encoder `(batch, frames, dim)`, and \
a mask `(batch, frames)` bool for each, such as `audio_mask` |
    | `embeddings` | the same without masks: all frames are real |
    | `levels` | `waveform` `(samples,)` float32 in [-1, 1] at the front end's rate; its output `levels` \
`(frames, bands)` is what `audio` takes |

    The outputs are `clip_probabilities` `(batch, classes)` and `frame_probabilities` `(batch, vectors, classes)`, 0
    where a vector is padded, and `encoder_weights` `(batch, encoders)` of a model that weighs them. The audio weight of
    inference is the tuned one, for good.

    Beside the graph, in `assets.extra`, is what `avkeras.serving.export_tagging.export_model` writes there; `tuning` in
    `avkeras.json` holds the thresholds and the median filters per class, and the length of a vector in seconds.

    Args:
        model: gives `clip` and `frame` probabilities; its weight of inference is set to the tuned one.
        directory: the folder to write; for TF Serving one that is named by a version number.
        tuning: what was chosen on validation.
        embedders: of each further encoder, by the name of the input.
        max_frames: log-mel frames of the longest clip.
        visual_frames: pictures of the longest clip.
        front_end: what makes the levels of sound; None: the 2022 system's.
        metadata: as in `export_model`.
        overwrite: replace a SavedModel that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the folder exists or cannot be written, or tuning, embedders and model do not fit each other.

    Example:
        >>> import tempfile
        >>> from avkeras.experiments.detection_scores import Tuning
        >>> from avkeras.models.multi_encoder import MultiEncoder
        >>> model = MultiEncoder(classes=["Dog"], blocks=1, dim=8, key_dim=8, filters=[2] * 6 + [8])
        >>> chosen = {name: (0.5,) for name in ("clip_thresholds", "segment_thresholds", "event_thresholds")}
        >>> chosen |= {"segment_filters": (1,), "event_filters": (7,), "psds_filters": {}}
        >>> tuning = Tuning(("Dog",), seconds_per_vector=0.1565, weight=1.0, weight_scores={}, **chosen)
        >>> folder = export_detection_model(model, tempfile.mkdtemp() + "/1", tuning=tuning)
        >>> served = tf.saved_model.load(folder).signatures["embeddings"]
        >>> served(audio=tf.zeros((1, 512, 64)))["frame_probabilities"].shape
        TensorShape([1, 64, 1])
    """
    directory, embedders = Path(directory), dict(embedders or {})
    dims = {name: tensor.shape[-1] for name, tensor in model.input.items() if not is_mask(name)}
    _check(model, dims, tuning, embedders)
    refuse_existing(directory, overwrite=overwrite)
    if hasattr(model, "set_inference_weight"):
        model.set_inference_weight(tuning.weight)
    module, signatures, graph = serving_module(model, embedders={}, front_end=front_end or MULTI_ENCODER)
    longest = dataclasses.replace(front_end or MULTI_ENCODER, frames=max_frames)
    shape = {"front_end": longest, "visual_frames": visual_frames}
    lengths = {name: most_frames(embedder.spec, **shape) for name, embedder in embedders.items()}
    description = {
        "kind": "detection",
        "classes": list(tuning.classes),
        "tuning": dataclasses.asdict(tuning),
        "inputs": dims,
        "lengths": dict.fromkeys(dims, visual_frames) | {"audio": max_frames} | lengths,
        "embedders": described(embedders),
        "bundled": False,
        **({"front_end": dataclasses.asdict(front_end)} if front_end else {}),
        "metadata": dict(metadata or {}),
    }
    return write_saved_model(directory, module, signatures, graph=graph, description=description)


def _check(model: MultiEncoder, dims: Mapping[str, int], tuning: Tuning, embedders: Mapping[str, Embedder]) -> None:
    """Raise an `AvkerasError` that names the argument that does not fit the model."""
    units = model.output["clip"].shape[-1]
    if len(tuning.classes) != units:
        raise AvkerasError(
            f"tuning: the model gives {units} probabilities, and {len(tuning.classes)} classes are tuned."
        )
    for name, embedder in embedders.items():
        if name not in dims:
            raise AvkerasError(
                f"embedders: the model has no input {name}; it has {', '.join(list(dims)[1:]) or 'none'}."
            )
        if embedder.spec.dim != dims[name]:
            given = f"{embedder.spec.name} gives {embedder.spec.dim} values"
            raise AvkerasError(f"embedders: {given} a frame, the model takes {dims[name]} for {name}.")
