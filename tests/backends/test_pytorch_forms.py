"""What is computed otherwise on PyTorch equals its plain form: in a process of its own, which has that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("pytorch_program.py")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch: pip install 'avkeras[backends]'")
def test_forms_for_pytorch_equal_the_plain_ones():
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(PROGRAM.parents[2])}
    done = subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
