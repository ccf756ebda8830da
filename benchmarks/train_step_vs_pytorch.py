"""Training step of the 2019 model (batch 40, video 10 x 4096 first, audio 10 x 128 second) against PyTorch on the CPU.

    python benchmarks/train_step_vs_pytorch.py --threads 1
    python benchmarks/train_step_vs_pytorch.py --threads 2

Both run in turn, in rounds, each in a process of its own that is stopped while the other one is timed; the ratio is
taken round by round.
"""

import argparse
from functools import partial

import numpy as np
from sides import processor, ratio_line, serve, take_turns

STEPS = 8  # per round


def make_batch():
    generator = np.random.default_rng(0)
    return {
        "video": generator.normal(size=(40, 10, 4096)).astype("float32"),
        "audio": generator.normal(size=(40, 10, 128)).astype("float32"),
        "video_mask": np.ones((40, 10), bool),
        "audio_mask": np.ones((40, 10), bool),
        "targets": (generator.random((40, 17)) > 0.9).astype("float32"),
    }


def avkeras_step(threads):
    from avkeras.runs.machine_settings import apply_settings

    apply_settings("tagging")  # oneDNN; threads are set here
    import tensorflow as tf

    # Threads inside these small operations cost more than they give; operations side by side gain.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam

    model = AudiovisualTransformer(dims={"video": 4096, "audio": 128}, attention="softmax")
    model.compile(Adam(1e-3), "binary_crossentropy")
    batch = {name: tf.constant(value) for name, value in make_batch().items()}
    targets = batch.pop("targets")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(targets, model(batch, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return lambda: float(step())


def pytorch_step(threads):
    import torch
    from pytorch_audiovisual import training_step

    torch.set_num_threads(threads)
    return training_step(make_batch())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", choices=("avkeras", "pytorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        make = {"avkeras": avkeras_step, "pytorch": pytorch_step}[options.serve]
        serve(partial(make, options.threads), STEPS)
        return
    commands = {side: [__file__, "--serve", side, "--threads", str(options.threads)] for side in ("avkeras", "pytorch")}
    first, times = take_turns(commands, rounds=options.rounds, threads=options.threads)
    print(processor())
    print(ratio_line(f"training step of 2019, {options.threads} threads", times))
    print(f"    to the end of the first step: {first['avkeras']:.1f} against {first['pytorch']:.1f} s")


if __name__ == "__main__":
    main()
