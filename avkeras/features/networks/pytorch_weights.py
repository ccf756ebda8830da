"""Put the arrays of a PyTorch checkpoint into a Keras network, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    import keras
    import numpy as np

_VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# The order that PyTorch's axes take in Keras.
_AXES = {"Conv2D": (2, 3, 1, 0), "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0)}


def set_weights_by_name(
    model: keras.Model,
    arrays: Mapping[str, np.ndarray],
    *,
    module_of: Callable[[str], str],
    unused: tuple[str, ...] = (),
    what: str,
) -> list[str]:
    """Put the arrays of a PyTorch checkpoint into a network.

    Args:
        model: the network.
        arrays: the checkpoint's `state_dict`.
        module_of: from a Keras layer's name to the name of its PyTorch module.
        unused: beginnings of names that the network does not need.
        what: the network's name, for messages.

    Returns:
        The names that begin with one of `unused` and were left over. Counters of batches are left over without
        mention: they are no weights.

    Raises:
        AvkerasError: every weight that is missing, has another shape or is left over unexpectedly, a line each;
            then the network is as it was.
    """
    left, defects, found = dict(arrays), [], []
    for layer in model.layers:
        for variable in layer.weights:
            key = f"{module_of(layer.name)}.{_VARIABLES.get(variable.name, variable.name)}"
            if key not in left:
                defects.append(f"{key}: not in the checkpoint")
                continue
            values = left.pop(key)
            axes = _AXES.get(type(layer).__name__, ())
            values = values.transpose(axes) if len(axes) == values.ndim else values
            if tuple(values.shape) != tuple(variable.shape):
                defects.append(f"{key}: shape {tuple(values.shape)}, the network has {tuple(variable.shape)}")
            found.append((variable, values))
    left_over = [key for key in left if not key.endswith("num_batches_tracked")]
    defects += [f"{key}: no place for it in the network" for key in left_over if not key.startswith(unused)]
    if defects:
        raise AvkerasError(f"The checkpoint does not fit {what}.\n" + "\n".join(defects))
    for variable, values in found:
        variable.assign(values)
    return left_over
