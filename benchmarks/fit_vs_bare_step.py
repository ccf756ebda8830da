"""What `fit` loses to the bare training step, and what the balanced pipeline feeds, on 50,000 clips.

    python benchmarks/stores.py --folder FOLDER            # once: writes the clips
    python benchmarks/fit_vs_bare_step.py --folder FOLDER

In turn, in rounds: the bare compiled step on one batch in memory; `fit` on the balanced pipeline; the pipeline alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import tensorflow as tf
    from stores import read_records

    from avkeras.data.dataset_options import as_written
    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam

    data = read_records(options.folder, options.clips)
    model = AudiovisualTransformer(dims={"video": 4096, "audio": 128})
    model.compile(Adam(1e-3), "binary_crossentropy")
    fed = iter(data)
    inputs, targets = next(fed)
    model.fit(data, steps_per_epoch=2, epochs=1, verbose=0, shuffle=False)
    times = {"bare step": [], "fit": [], "pipeline": []}

    class Clock:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            self.start = time.perf_counter()

        def __exit__(self, *_):
            times[self.name].append((time.perf_counter() - self.start) / options.steps)

    step = model.train_function

    memory = iter(as_written(tf.data.Dataset.from_tensors((inputs, targets)).cache().repeat()))
    step(memory)
    for _ in range(options.rounds):
        with Clock("bare step"):
            for _ in range(options.steps):
                step(memory)
        with Clock("fit"):
            model.fit(data, steps_per_epoch=options.steps, epochs=1, verbose=0, shuffle=False)
        for _ in range(5):
            next(fed)
        with Clock("pipeline"):
            for _ in range(options.steps):
                next(fed)
    for name, values in times.items():
        print(f"{name:10} {1e3 * np.median(values):7.1f} ms per batch of 40 (median of {options.rounds} rounds)")
    bare, fit, pipeline = (np.array(values) for values in times.values())
    print(f"fit loses {100 * (np.median(fit / bare) - 1):.1f} % to the bare step; "
          f"the pipeline alone feeds {np.median(bare / pipeline):.1f} times what the step consumes")  # fmt: skip


if __name__ == "__main__":
    main()
