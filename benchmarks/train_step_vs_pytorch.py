"""Training step of the 2019 model (batch 40, video 10 x 4096 first, audio 10 x 128 second) against PyTorch on the CPU.

    python benchmarks/train_step_vs_pytorch.py --threads 1
    python benchmarks/train_step_vs_pytorch.py --threads 2

Both run in turn, in rounds, each in a process of its own that is stopped while the other one is timed; the ratio is
taken round by round.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import numpy as np

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


def serve(side, threads):
    """Times a round for each line on standard input."""
    step = {"avkeras": avkeras_step, "pytorch": pytorch_step}[side](threads)
    for _ in range(5):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        print((time.perf_counter() - start) / STEPS, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", choices=("avkeras", "pytorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.threads)
        return
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    sides = {}
    for side in ("avkeras", "pytorch"):
        command = [sys.executable, __file__, "--serve", side, "--threads", str(options.threads)]
        if options.threads == 1:
            command = ["taskset", "-c", "0", *command]
        sides[side] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        while sides[side].stdout.readline().strip() != "ready":
            if sides[side].poll() is not None:
                sys.exit(f"{side} ended before it was ready")
        sides[side].send_signal(signal.SIGSTOP)
    times = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, process in sides.items():
            process.send_signal(signal.SIGCONT)
            process.stdin.write("go\n")
            process.stdin.flush()
            times[side].append(float(process.stdout.readline()))
            process.send_signal(signal.SIGSTOP)
    for process in sides.values():
        process.kill()
    ratios = np.array(times["pytorch"]) / np.array(times["avkeras"])
    for side, values in times.items():
        print(
            f"{side:8} {1e3 * min(values):7.1f} min {1e3 * np.median(values):7.1f} median ms/step, "
            f"{options.threads} threads"
        )
    print(f"avkeras is {np.median(ratios):.2f} times as fast (median of {options.rounds} rounds; "
          f"{ratios.min():.2f} to {ratios.max():.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
