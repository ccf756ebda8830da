"""Where a training step's time goes, and how near each part is to what the machine can do.

    python benchmarks/roofline.py tagging
    python benchmarks/roofline.py transformer --batch 32
    python benchmarks/roofline.py conformer --batch 32

Some steps of the model as the other benchmarks time it are profiled (which makes them slower); the table gives for each
kind of operation its share of the threads' time, what it calculates, and that as a share of a ceiling measured in the
same process: of the speed of a 4096 x 4096 matrix product for convolutions and matrix products, of the speed at which
two arrays of 4 MB are added for all else, whose work is to read and write (it is taken to write as much as its largest
input; what is smaller stays in nearer caches). What is left are operations without inputs, compiled loops, and waiting.
"""

import argparse
import re
import tempfile
import time
from argparse import Namespace
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from sides import processor

AREA = 9  # of the kernels of all two-dimensional convolutions here
KINDS = {
    "convolution, forward": ("Conv2D",),
    "convolution, to its inputs": ("Conv2DBackpropInput",),
    "convolution, to its weights": ("Conv2DBackpropFilter",),
    "matrix product": ("MatMul", "_FusedMatMul"),
    "matrix products, one for each clip": ("BatchMatMulV2", "BatchMatMul", "BatchMatMulV3"),
}
CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "StatelessIf")
SIZE = {"float": 4, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bool": 1, "half": 2, "bfloat16": 2, "double": 8}


def training_step(options):
    if options.model == "tagging":
        from train_step_vs_pytorch import avkeras_step

        return avkeras_step(options.threads)
    from detection_step_vs_pytorch import avkeras_step

    given = Namespace(block=options.model, batch=options.batch, precision="float32", threads=options.threads)
    return avkeras_step(given)


def shapes_of(text):
    """Returns type and shape of each input, from `(float[2,3];int32[4])`."""
    return [
        (kind, tuple(int(size) for size in sizes.split(",") if size))
        for kind, sizes in re.findall(r"(\w+)\[([\d,]*)\]", text)
    ]


def work_of(kind, shapes):
    """Returns the floating-point operations of an operation that has a kind, from the shapes of its inputs."""
    shapes = [shape for _, shape in shapes]
    if kind == "convolution, forward":
        (batch, height, width, _), kernel = shapes[:2]
        return 2 * batch * height * width * int(np.prod(kernel))
    if kind == "convolution, to its inputs":
        return 2 * int(np.prod(shapes[2][:3])) * int(np.prod(shapes[1]))
    if kind == "convolution, to its weights":
        return 2 * int(np.prod(shapes[2])) * AREA * shapes[0][3]
    first, second = shapes[:2]
    # Which axes are summed over is not told: the first of the usual pairs whose sizes agree.
    pairs = ((first[-1], second[-2]), (first[-1], second[-1]), (first[-2], second[-2]), (first[-2], second[-1]))
    summed = next(one for one, other in pairs if one == other)
    return 2 * int(np.prod(first)) * int(np.prod(second)) // (summed * int(np.prod(second[:-2])))


def profiled(step, count):
    """Returns the seconds of a step, the median of `count`, and the operations of all: name, seconds, shapes."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    found = []
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(
            folder, options=tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
        ):
            times = [seconds(step) for _ in range(count)]
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            if "::" in name or ":" not in name or name.startswith("Eager"):
                continue
            operation = name.rsplit(":", 1)[1].replace("_MklNative", "").replace("_Mkl", "")
            told = {plane.stat_metadata[one.metadata_id].name: one for one in event.stats}
            shapes = (
                told["shape"].str_value or plane.stat_metadata[told["shape"].ref_value].name if "shape" in told else ""
            )
            if operation not in CALLS:
                found.append((operation, event.duration_ps * 1e-12, shapes_of(shapes)))
    return float(np.median(times)), found


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def fastest(call, rounds=5):
    return min([seconds(call) for _ in range(rounds + 1)][1:])


def ceilings():
    """Returns floating-point operations and bytes in a second, by one thread, as operations have here."""
    import tensorflow as tf

    side, long = 4096, 1 << 20
    square, one, other = tf.random.normal((side, side)), tf.random.normal((long,)), tf.random.normal((long,))
    product = tf.function(partial(tf.matmul, square, square), autograph=False)
    total = tf.function(partial(tf.add, one, other), autograph=False)
    return 2 * side**3 / fastest(product, rounds=2), 3 * 4 * long / fastest(total, rounds=50)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("tagging", "transformer", "conformer"))
    parser.add_argument("--batch", type=int, default=32, help="of the detection models, a multiple of 4")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    step = training_step(options)
    step()
    alone = fastest(step, options.rounds)
    speed, stream = ceilings()
    lanes = options.threads  # operations have one thread, and run side by side
    spent, work, moved, counts, rest = (Counter() for _ in range(5))
    wall, found = profiled(step, options.rounds)
    for operation, taken, shapes in ((name, taken / options.rounds, shapes) for name, taken, shapes in found):
        kind = next((kind for kind, names in KINDS.items() if operation in names), None)
        if kind is None and shapes:
            kind = "reading and writing"
            sizes = [SIZE.get(one, 0) * int(np.prod(shape)) / options.rounds for one, shape in shapes]
            moved[kind] += sum(sizes) + max(sizes)
            rest[operation] += taken
        elif kind is not None:
            work[kind] += work_of(kind, shapes) / options.rounds
        else:
            kind = "operations without inputs"
        spent[kind] += taken
        counts[kind] += 1
    print(processor())
    print(f"{options.model}, {options.threads} threads: a step of {1e3 * wall:.0f} ms ({1e3 * alone:.0f} unprofiled)")
    print(f"ceilings of a thread: {speed / 1e9:.0f} GFLOP/s, {stream / 1e9:.1f} GB/s")
    print("| kind | operations | ms | share of the step | work | speed | share of the ceiling |")
    print("|---|---|---|---|---|---|---|")
    for kind, taken in spent.most_common():
        cells = ["", "", ""]
        if kind in work:
            rate = work[kind] / taken
            cells = [f"{work[kind] / 1e9:.1f} GFLOP", f"{rate / 1e9:.0f} GFLOP/s", f"{rate / speed:.0%}"]
        elif moved[kind]:
            rate = moved[kind] / taken
            cells = [f"{moved[kind] / 1e9:.2f} GB", f"{rate / 1e9:.1f} GB/s", f"{rate / stream:.0%}"]
        share, count = taken / (lanes * wall), counts[kind] // options.rounds
        print(f"| {kind} | {count} | {1e3 * taken:.0f} | {share:.0%} | {' | '.join(cells)} |")
    left = lanes * wall - sum(spent.values())
    print(f"| compiled loops, and waiting | | {1e3 * left:.0f} | {left / (lanes * wall):.0%} | | | |")
    most = ", ".join(f"{name} {1e3 * taken:.0f}" for name, taken in rest.most_common(8))
    print(f"of reading and writing, ms: {most}")


if __name__ == "__main__":
    main()
