"""Layers, models and training on JAX and PyTorch, held against TensorFlow: each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("backend_program.py")
PACKAGES = {"jax": "jax", "torch": "torch"}
# A forward pass of these models is some fifty sums of at most 64 terms, each rounded to 2**-24: on one side and the
# other they are added in another order. A step of training is two passes more, at a rate of 0.01.
ANSWERS, TRAINED = 2e-5, 1e-4

pytestmark = pytest.mark.slow  # three processes that import, trace and compile: two to six minutes


def run(backend, folder):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(PROGRAM.parents[2])}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    with np.load(folder / f"{backend}.npz") as file:
        for name in file.files:
            part, key = name.split(": ")
            found.setdefault(part, {})[key] = file[name]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backends")


@pytest.fixture(scope="module")
def tensorflow(folder):
    return run("tensorflow", folder)


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def other(request, tensorflow, folder):
    if importlib.util.find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed: pip install 'avkeras[backends]'")
    return run(request.param, folder)


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_every_backend_answers_alike_and_reads_the_files_of_another(tensorflow, other):
    for model in ("tagging", "transformer", "conformer"):
        assert_close(other[f"answers {model}"], tensorflow[f"answers {model}"], ANSWERS)
        assert_close(other[f"loaded {model}"], tensorflow[f"answers {model}"], ANSWERS)


def test_fit_ends_alike_with_a_mean_teacher_too(tensorflow, other):
    for model in ("tagging", "transformer", "conformer"):
        assert_close(other[f"fit {model}"], tensorflow[f"fit {model}"], TRAINED)
        losses = other[f"fit {model}"]["loss"]
        assert losses[-1] < losses[0] - 100 * TRAINED  # it learns, and by more than is allowed for


def test_student_and_teacher_use_one_fusion_weight(other):
    # One compiler for both passes may order their sums otherwise; weights that differ by 0.1 give 1e-5 and more.
    for values in other["same draw"].values():
        assert (values < 1e-12).all()


def test_half_precision_trains(tensorflow, other):
    for policy in ("mixed_bfloat16", "mixed_float16"):
        for found in (tensorflow, other):
            assert np.isfinite(found[f"fit {policy}"]["loss"]).all()
            assert found[f"fit {policy}"]["moved"] > 1e-3
