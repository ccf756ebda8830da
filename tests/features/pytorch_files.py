"""Writes PyTorch checkpoints byte by byte as PyTorch does, since PyTorch is not a dependency."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict


class Storage:
    def __init__(self, key, values, kind="FloatStorage"):
        self.key, self.values, self.kind = key, values, kind


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.arguments = storage, offset, size, stride


def tensors(arrays):
    """Tensors of contiguous arrays, and their storages."""
    storages = [Storage(str(number), array.ravel()) for number, array in enumerate(arrays.values())]
    strides = [tuple(step // array.itemsize for step in array.strides) for array in arrays.values()]
    pairs = zip(arrays, storages, strides, strict=True)
    return OrderedDict((name, Tensor(storage, 0, arrays[name].shape, s)) for name, storage, s in pairs), storages


class Settings(dict):
    """Pickled under the name of yacs' settings, with attributes as they have."""

    __module__, __qualname__ = "yacs.config", "CfgNode"

    def __init__(self, values):
        super().__init__(values)
        self.deprecated = {"OLD.NAME"}


def name_modules(monkeypatch):
    """Put modules under PyTorch's and yacs' names, so that pickle writes those names."""
    torch, utils, yacs = (types.ModuleType(name) for name in ("torch", "torch._utils", "yacs.config"))

    def rebuild(*_):
        raise AssertionError("only its name is written")

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = ("torch._utils", *["_rebuild_tensor_v2"] * 2)
    utils._rebuild_tensor_v2 = rebuild
    for name in ("FloatStorage", "LongStorage", "HalfStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    yacs.CfgNode = Settings
    for module in (torch, utils, yacs, types.ModuleType("yacs")):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return torch, utils


def pickled(content, torch_names, view=(None,)):
    torch, utils = torch_names

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Storage):
                return ("storage", getattr(torch, thing.kind), thing.key, "cpu", len(thing.values), *view)
            return None

        def reducer_override(self, thing):
            if isinstance(thing, Tensor):
                return utils._rebuild_tensor_v2, (*thing.arguments, False, OrderedDict())
            return NotImplemented

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(content)
    return buffer.getvalue()


def legacy(content, storages, torch_names, **header):
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps(info | header, 2)]
    parts += [pickled(content, torch_names), pickle.dumps([storage.key for storage in storages], 2)]
    for storage in storages:
        parts += [struct.pack("<q", len(storage.values)), storage.values.tobytes()]
    return b"".join(parts)


def zipped(content, storages, torch_names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(content, torch_names, view=()))
        archive.writestr("archive/byteorder", "little")
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.values.tobytes())
    return buffer.getvalue()
