"""An exported detection model, in the place of the Keras model that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.experiments.detection_scores import Tuning
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.serving.export import read_description
from avkeras.serving.predict import load_trained

if TYPE_CHECKING:
    from avkeras.features.embedders import Embedder


class ExportedDetector:
    """A detection SavedModel with what `EventPredictor` asks of a `MultiEncoder`.

    Args:
        directory: what `avkeras.serving.export_detection.export_detection_model` wrote.
        weight: of the audio encoder, that the model was exported with.
    """

    def __init__(self, directory: str | Path, *, weight: float) -> None:
        import tensorflow as tf

        from avkeras.layers.stream_weights import StreamWeights

        try:
            self._loaded = tf.saved_model.load(str(directory))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise AvkerasError(f"{directory}: cannot be loaded as a SavedModel: {error}") from error
        self._function = self._loaded.signatures["serving_default"]
        self.input = self._function.structured_input_signature[1]
        encoders = [name for name in self.input if not name.endswith("_mask")]
        encoders.sort(key=lambda name: (name != "audio", name))
        self._stream_weights = StreamWeights(encoders=encoders, inference_weight=weight, name="stream_weights")

    def get_layer(self, name: str) -> Any:
        """Returns the layer that weighs the encoders, the only one that is known of an exported model."""
        if name != self._stream_weights.name:
            raise ValueError(f"an exported model has no layer {name}")
        return self._stream_weights

    def predict(self, inputs: Mapping[str, np.ndarray], *, batch_size: int, verbose: int = 0) -> dict[str, np.ndarray]:
        """Returns `clip` and `frame` probabilities; it shows nothing, whatever `verbose` is."""
        import tensorflow as tf

        count, parts = len(inputs["audio"]), []
        for start in range(0, count, batch_size):
            batch = {name: tf.constant(value[start : start + batch_size]) for name, value in inputs.items()}
            parts.append(self._function(**batch))
        return {
            name: np.concatenate([part[f"{name}_probabilities"].numpy() for part in parts])
            for name in ("clip", "frame")
        }


def load_exported(directory: str | Path, *, visual: Mapping[str, Embedder] | None = None) -> dict[str, Any]:
    """Loads an exported detection model with its embedders.

    Args:
        directory: the SavedModel.
        visual: by the name of the input, embedders that live in a folder of yours; the others are loaded by name.

    Returns:
        The arguments of `avkeras.serving.predict_events.EventPredictor`.

    Raises:
        AvkerasError: no such model, or an embedder cannot be had or is another one than in training.
    """
    description = read_description(directory)
    fields = description["tuning"]
    # JSON has no tuples.
    fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    fields["psds_filters"] = {name: tuple(sizes) for name, sizes in fields["psds_filters"].items()}
    tuning = Tuning(**fields)
    found = dict(visual or {})
    for name, trained in description["embedders"].items():
        if name not in found:
            found[name] = load_trained(EmbedderSpec(**trained["spec"]), directory)
        if found[name].fingerprint != trained["fingerprint"]:
            raise AvkerasError(f"{directory}: its {name} embedder was another one in training (fingerprints differ)")
    lengths = dict(description["lengths"])
    return {
        "model": ExportedDetector(directory, weight=tuning.weight),
        "tuning": tuning,
        "visual": {name: found[name] for name in description["embedders"]},
        "max_frames": lengths.pop("audio"),
        "visual_frames": max(lengths.values(), default=64),
    }
