"""Checkpoints are written here byte by byte as PyTorch writes them, since PyTorch is not a dependency."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
from pytorch_files import Settings, Storage, Tensor, legacy, name_modules, zipped

from avkeras.errors import AvkerasError
from avkeras.features.networks.legacy_pickle import read_checkpoint


@pytest.fixture
def torch_names(monkeypatch):
    return name_modules(monkeypatch)


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
        "config": Settings({"MODEL": Settings({"TRUNK": "resnet50"}), "DECAY": (25,)}),
    }
    return content, [floats, counts]


@pytest.mark.parametrize("write", [legacy, zipped])
def test_every_tensor_is_the_view_that_was_saved(write, sample, torch_names, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(write(*sample, torch_names))
    read = read_checkpoint(path)
    arrays = read["state_dict"]
    assert read["epoch"] == 3
    assert read["config"] == {"MODEL": {"TRUNK": "resnet50"}, "DECAY": (25,)}
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
