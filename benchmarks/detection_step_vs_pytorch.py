"""Mean-teacher step of the 2022 bi-encoder (512 x 64 log-mel, 64 x 512 visual) against PyTorch on the CPU.

    python benchmarks/detection_step_vs_pytorch.py --block transformer --batch 128
    python benchmarks/detection_step_vs_pytorch.py --block conformer --batch 32 --precision bfloat16
    python benchmarks/detection_step_vs_pytorch.py --frontend --batch 32

A step is the student's forward and backward pass, the teacher's forward pass, all four losses, rectified Adam and the
moving average; 15 % of the clips lack video. Both run in turn, in rounds, each in a process of its own that is stopped
while the other one is timed; the ratio is taken round by round. `--frontend` times the convolutional front end of
avkeras alone instead, says which share of the machine's peak it reaches and where its time goes.
"""

import argparse
import sys
import time
from functools import partial

import numpy as np
from sides import processor, ratio_line, serve, take_turns

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def make_batch(size):
    generator = np.random.default_rng(0)
    return {
        "audio": generator.normal(size=(size, 512, 64)).astype("float32"),
        "visual": generator.normal(size=(size, 64, 512)).astype("float32"),
        "present": generator.random(size) > 0.15,
        "supervision": np.repeat([2, 1, 0, 0], size // 4).astype("int32"),
        "clip": (generator.random((size, 10)) > 0.9).astype("float32"),
        "frame": (generator.random((size, 64, 10)) > 0.9).astype("float32"),
    }


def avkeras_step(options):
    from avkeras.runs.machine_settings import apply_settings

    apply_settings(options.block)  # oneDNN; threads are set here
    import tensorflow as tf

    # As `avkeras.runs.machine_settings` has it on two cores: operations side by side, the student's and the teacher's.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    import keras

    from avkeras.models.multi_encoder import MultiEncoder
    from avkeras.training.mean_teacher import MeanTeacher
    from avkeras.training.one_pass import in_one_pass
    from avkeras.training.rectified_adam import RectifiedAdam

    student = MultiEncoder(
        classes=10, visual_dims={"visual": 512}, block=options.block, dtype=PRECISIONS[options.precision]
    )
    model = MeanTeacher(student)
    model.compile(RectifiedAdam(keras.optimizers.schedules.ExponentialDecay(1e-3, 10000, 0.1)))
    batch = make_batch(options.batch)
    present = batch.pop("present")[:, None]
    batch["visual"] *= present[..., None]
    batch["audio_mask"], batch["visual_mask"] = np.ones((options.batch, 512), bool), np.repeat(present, 64, axis=1)
    batch = {name: tf.constant(value) for name, value in batch.items()}
    targets = {name: batch.pop(name) for name in ("supervision", "clip", "frame")}
    step = in_one_pass(tf.function(lambda: model.train_step((batch, targets))))  # as `fit` runs it
    return lambda: float(step()["loss"])


def pytorch_step(options):
    import torch
    from pytorch_multi_encoder import training_step

    torch.set_num_threads(options.threads)
    batch = make_batch(options.batch)
    batch["visual"] *= batch["present"][:, None, None]
    return training_step(batch, block=options.block, bfloat16=options.precision == "bfloat16")


def compare(options):
    commands = {side: [__file__, "--serve", side, *sys.argv[1:]] for side in ("avkeras", "pytorch")}
    first, times = take_turns(commands, rounds=options.rounds, threads=options.threads)
    print(processor())
    what = f"{options.block}, batch {options.batch}, {options.precision}, {options.threads} threads"
    print(ratio_line(what, times))
    print(f"    to the end of the first step: {first['avkeras']:.1f} against {first['pytorch']:.1f} s")


def frontend(options):
    """Times the student's forward and backward and the teacher's forward pass through the front end, by kind."""
    import tensorflow as tf

    # One operation at a time, which its time can be told of.
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import keras

    from avkeras.layers.conv_frontend import ConvFrontend

    student, teacher = (ConvFrontend(dtype=PRECISIONS[options.precision]) for _ in range(2))
    shape = (options.batch, 512, 64)
    audio, mask = tf.random.normal(shape), tf.ones(shape[:2], bool)
    for layer in (student, teacher):
        layer.build(shape)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.ops.cast(student(audio, mask, training=True)[0], "float32") ** 2)
        gradients = tape.gradient(loss, [weight.value for weight in student.trainable_variables])
        return loss, teacher(audio, mask, training=True)[0], gradients

    side = 4096
    square = tf.cast(tf.random.normal((side, side)), student.compute_dtype)
    product = tf.function(lambda: tf.matmul(square, square))
    times, kinds = {"step": [], "product": []}, []
    for _ in range(2):  # the first calls compile
        step(), product()
    for _ in range(options.rounds):
        for name, run in (("step", step), ("product", product)):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
        kinds.append(profile(step))
    peak = 2 * side**3 / np.median(times["product"]) / 1e9
    speed = convolution_work(student, shape) / np.median(times["step"]) / 1e9
    alone = np.median([kind["convolution"] for kind in kinds])
    print(
        f"front end, batch {options.batch}, {options.precision}, {options.threads} threads: "
        f"{1e3 * np.median(times['step']):.0f} ms (median of {options.rounds}; {1e3 * min(times['step']):.0f} to "
        f"{1e3 * max(times['step']):.0f}), {speed:.0f} GFLOP/s, {speed / peak:.0%} of a matrix product's {peak:.0f}; "
        f"the convolutions alone {convolution_work(student, shape) / alone / 1e9 / peak:.0%}"
    )
    for kind in kinds[0]:
        print(f"    {kind:60} {1e3 * np.median([found[kind] for found in kinds]):6.0f} ms")


def convolution_work(layer, shape):
    """Returns the floating-point operations: forward twice, backward once to weights and, but for the first, inputs."""
    total, (batch, frames, bands) = 0, shape
    for index, (convolution, pool) in enumerate(zip(layer.convolutions, layer.pooling, strict=True)):
        total += (4 if index else 3) * 2 * batch * frames * bands * int(np.prod(convolution.kernel.shape))
        frames, bands = frames // pool[0], bands // pool[1]
    return total


def profile(step):
    """Returns the seconds that each kind of operation takes."""
    import tempfile
    from pathlib import Path

    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    kinds = {
        "convolution": ("Conv2D",),
        "batch normalisation": ("FusedBatchNorm",),
        "masks, seeds, moving statistics": ("",),
    }
    seconds, total = dict.fromkeys(kinds, 0.0), 0.0
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            step()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                total += event.duration_ps * 1e-12 if name.startswith("EagerLocalExecute") else 0.0
                if "::" in name or ":" not in name or name.startswith("Eager"):
                    continue
                operation = name.rsplit(":", 1)[1]
                kind = next(kind for kind, parts in kinds.items() if any(part in operation for part in parts))
                seconds[kind] += event.duration_ps * 1e-12
    # Compiled loops have no event of their own.
    return {**seconds, "ReLU, dropout and pooling, in one loop": total - sum(seconds.values())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", choices=("transformer", "conformer"), default="transformer")
    parser.add_argument("--batch", type=int, default=128, help="a multiple of 4")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1, help="per round")
    parser.add_argument("--frontend", action="store_true", help="the front end of avkeras alone")
    parser.add_argument("--serve", choices=("avkeras", "pytorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        make = {"avkeras": avkeras_step, "pytorch": pytorch_step}[options.serve]
        serve(partial(make, options), options.steps)
    elif options.frontend:
        frontend(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
