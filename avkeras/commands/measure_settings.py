"""The best setting of TensorFlow for a model on this machine, by timing training steps in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable

from avkeras.errors import AvkerasError
from avkeras.runs.machine_settings import VARIABLES, Settings, candidates, keep_settings, label

# What must be gained over TensorFlow's own way, that noise does not choose.
GAIN = 1.05


def measure_settings(model: str, *, progress: Callable[[str, float], None] | None = None) -> Settings:
    """Times a training step of a model with each candidate, keeps the best one for this machine, and returns it.

    Args:
        model: one of `avkeras.runs.machine_settings.MODELS`.
        progress: called with each candidate's label and its seconds.

    Raises:
        AvkerasError: no candidate could be timed.
    """
    free = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    seconds = {}
    for values in candidates(model):
        done = subprocess.run(
            [sys.executable, "-m", "avkeras.training.step_time", model],
            env=free | {"TF_CPP_MIN_LOG_LEVEL": "3"} | values,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise AvkerasError(f"{model} cannot be timed with {label(values)}: {reason[:300]}")
        seconds[label(values)] = float(done.stdout.split()[-1])
        if progress is not None:
            progress(label(values), seconds[label(values)])
    plain = candidates(model)[0]
    best = min(candidates(model), key=lambda values: seconds[label(values)])
    if seconds[label(plain)] < GAIN * seconds[label(best)]:
        best = plain
    keep_settings(model, best, seconds)
    return Settings(best, seconds)
