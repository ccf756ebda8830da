"""Weights of a model in a file that is whole or absent, also where the disk is full."""

import io
from pathlib import Path

import keras

from avkeras.runs.files import write_bytes


class _Memory(io.BytesIO):
    """Memory that Keras writes weights to as to a file; it looks at the ending of the name."""

    def __str__(self) -> str:
        return "memory.weights.h5"


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Writes the weights of a model, whole or not at all.

    They go through memory: a file that HDF5 itself cannot finish, as the disk is full, ends the process by a crash.

    Args:
        model: whose weights.
        path: the file, `*.weights.h5`.

    Raises:
        WriteError: it cannot be written.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> save_weights(model, tempfile.mkdtemp() + "/a.weights.h5")
    """
    memory = _Memory()
    model.save_weights(memory)
    write_bytes(path, memory.getvalue())
