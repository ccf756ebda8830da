import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.training import distribute

HERE = Path(__file__).parent


def start(*arguments, **environment):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    command = [sys.executable, str(HERE / "distributed_program.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_workers(*arguments):
    """Two workers of this machine, which talk as those of two machines would."""
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        start(
            *arguments, TF_CONFIG=json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}})
        )
        for i in range(2)
    ]


def finish(*processes, seconds=500):
    """Returns status and output of each; none is left running."""
    try:
        return [(process.communicate(timeout=seconds)[0], process.returncode)[::-1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.stdout.close()
            process.wait()


def read(path):
    """The arrays of a file, as dicts by name."""
    found = {}
    with np.load(path) as file:
        for name in file.files:
            model, key = name.split(": ")
            found.setdefault(model, {})[key] = file[name]
    return found


def assert_close(one, other, tolerance=1e-5):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    [(code, output)] = finish(start("two", folder))
    assert code == 0, output
    return read(folder / "found.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "detection", "fusing", "stored"])
def test_two_devices_end_where_one_does(two_devices, name):
    """Fusing too, as its weight is one draw for all replicas, which would end elsewhere if drawn apart; stores too."""
    one, two = (two_devices[f"{name} {devices}"] for devices in ("one", "two"))
    assert_close(one, two)
    moved = [np.abs(np.diff(value)).max() for key, value in one.items() if key.startswith("history") and "loss" in key]
    assert min(moved) > 1e-4  # there was something to learn


@pytest.mark.slow
def test_parts_of_a_batch_that_hold_different_kinds_of_clips_add_up(two_devices):
    # Keras' own fit gives the first replica all labelled clips, the other all unlabelled ones.
    assert_close(two_devices["detection one"], two_devices["detection keras"])


@pytest.mark.slow
def test_float16_on_two_devices_ends_near_float32(two_devices):
    one, two = two_devices["detection one"], two_devices["float16 two"]
    for name in ("variable 001", "variable 005", "history loss"):  # weights of the student, of the teacher
        np.testing.assert_allclose(two[name], one[name], atol=1e-3, err_msg=name)


@pytest.mark.slow
def test_replicas_draw_masks_of_their_own(two_devices):
    assert len(two_devices["noisy masks"]) == 2  # of the student and of the teacher
    for first, second in two_devices["noisy masks"].values():
        assert first[0] != second[0]
        assert first[1] == second[1] == 8  # draws


@pytest.mark.slow
def test_a_resumed_run_is_one_that_was_never_interrupted(two_devices):
    whole, resumed = two_devices["noisy whole"], two_devices["noisy resumed"]
    for name in whole:
        expected = whole[name][1:] if name.startswith("history") else whole[name]
        np.testing.assert_array_equal(resumed[name], expected, err_msg=name)


@pytest.mark.slow
def test_a_model_that_was_saved_under_a_strategy_is_an_ordinary_one(two_devices):
    np.testing.assert_allclose(two_devices["saved"]["outside"], two_devices["saved"]["inside"], atol=1e-6)


@pytest.mark.slow
def test_an_overflow_on_one_replica_leaves_the_step_out_on_all(two_devices):
    start, end = two_devices["overflow start"], two_devices["overflow"]
    student = [name for name in end if name.startswith("variable 00") and name != "variable 000"]
    assert len(student) > 4
    for name in student:
        np.testing.assert_array_equal(end[name], start[name], err_msg=name)


@pytest.mark.slow
def test_what_would_not_equal_one_device_is_refused(two_devices):
    assert "multiple of the 2 replicas" in str(two_devices["uneven"]["message"])
    assert "global_clipnorm" in str(two_devices["clipping"]["message"])
    assert "distribute.LossScaleOptimizer" in str(two_devices["scaling"]["message"])


def test_on_one_device_fit_is_that_of_keras():
    def train(fit):
        keras.utils.set_random_seed(1)
        with distribute.strategy().scope():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
            model.compile("adam", "mse", jit_compile=False)
        data = tf.data.Dataset.from_tensor_slices((np.eye(3, dtype="float32"), np.ones((3, 1), "float32")))
        history = fit(model, data.batch(2).repeat(), epochs=2, steps_per_epoch=2, validation_data=data.batch(3))
        return model.get_weights(), history.history

    ours, losses = train(distribute.fit)
    reference, expected = train(lambda *given, **options: keras.Model.fit(*given, **options, shuffle=False, verbose=0))
    assert losses == expected
    for one, other in zip(ours, reference, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_two_workers_end_where_one_process_does(tmp_path):
    names = ["plain", "detection", "tagging", "statistics", "normalised"]
    alone = start("workers", tmp_path, *names, TF_CONFIG="{}")
    for code, output in finish(alone, *start_workers("workers", tmp_path, *names)):
        assert code == 0, output
    alone, first, second = (read(tmp_path / f"worker-{name}.npz") for name in ("alone", "0", "1"))
    for name in names:
        for key in first[name]:
            np.testing.assert_array_equal(first[name][key], second[name][key], err_msg=f"{name} {key}")
    for name in ("plain", "detection", "tagging"):
        assert_close(first[name], alone[name])
    # Normalised by the statistics of a part, which are averaged in the end.
    np.testing.assert_allclose(first["statistics"]["moving mean"], alone["statistics"]["moving mean"], atol=1e-6)
    assert np.isfinite(first["normalised"]["history loss"]).all()
    assert first["stopped"] == second["stopped"] == {"epochs": 1}


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_dies_ends_the_others_with_an_error(tmp_path, victim):
    workers = start_workers("dies", tmp_path, victim)
    (killed, _), (code, output) = finish(workers[victim], workers[1 - victim])
    assert (killed, code) == (-signal.SIGKILL, 1)
    assert "UnavailableError" in output
