"""Models that a constructor builds from values, as both papers' are: their configuration, with what is frozen."""

import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from avkeras.models.sequence_model import SequenceModel


def built_config(model: SequenceModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a model that its constructor builds, and which of its parts are frozen.

    Args:
        model: it.
        values: of the constructor, beside name and type.

    Example:
        >>> from avkeras.models.audiovisual_transformer import AudiovisualTransformer
        >>> model = AudiovisualTransformer(dims={"audio": 4, "video": 6})
        >>> model.get_layer("encoder_1").trainable = False
        >>> built_config(model, {})["frozen"]
        ['encoder_1']
    """
    config = {"name": model.name, "trainable": model.trainable, "dtype": model.dtype_policy.name, **values}
    frozen = _frozen(model) if model.trainable else []
    return config | ({"frozen": frozen} if frozen else {})


def model_from_config(kind: type[SequenceModel], config: Mapping[str, Any]) -> SequenceModel:
    """Returns a model of a kind anew from its `built_config`.

    Example:
        >>> from avkeras.models.audiovisual_transformer import AudiovisualTransformer
        >>> config = {"dims": {"audio": 4, "video": 6}, "frozen": ["encoder_1"]}
        >>> model_from_config(AudiovisualTransformer, config).get_layer("encoder_1").trainable
        False
    """
    values = dict(config)
    frozen = values.pop("frozen", ())
    model = kind(**values)
    parts = dict(_parts(model))
    for place in frozen:
        parts[place].trainable = False
    return model


def _parts(layer: keras.layers.Layer, place: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields the layers within a layer, each with the names on the way to it."""
    for part in layer._layers:
        here = f"{place}/{part.name}" if place else part.name
        yield here, part
        yield from _parts(part, here)


def _frozen(layer: keras.layers.Layer, place: str = "") -> list[str]:
    """Returns the places of frozen layers, without those within them."""
    found = []
    for part in layer._layers:
        here = f"{place}/{part.name}" if place else part.name
        found += _frozen(part, here) if part.trainable else [here]
    return found


def class_count(classes: int | Sequence[str]) -> int:
    """Returns the number of classes, which are given as such or by their names.

    Raises:
        ValueError: it is one name, or less than one class.

    Example:
        >>> class_count(17), class_count(["Car", "Bus"])
        (17, 2)
    """
    count = int(classes) if isinstance(classes, numbers.Integral) else len(classes)
    if isinstance(classes, str) or count < 1:
        raise ValueError(f"classes must be a number above 0 or a list of names, not {classes!r}")
    return count
