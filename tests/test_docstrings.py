"""The examples in the docstrings, run."""

import doctest
import importlib
import inspect
import pkgutil
import shutil
import tarfile
from pathlib import Path

import numpy
import pytest
import soundfile
import tensorflow
from media_corpus import bursts, write_clip

import avkeras

MODULES = ["avkeras", *sorted(info.name for info in pkgutil.walk_packages(avkeras.__path__, "avkeras."))]


def examples():
    """One test per docstring with an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        for test in finder.find(importlib.import_module(name), extraglobs={"np": numpy, "tf": tensorflow}):
            if test.examples:
                yield test


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """The files that examples may name: `clip.mp4`, 2 s of 320 x 240; `clip.wav` and `clip2.wav`, 10 s at 16 kHz."""
    folder = tmp_path_factory.mktemp("media")
    sound = {"sound": bursts(2.0, 44100, channels=2, at=(0.5, 1.2)), "rate": 44100}
    write_clip(folder / "clip.mp4", frame_times=numpy.arange(20) / 10, size=(240, 320), video_codec="mpeg4", **sound)
    soundfile.write(folder / "clip.wav", bursts(10.0, 16000, at=(1.0, 4.0))[0], 16000)
    soundfile.write(folder / "clip2.wav", bursts(10.0, 16000, at=(2.0, 7.5), length=0.5)[0], 16000)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folders that examples may name: `runs/tagging`, `runs/detection`, `served/tagging`, and their embedders."""
    folder = tmp_path_factory.mktemp("trained")
    for path in (Path(__file__).parent / "data" / "saved_by_0_1").glob("*.tar.xz"):
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    return folder


def case(example):
    """An example as a case; those that write a large network, which `tests/features` builds too, are slow."""
    large = example.name.endswith(("efficientat.write", "efficientnet_lite0.write"))
    return pytest.param(example, id=example.name, marks=[pytest.mark.slow] if large else [])


@pytest.mark.parametrize("example", [case(example) for example in examples()])
def test_example(example, media, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "".join(one.source for one in example.examples)
    if "reference_psds(" in source:
        pytest.importorskip("psds_eval", reason="psds-eval runs on numpy 1 and pandas 2 only")
    for name in ("runs", "served", "embedders"):
        if "runs/" in source or "served/tagging" in source:
            shutil.copytree(trained / name, tmp_path / name)
    for file in media.iterdir():
        shutil.copy(file, tmp_path)
    printed = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=printed.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(printed)


def test_layers_and_models_have_an_example():
    shown = {example.name for example in examples()}
    for name in MODULES:
        if not name.startswith(("avkeras.layers.", "avkeras.models.")):
            continue
        module = importlib.import_module(name)
        for attribute, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == name and not attribute.startswith("_"):
                assert f"{name}.{attribute}" in shown, f"{name}.{attribute} has no example"
