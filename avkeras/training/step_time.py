"""Seconds of a training step of a model of the papers, as `avkeras doctor --measure` wants them of each setting.

python -m avkeras.training.step_time tagging
"""

import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.training.adam import Adam
from avkeras.training.mean_teacher import MeanTeacher
from avkeras.training.rectified_adam import RectifiedAdam

STEPS = {"tagging": 25, "transformer": 4, "conformer": 4}
BATCH = {"tagging": 40, "transformer": 8, "conformer": 8}


def training_step(model: str) -> Callable[[], object]:
    """Returns a function that makes a training step of a model on clips of noise.

    Args:
        model: `tagging` (2019, the paper's values), `transformer` or `conformer` (2022, one visual encoder).
    """
    random, batch = np.random.default_rng(0), BATCH[model]
    if model == "tagging":
        dims = {"video": 4096, "audio": 128}
        built = AudiovisualTransformer(classes=17, dims=dims)
        built.compile(Adam(1e-3), "binary_crossentropy")
        x = {name: random.normal(size=(batch, 10, dim)).astype("float32") for name, dim in dims.items()}
        y = (random.random((batch, 17)) > 0.9).astype("float32")
    else:
        built = MeanTeacher(MultiEncoder(classes=10, visual_dims={"visual": 512}, block=model))
        built.compile(RectifiedAdam(1e-3))
        x = {"audio": random.normal(size=(batch, 512, 64)), "visual": random.normal(size=(batch, 64, 512))}
        x = {name: value.astype("float32") for name, value in x.items()}
        x |= {f"{name}_mask": np.ones(value.shape[:2], bool) for name, value in x.items()}
        y = {
            "supervision": np.repeat([2, 1, 0, 0], batch // 4).astype("int32"),
            "clip": (random.random((batch, 10)) > 0.9).astype("float32"),
            "frame": (random.random((batch, 64, 10)) > 0.9).astype("float32"),
        }
    x = {name: keras.ops.convert_to_tensor(value) for name, value in x.items()}
    y = keras.tree.map_structure(keras.ops.convert_to_tensor, y)
    return lambda: built.train_on_batch(x, y)


def step_seconds(model: str) -> float:
    """Returns the seconds of a training step: the least of some, after two that trace and warm up."""
    step, times = training_step(model), []
    for _ in range(2 + STEPS[model]):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times[2:])


if __name__ == "__main__":
    sys.stdout.write(f"{step_seconds(sys.argv[1])}\n")
