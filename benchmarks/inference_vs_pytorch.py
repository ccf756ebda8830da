"""Answers of the 2019 model (video 10 x 4096 first, audio 10 x 128) for embedded clips against PyTorch on the CPU.

    python benchmarks/inference_vs_pytorch.py
    python benchmarks/inference_vs_pytorch.py --what one --threads 1

What is timed: `batch`, 1000 clips by `model.predict`, and `served`, by the exported model in batches of 200; `one`, a
clip by its signature, and `library`, the same by TensorFlow's C library, as `avkeras.load` has it; `call` and
`predict`, a clip by `model(x)` and `model.predict(x)`. PyTorch's best practice: in inference mode, 1000 clips in
batches of 200, from arrays to arrays. Both take turns, each in a process of its own.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from sides import processor, ratio_line, serve, take_turns

WHAT = {"batch": 1, "served": 1, "one": 50, "library": 50, "call": 10, "predict": 5}  # calls per round
BATCH = 200


def clips(count):
    generator = np.random.default_rng(0)
    return {
        "video": generator.normal(size=(count, 10, 4096)).astype("float32"),
        "audio": generator.normal(size=(count, 10, 128)).astype("float32"),
        "video_mask": np.ones((count, 10), bool),
        "audio_mask": np.ones((count, 10), bool),
    }


def avkeras_call(what, threads):
    from avkeras.runs.machine_settings import apply_settings

    if what in ("batch", "call", "predict"):  # a program's own; the exported model is used as TensorFlow is by itself
        apply_settings("tagging")
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    import avkeras as av
    from avkeras.saved_models.frozen_graph import write_graph
    from avkeras.saved_models.session import load_session
    from avkeras.serving.inference_graph import inference_graph
    from avkeras.serving.signatures import serving_module

    model = av.models.AudiovisualTransformer(classes=17, dims={"video": 4096, "audio": 128}, attention="softmax")
    x = clips(1000 if what in ("batch", "served") else 1)
    if what in ("one", "served"):
        module, signatures, _ = serving_module(model, embedders={})
        parts = [
            {name: tf.constant(value[start : start + BATCH]) for name, value in x.items()}
            for start in range(0, len(x["audio"]), BATCH)
        ]
        answer = signatures["serving_default"]
        return lambda: (module, [answer(**part)["probabilities"].numpy() for part in parts])
    if what == "library":
        folder = Path(tempfile.mkdtemp(), "graph")
        write_graph(inference_graph(model), folder)
        answer = load_session(folder).signatures["serving_default"]
        return lambda: answer(**x)
    if what == "call":
        return lambda: np.asarray(model(x, training=False))
    return lambda: model.predict(x, batch_size=BATCH, verbose=0)


def pytorch_call(what, threads):
    import torch
    from pytorch_audiovisual import AudiovisualTransformer

    if threads:
        torch.set_num_threads(threads)
    model = AudiovisualTransformer().eval()
    x = clips(1000 if what in ("batch", "served") else 1)
    names = ("video", "audio", "video_mask", "audio_mask")

    def call():
        with torch.inference_mode():
            parts = [
                model(*(torch.from_numpy(x[name][start : start + BATCH]) for name in names)).numpy()
                for start in range(0, len(x["audio"]), BATCH)
            ]
        return np.concatenate(parts)

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=tuple(WHAT), nargs="+", default=list(WHAT))
    parser.add_argument("--threads", type=int, help="default: as each of both likes")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", choices=("avkeras", "pytorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        (what,) = options.what
        make = {"avkeras": avkeras_call, "pytorch": pytorch_call}[options.serve]
        serve(partial(make, what, options.threads), WHAT[what])
        return
    print(processor())
    threads = ["--threads", str(options.threads)] if options.threads else []
    for what in options.what:
        commands = {side: [__file__, "--serve", side, "--what", what, *threads] for side in ("avkeras", "pytorch")}
        first, times = take_turns(commands, rounds=options.rounds, threads=options.threads)
        print(ratio_line(what, times))
        own, peer = first.values()
        print(f"    the first answer, imports and arrays included: {own:.1f} against {peer:.1f} s", flush=True)


if __name__ == "__main__":
    main()
