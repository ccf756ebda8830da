"""Runs that differ by their seed: one after the other in one program, against all of them stacked in one.

python benchmarks/many_seeds.py [--seeds 4 16] [--rounds 3] [--threads 1 2]

Prints milliseconds per training step and run. "Apart" is a process with one thread, of which a machine with two cores
runs two side by side; "together" has all threads. So on a CPU, together pays from (number of cores) times as fast.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SIZES = {
    "demo": {"dims": {"audio": 128, "video": 1280}, "dim": 32, "key_dim": 32, "hidden_dim": 32, "blocks": 1},
    "paper": {"dims": {"audio": 128, "video": 4096}, "dim": 128, "key_dim": 128, "hidden_dim": 128, "blocks": 3},
}
BATCH, CLASSES, FRAMES = 40, 17, 10


def build(size: str, seed: int):
    """Returns a compiled model of the 2019 system."""
    import keras

    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam

    keras.utils.set_random_seed(seed)
    model = AudiovisualTransformer(classes=CLASSES, attention="sigmoid", positions=("video",), **SIZES[size])
    model.compile(Adam(1e-3), "binary_crossentropy")
    return model


def batch(size: str, runs: int):
    """Returns random inputs and targets for so many runs."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    inputs = {}
    for name, dim in SIZES[size]["dims"].items():
        inputs[name] = tf.constant(generator.normal(size=(runs * BATCH, FRAMES, dim)), tf.float16)
        inputs[f"{name}_mask"] = tf.ones((runs * BATCH, FRAMES), bool)
    return inputs, tf.constant(generator.random((runs * BATCH, CLASSES)) > 0.8, tf.float32)


def measure(size: str, seeds: int, steps: int) -> float:
    """Returns milliseconds per step and run; `seeds` 0: one model by Keras' own training step."""
    import tensorflow as tf

    if seeds:
        from avkeras.training.stacked import StackedModels

        models, given = StackedModels(build(size, seed) for seed in range(seeds)), batch(size, seeds)

        def step():
            return models.train_step(*given)
    else:
        model = build(size, 0)
        model.make_train_function()
        batches = iter(tf.data.Dataset.from_tensors(batch(size, 1)).repeat())

        def step():
            return model.train_function(batches)

    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return 1000 * (time.perf_counter() - start) / steps / max(1, seeds)


def main() -> None:
    """Alternates the ways round by round, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[4, 16], help="runs in one program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        size, seeds, steps = options.one
        print(measure(size, int(seeds), int(steps)))
        return
    for size in options.sizes:
        ways = [(0, "1"), *((seeds, str(os.cpu_count())) for seeds in options.seeds)]
        found = {way: [] for way in ways}
        for _ in range(options.rounds):
            for seeds, threads in ways:
                steps = str(max(3, 40 // max(1, seeds)))
                environment = os.environ | {"TF_NUM_INTRAOP_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
                command = [sys.executable, __file__, "--one", size, str(seeds), steps]
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                found[seeds, threads].append(float(done.stdout))
        alone = statistics.median(found[0, "1"])
        for (seeds, threads), times in found.items():
            what = f"{seeds} together, {threads} threads" if seeds else "apart, 1 thread"
            print(
                f"{size}: {what}: {statistics.median(times):.1f} ms ({min(times):.1f} to {max(times):.1f}), "
                f"{alone / statistics.median(times):.2f} times one process apart"
            )


if __name__ == "__main__":
    main()
