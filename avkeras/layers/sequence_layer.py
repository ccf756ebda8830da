"""What the layers share: a mask that Keras attached to a sequence counts, and what was saved under old names loads."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import keras

# Argument names that files of avkeras' first versions hold, read as today's.
_ARGUMENTS = {"function": "attention"}
_SHAPES = {
    "frame_mask_shape": "padding_mask_shape",
    "key_mask_shape": "padding_mask_shape",
    "masks_shape": "padding_masks_shape",
}


class SequenceLayer(keras.layers.Layer):
    """A layer of sequences `(batch, frames, dim)`.

    A mask that Keras attached to a sequence (by `keras.layers.Masking`, say) is read where the mask's argument is left
    out, and goes on to an output of as many frames.

    Example:
        >>> from avkeras.layers import Aggregation
        >>> probabilities = keras.layers.Masking()(np.array([[[0.5], [0.0]]], "float32"))
        >>> Aggregation()(probabilities).numpy().tolist()
        [[0.5]]
    """

    # Each mask among the call's arguments, and the sequences that it may mask: the first one that is given counts.
    masks: ClassVar[Mapping[str, tuple[str, ...]]] = {"padding_mask": ("inputs",)}

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def __call__(self, *args, **kwargs):
        """Calls the layer, with the masks that Keras attached where none are given."""
        names = _call_arguments(type(self))
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        attached = {}
        for mask, sequences in self.masks.items():
            if mask in names and given.get(mask) is None:
                sequence = next((given[name] for name in sequences if given.get(name) is not None), None)
                attached[mask] = _attached_mask(sequence)
        attached = {name: mask for name, mask in attached.items() if mask is not None}
        if attached:
            args, kwargs = args[:1], {**dict(list(given.items())[len(args[:1]) :]), **attached}
        return super().__call__(*args, **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes the layer from `get_config`'s values."""
        return super().from_config(_renamed(config, _ARGUMENTS))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shapes that it was saved with."""
        shapes = config.get("shapes_dict")
        super().build_from_config(config if shapes is None else {**config, "shapes_dict": _renamed(shapes, _SHAPES)})


@functools.cache
def _call_arguments(layer_class: type) -> tuple[str, ...]:
    return tuple(inspect.signature(layer_class.call).parameters)[1:]


def _attached_mask(sequence):
    """Returns the mask that Keras attached to a tensor, or those of a dict of tensors; None: there is none."""
    if isinstance(sequence, Mapping):
        masks = {name: _attached_mask(tensor) for name, tensor in sequence.items()}
        return {name: mask for name, mask in masks.items() if mask is not None} or None
    return getattr(sequence, "_keras_mask", None)


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
