"""What the papers' two models share: a constructor that builds them from values, and frozen parts that are kept."""

import numbers
from collections.abc import Iterator, Sequence

import keras

from avkeras.models.sequence_model import SequenceModel


class BuiltModel(SequenceModel):
    """A `SequenceModel` that its constructor builds from `_values`; its configuration tells which parts are frozen.

    Args:
        inputs: dict of names to `keras.Input`.
        outputs: tensor or dict of tensors.

    Example:
        >>> from avkeras.models.audiovisual_transformer import AudiovisualTransformer
        >>> model = AudiovisualTransformer(dims={"audio": 4, "video": 6})
        >>> model.get_layer("encoder_1").trainable = False
        >>> model.get_config()["frozen"]
        ['encoder_1']
    """

    def get_config(self):
        """Returns the constructor's values, and `frozen`: which parts are not trained, by their place in the model."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype_policy.name, **self._values}
        return config | ({"frozen": frozen} if (frozen := _frozen(self) if self.trainable else []) else {})

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model anew from `get_config`."""
        config = dict(config)
        frozen = config.pop("frozen", ())
        model = cls(**config)
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
