"""Read weight files of Keras 1 and 2 (HDF5) and put them into networks of Keras 3, layer by layer in order.

Keras 3 reads such files too, but says of one that does not fit only that the number of layers differs.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    import keras
    import numpy as np

Layer = tuple[str, list["np.ndarray"]]


def read_layers(path: str | Path) -> list[Layer]:
    """Read what `save_weights` of Keras 1 or 2 wrote.

    Args:
        path: an HDF5 file, as it is or packed (`.gz`).

    Returns:
        Name and arrays of every layer that has weights, in the network's order.

    Raises:
        AvkerasError: the file cannot be read as one of Keras' weight files.

    Example:
        >>> import keras
        >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="output")]).save("small.h5")
        >>> [(name, [array.shape for array in arrays]) for name, arrays in read_layers("small.h5")]
        [('output', [(2, 3), (3,)])]
    """
    import h5py

    path = Path(path)
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        with h5py.File(io.BytesIO(content), "r") as file:
            root = file.get("model_weights", file)  # the part of a file of the whole model
            names = [_text(name) for name in root.attrs["layer_names"]]
            layers = [(name, [root[name][_text(w)][()] for w in root[name].attrs["weight_names"]]) for name in names]
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise AvkerasError(f"{path}: cannot be read as a weight file of Keras (HDF5): {error}") from error
    return [layer for layer in layers if layer[1]]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def set_weights_in_order(model: keras.Model, layers: Sequence[Layer], *, what: str) -> None:
    """Put the layers of a weight file into a network whose layers stand in the same order, whatever their names.

    Args:
        model: the network.
        layers: what `read_layers` returns.
        what: the network's name, for messages.

    Raises:
        AvkerasError: every layer that is missing, is left over or has other shapes, a line each; then the network
            is as it was.
    """
    places = [layer for layer in model.layers if layer.weights]
    defects = []
    for place, layer in zip_longest(places, layers):
        if place is None:
            defects.append(f"{layer[0]}: no place for it in the network")
        elif layer is None:
            defects.append(f"{place.name}: not in the file")
        else:
            found, wanted = ([tuple(w.shape) for w in weights] for weights in (layer[1], place.weights))
            if found != wanted:
                defects.append(f"{layer[0]}: shapes {found}, the network's layer {place.name} has {wanted}")
    if defects:
        raise AvkerasError(f"The weights do not fit {what}.\n" + "\n".join(defects))
    for place, (_, arrays) in zip(places, layers, strict=True):
        place.set_weights(arrays)
