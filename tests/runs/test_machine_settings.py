"""Settings of TensorFlow per model and machine: by a rule, or as measured once; what a user has set is not touched."""

import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from avkeras.commands import measure_settings
from avkeras.errors import AvkerasError
from avkeras.runs import machine_settings
from avkeras.runs.machine_settings import (
    MODELS,
    VARIABLES,
    apply_extraction_settings,
    apply_settings,
    candidates,
    keep_settings,
    label,
    rule,
    settings_of,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVKERAS_CACHE", str(tmp_path))
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # what a test leaves there is gone after it
        monkeypatch.delenv(name)
    return tmp_path


def machine(monkeypatch, *, flags=("avx2",), cores=2):
    monkeypatch.setattr(machine_settings, "processor", lambda: ("A processor", frozenset(flags)))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)


def test_the_rule_knows_cores_and_processor(monkeypatch):
    machine(monkeypatch)
    assert rule() == {"TF_NUM_INTRAOP_THREADS": "1", "TF_ENABLE_ONEDNN_OPTS": "1"}
    machine(monkeypatch, cores=4)
    assert rule() == {"TF_ENABLE_ONEDNN_OPTS": "1"}
    machine(monkeypatch, flags=("asimd",), cores=1)
    assert rule() == {"TF_NUM_INTRAOP_THREADS": "1"}
    machine(monkeypatch, flags=("asimd",), cores=16)
    assert rule() == {}


@pytest.mark.parametrize("flags", [("avx2",), ("asimd",)])
@pytest.mark.parametrize("cores", [2, 16])
def test_candidates_have_the_rule_and_nothing_twice(monkeypatch, flags, cores):
    machine(monkeypatch, flags=flags, cores=cores)
    found = candidates()
    assert found[0] == {}
    assert rule() in found
    assert len({label(values) for values in found}) == len(found)


def test_what_was_measured_holds_for_this_processor_and_model_alone(monkeypatch):
    machine(monkeypatch)
    keep_settings("tagging", {"TF_NUM_INTRAOP_THREADS": "2"}, {"a": 0.2})
    keep_settings("conformer", {}, {"a": 0.3})
    assert settings_of("tagging").values == {"TF_NUM_INTRAOP_THREADS": "2"}
    assert settings_of("tagging").seconds == {"a": 0.2}
    assert settings_of("conformer").values == {}
    assert settings_of("transformer").values == rule()
    machine(monkeypatch, flags=("avx2", "avx512_vnni"))
    assert settings_of("tagging").values == rule()
    with pytest.raises(ValueError, match="gru is none of tagging, transformer, conformer"):
        settings_of("gru")


def test_a_damaged_file_is_named_with_what_to_do(cache):
    (cache / machine_settings.FILE).write_text("{")
    with pytest.raises(AvkerasError, match=r"machine_settings\.json: .*delete it, and measure again"):
        settings_of("tagging")


def test_only_what_the_user_left_open_is_set_and_only_before_tensorflow_is_there(monkeypatch):
    machine(monkeypatch)
    keep_settings("tagging", {"TF_NUM_INTRAOP_THREADS": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}, {"a": 0.2})
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert apply_settings("tagging") == {}
    monkeypatch.delitem(sys.modules, "tensorflow")
    assert apply_settings("tagging") == {"TF_ENABLE_ONEDNN_OPTS": "0"}
    assert (os.environ["TF_NUM_INTRAOP_THREADS"], os.environ["TF_ENABLE_ONEDNN_OPTS"]) == ("3", "0")


def test_extraction_takes_the_rule_whatever_was_measured_for_models(monkeypatch):
    machine(monkeypatch)
    for model in MODELS:
        keep_settings(model, {"TF_NUM_INTRAOP_THREADS": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}, {"a": 0.2})
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert apply_extraction_settings() == rule()
    assert {name: os.environ[name] for name in VARIABLES if name in os.environ} == rule()


@pytest.mark.parametrize(("plain", "kept"), [(1.0, "TF_ENABLE_ONEDNN_OPTS=1"), (0.82, "as TensorFlow does")])
def test_the_fastest_is_kept_if_it_gains_more_than_noise(monkeypatch, plain, kept):
    machine(monkeypatch)

    def run(command, *, env, **_):
        values = {name: env[name] for name in VARIABLES if name in env}
        seconds = {"as TensorFlow does": plain, "TF_ENABLE_ONEDNN_OPTS=1": 0.8}.get(label(values), 0.9)
        return SimpleNamespace(returncode=0, stdout=f"{seconds}\n", stderr="")

    monkeypatch.setattr(measure_settings.subprocess, "run", run)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    seen = []
    found = measure_settings.measure_settings("conformer", progress=lambda name, seconds: seen.append(name))
    assert label(found.values) == kept
    assert settings_of("conformer") == found
    first, again = seen[: len(candidates())], seen[len(candidates()) :]
    assert first == [label(values) for values in candidates()]
    assert again == [name for name in first if name == "as TensorFlow does" or found.seconds[name] <= 0.8 * 1.15]


def test_a_candidate_that_was_slow_once_is_timed_again(monkeypatch):
    machine(monkeypatch)
    times = {label(values): iter([2.0, 2.0]) for values in candidates()}
    times["as TensorFlow does"] = iter([1.0, 0.9])
    times["TF_ENABLE_ONEDNN_OPTS=1"] = iter([1.1, 0.6])

    def run(command, *, env, **_):
        values = {name: env[name] for name in VARIABLES if name in env}
        return SimpleNamespace(returncode=0, stdout=f"{next(times[label(values)])}\n", stderr="")

    monkeypatch.setattr(measure_settings.subprocess, "run", run)
    found = measure_settings.measure_settings("transformer")
    assert found.values == {"TF_ENABLE_ONEDNN_OPTS": "1"}
    assert found.seconds["TF_ENABLE_ONEDNN_OPTS=1"] == 0.6
    assert found.seconds["as TensorFlow does"] == 0.9


def test_a_candidate_that_fails_is_named(monkeypatch):
    failed = SimpleNamespace(returncode=1, stdout="", stderr="a\nNo module named 'tensorflow'\n")
    monkeypatch.setattr(measure_settings.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(AvkerasError, match="tagging cannot be timed with as TensorFlow does: No module named"):
        measure_settings.measure_settings("tagging")


@pytest.mark.slow  # traces three models of the papers' size
@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_each_model_is_one_of_training(model):
    from avkeras.training.step_time import training_step

    step = training_step(model)
    losses = [float(np.ravel(keras.ops.convert_to_numpy(step()))[0]) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert len(set(losses)) == 3  # weights have moved


@pytest.mark.slow  # seven processes that trace the model
def test_the_command_measures_keeps_and_shows(cache):
    program = "import sys; from avkeras.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--measure", "tagging"], capture_output=True, text=True, timeout=600
    )
    assert (cache / machine_settings.FILE).is_file(), done.stderr[-2000:]
    assert len(candidates()) < done.stderr.count(" ms a step ") <= 2 * len(candidates())
    assert f"settings tagging              {label(settings_of('tagging').values)}, measured here" in done.stdout
