"""Training steps of avkeras on Keras' PyTorch backend against PyTorch on the CPU: the first one, and the later ones.

    python benchmarks/pytorch_backend.py tagging
    python benchmarks/pytorch_backend.py transformer --batch 16
    python benchmarks/pytorch_backend.py conformer --batch 16

The peers are those of `train_step_vs_pytorch.py` and `detection_step_vs_pytorch.py`, whose steps of avkeras run on
TensorFlow. No graph is written here, so that the first step is soon done; later ones take longer than there. A step of
avkeras is `train_on_batch`. The first pair of processes, which reads packages from the disk, is not counted.
"""

import argparse
import os
from functools import partial

import detection_step_vs_pytorch as detection
import numpy as np
import train_step_vs_pytorch as tagging
from sides import processor, ratio_line, serve, take_turns


def avkeras_step(options):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    torch.set_num_threads(options.threads)
    model, batch, targets = (tagging_model if options.model == "tagging" else detection_model)(options, keras)
    return lambda: float(model.train_on_batch(batch, targets, return_dict=True)["loss"])


def tagging_model(options, keras):
    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam

    model = AudiovisualTransformer(dims={"video": 4096, "audio": 128}, attention="softmax")
    model.compile(Adam(1e-3), "binary_crossentropy")
    batch = tagging.make_batch()
    return model, batch, batch.pop("targets")


def detection_model(options, keras):
    from avkeras.models.multi_encoder import MultiEncoder
    from avkeras.training.mean_teacher import MeanTeacher
    from avkeras.training.rectified_adam import RectifiedAdam

    model = MeanTeacher(MultiEncoder(classes=10, visual_dims={"visual": 512}, block=options.model))
    model.compile(RectifiedAdam(keras.optimizers.schedules.ExponentialDecay(1e-3, 10000, 0.1)))
    batch = detection.make_batch(options.batch)
    present = batch.pop("present")[:, None]
    batch["visual"] *= present[..., None]
    batch["audio_mask"], batch["visual_mask"] = np.ones((options.batch, 512), bool), np.repeat(present, 64, axis=1)
    return model, batch, {name: batch.pop(name) for name in ("supervision", "clip", "frame")}


def pytorch_step(options):
    if options.model == "tagging":
        return tagging.pytorch_step(options.threads)
    options.block, options.precision = options.model, "float32"
    return detection.pytorch_step(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("tagging", "transformer", "conformer"))
    parser.add_argument("--batch", type=int, default=16, help="of the 2022 models, a multiple of 4; 2019: 40")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--starts", type=int, default=3, help="pairs of processes; each runs the rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=("avkeras", "pytorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(partial({"avkeras": avkeras_step, "pytorch": pytorch_step}[options.serve], options), 1)
        return
    given = [options.model, "--batch", str(options.batch), "--threads", str(options.threads)]
    commands = {side: [__file__, "--serve", side, *given] for side in ("avkeras", "pytorch")}
    starts, times = [], {side: [] for side in commands}
    for start in range(1 + options.starts):
        first, found = take_turns(commands, rounds=options.rounds if start else 0, threads=options.threads)
        starts += [(first["avkeras"], first["pytorch"])] if start else []
        for side, seconds in found.items():
            times[side] += seconds
    print(processor())
    shares = [ours / peer for ours, peer in starts]
    seconds = ", ".join(f"{ours:.1f} against {peer:.1f}" for ours, peer in starts)
    print(
        f"{options.model} on the PyTorch backend, to the end of the first step, imports included: {seconds} s; at most "
        f"{max(shares):.2f} times PyTorch's, median {np.median(shares):.2f}"
    )
    print(ratio_line("    later steps", times))


if __name__ == "__main__":
    main()
