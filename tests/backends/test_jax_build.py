"""Models are built on JAX, which refuses sizes that it cannot reason about: in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import keras, numpy as np
import avkeras as av

small = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "max_frames": 16}
layers = {"filters": (4, 8), "pooling": ((2, 2), (2, 4))}
model = av.models.MultiEncoder(classes=3, visual_dims={"video": 7}, bands=8, **small, **layers)
audio = {"audio": np.ones((2, 16, 8), "float32")}
for frames in (0, 1, 4):  # fewer frames than the model needs, and enough
    found = model(audio | {"video": np.ones((2, frames, 7), "float32")})
    assert found["frame"].shape == (2, 4, 3), found["frame"].shape
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax: pip install 'avkeras[backends]'")
def test_multi_encoder_is_built_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
