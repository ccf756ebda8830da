"""Read PyTorch checkpoints as numpy arrays, without PyTorch and without running code from the file."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from avkeras.errors import AvkerasError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_DTYPES: Mapping[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


def read_checkpoint(path: str | Path) -> Any:
    """Read what `torch.save` wrote, with every tensor as a numpy array.

    Both formats are read: the legacy one (before PyTorch 1.6) and the zip file. Only tensors, their storages,
    parameters, `OrderedDict`, `set` and the settings of yacs (as dicts) may occur besides Python's own values: a
    pickle that names anything else is refused before it is called.

    Args:
        path: the checkpoint, for instance a `.pth` file.

    Returns:
        The saved object: usually a dict from names to arrays.

    Raises:
        AvkerasError: the file is no such checkpoint, is cut short, or names something that is not allowed.

    Example:
        >>> from avkeras.features.networks.efficientnet_lite0 import find_pytorch_weights
        >>> read_checkpoint(find_pytorch_weights())["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _read_zip(file)
            file.seek(0)
            return _read_legacy(file, size=path.stat().st_size)
    except OSError as error:
        raise AvkerasError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
    ) as error:
        raise AvkerasError(f"{path}: not a PyTorch checkpoint that can be read here: {error}") from error


def _read_legacy(file: BinaryIO, *, size: int) -> Any:
    storages: dict[str, np.ndarray] = {}

    def allocate(dtype: np.dtype, key: str, count: int) -> np.ndarray:
        if count * dtype.itemsize > size:
            raise ValueError(f"storage {key} claims {count} values, more than the file holds")
        # The values stand behind the pickle: tensors are views of arrays that are filled below.
        return storages.setdefault(key, np.zeros(count, dtype))

    def load(allocate_storage=None) -> Any:
        return _Unpickler(file, allocate_storage).load()

    if load() != _MAGIC_NUMBER:
        raise ValueError("it does not begin with PyTorch's magic number")
    version = load()
    if version != _PROTOCOL_VERSION:
        raise ValueError(f"protocol version {version}, {_PROTOCOL_VERSION} expected")
    if not load()["little_endian"]:
        raise ValueError("it was written on a big-endian machine")
    content = load(allocate)
    for key in load():
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        values = file.read(storage.nbytes)
        if count != storage.size or len(values) != storage.nbytes:
            raise ValueError("it is cut short")
        storage[:] = np.frombuffer(values, storage.dtype)
    return content


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} files data.pkl in the archive, 1 expected")
        folder = pickles[0].removesuffix("data.pkl")
        if folder + "byteorder" in names and archive.read(folder + "byteorder") != b"little":
            raise ValueError("it was written on a big-endian machine")
        storages: dict[str, np.ndarray] = {}

        def allocate(dtype: np.dtype, key: str, count: int) -> np.ndarray:
            if key not in storages:
                storages[key] = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
            if storages[key].size != count:
                raise ValueError(f"storage {key} holds {storages[key].size} values, {count} expected")
            return storages[key]

        with archive.open(pickles[0]) as pickled:
            return _Unpickler(pickled, allocate).load()


class _Settings(dict):
    """What stands for `yacs.config.CfgNode`, which training scripts keep beside the weights."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows tensors and harmless containers and refuses every other name."""

    def __init__(self, file, allocate) -> None:
        super().__init__(file)
        self._allocate = allocate

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,  # its name in the pickles of protocol 2
            ("yacs.config", "CfgNode"): _Settings,
            ("torch._utils", "_rebuild_tensor_v2"): _view,
            ("torch._utils", "_rebuild_parameter"): lambda data, requires_grad, hooks: data,
        }
        if (module, name) in allowed:
            return allowed[module, name]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor")

    def persistent_load(self, identity: tuple) -> np.ndarray:
        if self._allocate is None:
            raise pickle.UnpicklingError("a tensor where none is expected")
        kind, dtype, key, _, count, *view = identity
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(part is not None for part in view):
            raise pickle.UnpicklingError("a storage of a kind that is not known here")
        return self._allocate(dtype, str(key), count)


def _view(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any) -> np.ndarray:
    """Return the strided view of a storage, which must lie within it."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    empty = 0 in size
    if min((offset, *size, *stride)) < 0 or (not empty and last >= storage.size):
        raise pickle.UnpicklingError("a tensor that reaches outside its storage")
    if empty:
        return np.zeros(size, storage.dtype)
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps)
