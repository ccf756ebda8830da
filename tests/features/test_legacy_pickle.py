"""Checkpoints are written here byte by byte as PyTorch writes them, since PyTorch is not a dependency."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from avkeras.errors import AvkerasError
from avkeras.features.networks.legacy_pickle import read_checkpoint


class Storage:
    def __init__(self, key, values, kind="FloatStorage"):
        self.key, self.values, self.kind = key, values, kind


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.arguments = storage, offset, size, stride


@pytest.fixture
def torch_names(monkeypatch):
    """Modules under PyTorch's names, so that pickle writes those names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_):
        raise AssertionError("only its name is written")

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = ("torch._utils", *["_rebuild_tensor_v2"] * 2)
    utils._rebuild_tensor_v2 = rebuild
    for name in ("FloatStorage", "LongStorage", "HalfStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
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


@pytest.fixture
def sample():
    floats = Storage("7", np.arange(24, dtype="<f4"))
    counts = Storage("8", np.array([3, 5], "<i8"), "LongStorage")
    content = {
        "state_dict": OrderedDict(
            whole=Tensor(floats, 0, (2, 3, 4), (12, 4, 1)),
            transposed=Tensor(floats, 12, (4, 3), (1, 4)),
            scalar=Tensor(counts, 1, (), ()),
            empty=Tensor(counts, 0, (0, 5), (5, 1)),
        ),
        "epoch": 3,
    }
    return content, [floats, counts]


@pytest.mark.parametrize("write", [legacy, zipped])
def test_every_tensor_is_the_view_that_was_saved(write, sample, torch_names, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(write(*sample, torch_names))
    read = read_checkpoint(path)
    arrays = read["state_dict"]
    assert read["epoch"] == 3
    assert list(arrays) == ["whole", "transposed", "scalar", "empty"]
    np.testing.assert_array_equal(arrays["whole"], np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(arrays["transposed"], np.arange(12, 24).reshape(3, 4).T)
    assert arrays["scalar"] == 5
    assert arrays["scalar"].dtype == np.int64
    assert arrays["empty"].shape == (0, 5)


@pytest.mark.parametrize("write", [legacy, zipped])
@pytest.mark.parametrize("left", [0.2, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_one_line(write, left, sample, torch_names, tmp_path):
    path = tmp_path / "model.pth"
    whole = write(*sample, torch_names)
    path.write_bytes(whole[: int(len(whole) * left)])
    with pytest.raises(AvkerasError, match=r"model\.pth: not a PyTorch checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("write", [legacy, zipped])
def test_code_in_the_file_is_refused_and_not_run(write, torch_names, tmp_path):
    trace = tmp_path / "trace"

    class Attack:
        def __reduce__(self):
            return exec, (f"open({str(trace)!r}, 'w')",)

    path = tmp_path / "model.pth"
    path.write_bytes(write({"weights": Attack()}, [], torch_names))
    with pytest.raises(AvkerasError, match=r"names (__builtin__|builtins)\.exec"):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("offset", "size", "stride"), [(0, (25,), (1,)), (20, (2, 3), (3, 1)), (-1, (2,), (1,)), (0, (2,), (-1,))]
)
@pytest.mark.parametrize("write", [legacy, zipped])
def test_a_tensor_outside_its_storage_is_refused(write, offset, size, stride, torch_names, tmp_path):
    storage = Storage("0", np.arange(24, dtype="<f4"))
    path = tmp_path / "model.pth"
    path.write_bytes(write([Tensor(storage, offset, size, stride)], [storage], torch_names))
    with pytest.raises(AvkerasError, match="outside its storage"):
        read_checkpoint(path)


def test_other_files_and_kinds_are_refused(torch_names, tmp_path):
    path = tmp_path / "model.pth"
    half = Storage("0", np.zeros(2, "<u2"), "BFloat16Storage")
    contents = {
        "BFloat16Storage": legacy([Tensor(half, 0, (2,), (1,))], [half], torch_names),
        "big-endian": legacy({}, [], torch_names, little_endian=False),
        "magic number": pickle.dumps(1),
        "not a PyTorch checkpoint": b"some text\n",
    }
    for message, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(AvkerasError, match=message):
            read_checkpoint(path)
    with pytest.raises(AvkerasError, match="No such file"):
        read_checkpoint(tmp_path / "absent.pth")


def test_a_storage_larger_than_the_file_is_refused_before_it_is_allocated(torch_names, tmp_path):
    class Huge:
        def __len__(self):
            return 1 << 50

    path = tmp_path / "model.pth"
    path.write_bytes(legacy([Tensor(Storage("0", Huge()), 0, (2,), (1,))], [], torch_names))
    with pytest.raises(AvkerasError, match="more than the file holds"):
        read_checkpoint(path)
