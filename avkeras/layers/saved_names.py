"""Argument names that files of avkeras' first versions hold, read as today's."""

from typing import Any

_ARGUMENTS = {"function": "attention"}
_SHAPES = {
    "frame_mask_shape": "padding_mask_shape",
    "key_mask_shape": "padding_mask_shape",
    "masks_shape": "padding_masks_shape",
}


class SavedNames:
    """Put before `keras.layers.Layer` among a layer's bases: it loads what was saved under the names of before.

    Example:
        >>> from avkeras.layers import MultiHeadAttention
        >>> saved = {"num_heads": 2, "key_dim": 8, "function": "softmax"}
        >>> MultiHeadAttention.from_config(saved).get_config()["attention"]
        'softmax'
    """

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes the layer from `get_config`'s values."""
        return super().from_config(_renamed(config, _ARGUMENTS))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shapes that it was saved with."""
        shapes = config.get("shapes_dict")
        super().build_from_config(config if shapes is None else {**config, "shapes_dict": _renamed(shapes, _SHAPES)})


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
