"""Batches of arrays that lie in memory, cut as they are needed: nothing is copied whole."""

import inspect
import random
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays, for `fit`, `evaluate` and `predict`; Keras itself copies whole arrays, on TensorFlow twice.

    Args:
        parts: what a batch is a tuple of, such as inputs and targets: arrays `(clips, ...)` or dicts of them.
        batch_size: clips in all batches but the last.
        shuffle: whether every epoch has an order of its own, which follows from `keras.utils.set_random_seed`.

    Raises:
        ValueError: the arrays hold no clip.

    Example:
        >>> x, y = ArrayBatches(({"audio": np.zeros((5, 3, 4))}, np.arange(5)), batch_size=2)[2]
        >>> x["audio"].shape, y.tolist()
        ((1, 3, 4), [4])
    """

    def __init__(self, parts: tuple, *, batch_size: int = 32, shuffle: bool = False) -> None:
        super().__init__()
        self._parts = parts
        self._batch_size = batch_size
        self._count = len(_arrays(parts)[0])
        if not self._count:  # Keras would end in other words, or skip a validation
            raise ValueError("there are no clips: the arrays given are empty")
        self._random = np.random.default_rng(random.getrandbits(32)) if shuffle else None
        self._order = None
        self.on_epoch_end()

    def __len__(self) -> int:
        """Returns the number of batches."""
        return -(-self._count // self._batch_size)

    def __getitem__(self, index: int) -> tuple:
        """Returns a batch by its place in the epoch."""
        start = index * self._batch_size
        chosen = slice(start, start + self._batch_size)
        if self._order is not None:
            chosen = np.sort(self._order[chosen])  # memory is read in one direction
        return tuple(_taken(part, chosen) for part in self._parts)

    def on_epoch_end(self) -> None:
        """Draws the order of the next epoch."""
        if self._random is not None:
            self._order = self._random.permutation(self._count)


def can_be_cut(*parts) -> bool:
    """Returns whether all of some parts are arrays in memory, of as many clips each.

    Example:
        >>> can_be_cut({"audio": np.zeros((5, 3))}, np.zeros(5)), can_be_cut(np.zeros(5), np.zeros(4))
        (True, False)
    """
    arrays = _arrays(parts)
    fits = all(isinstance(array, np.ndarray) and array.ndim and array.dtype != object for array in arrays)
    return fits and len({len(array) for array in arrays}) == 1


def cut_for_fit(*args, **kwargs) -> dict[str, Any]:
    """Returns the arguments of `keras.Model.fit`, with `ArrayBatches` in place of arrays.

    What else is given, such as a `tf.data.Dataset`, tensors, or arrays with `steps_per_epoch`, is left to Keras.
    """
    given, parts, size, others = _split(keras.Model.fit, *args, **kwargs)
    if parts is None:
        return given
    held = others.pop("validation_data", None)
    count, share = len(_arrays(parts)[0]), others.pop("validation_split", 0.0)
    if share and held is None:
        place = int(count * (1 - share))
        if not 0 < place < count:
            return given  # Keras says what is wrong
        held = tuple(_taken(part, slice(place, None)) for part in parts)  # the last ones, as Keras takes them
        parts = tuple(_taken(part, slice(place)) for part in parts)
    if isinstance(held, tuple | list) and given.get("validation_steps") is None and can_be_cut(*held):
        held = ArrayBatches(tuple(held), batch_size=given.get("validation_batch_size") or size)
    batches = ArrayBatches(parts, batch_size=size, shuffle=bool(others.pop("shuffle", True)))
    return others | {"x": batches, "validation_data": held, "shuffle": False}


def cut_for_one_pass(method: Callable, *args, **kwargs) -> dict[str, Any]:
    """Returns the arguments of a Keras model's `evaluate` or `predict`, with `ArrayBatches` in place of arrays.

    Args:
        method: of `keras.Model`.
        args: of the call, without the model.
        kwargs: likewise.
    """
    given, parts, size, others = _split(method, *args, **kwargs)
    return given if parts is None else others | {"x": ArrayBatches(parts, batch_size=size)}


def _split(method: Callable, *args, **kwargs) -> tuple[dict[str, Any], tuple | None, int, dict[str, Any]]:
    """Returns all arguments by name; inputs, targets and weights, if they can be cut; the batch size; the others."""
    given = inspect.signature(method).bind(None, *args, **kwargs).arguments
    del given["self"]
    given |= given.pop("kwargs", {})
    others = dict(given)
    parts = [others.pop(name, None) for name in ("x", "y", "sample_weight")]
    while parts and parts[-1] is None:
        parts.pop()
    size = others.pop("batch_size", None) or 32
    counted = given.get("steps") is not None or given.get("steps_per_epoch") is not None
    return given, None if counted or not can_be_cut(*parts) else tuple(parts), size, others


def _arrays(parts) -> list:
    found = []
    for part in parts:
        found += part.values() if isinstance(part, Mapping) else [part]
    return found


def _taken(part, chosen):
    if isinstance(part, Mapping):
        return {name: array[chosen] for name, array in part.items()}
    return part[chosen]
