"""The best setting of TensorFlow for a model on this machine, by timing training steps in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from avkeras.errors import AvkerasError
from avkeras.runs.machine_settings import VARIABLES, Settings, candidates, keep_settings, label

# What must be gained over TensorFlow's own way, that noise does not choose.
GAIN = 1.05
# Candidates that take at most so many times the best one's seconds are timed again, in turn: a machine's clock moves.
NEAR = 1.15


def measure_settings(model: str, *, progress: Callable[[str, float], None] | None = None) -> Settings:
    """Times a training step of a model with each candidate, keeps the best one for this machine, and returns it.

    The best ones, and TensorFlow's own way, are timed twice, in turn.

    Args:
        model: one of `avkeras.runs.machine_settings.MODELS`.
        progress: called with a candidate's label and its seconds, each time.

    Raises:
        AvkerasError: no candidate could be timed.
    """
    seconds = {}
    everything = candidates()
    plain = everything[0]
    for values in everything:
        seconds[label(values)] = _time(model, values, progress)
    most = NEAR * min(seconds.values())
    for values in (one for one in everything if one == plain or seconds[label(one)] <= most):
        seconds[label(values)] = min(seconds[label(values)], _time(model, values, progress))
    best = min(everything, key=lambda values: seconds[label(values)])
    if seconds[label(plain)] < GAIN * seconds[label(best)]:
        best = plain
    keep_settings(model, best, seconds)
    return Settings(best, seconds)


def _time(model: str, values: Mapping[str, str], progress: Callable[[str, float], None] | None) -> float:
    """Returns the seconds of a training step in a process with these settings."""
    free = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-m", "avkeras.training.step_time", model],
        env=free | {"TF_CPP_MIN_LOG_LEVEL": "3"} | values,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise AvkerasError(f"{model} cannot be timed with {label(values)}: {reason[:300]}")
    seconds = float(done.stdout.split()[-1])
    if progress is not None:
        progress(label(values), seconds)
    return seconds
