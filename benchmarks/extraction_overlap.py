"""Whole extraction against the slower of its two halves: decoding alone, and the network alone.

    python benchmarks/extraction_overlap.py visual                 # EfficientNet-Lite0 on the demo's clips
    python benchmarks/extraction_overlap.py visual --film          # the same on 640 x 360 H.264, slow to decode
    python benchmarks/extraction_overlap.py audio                  # VGGish (random weights: as fast as trained ones)
    python benchmarks/extraction_overlap.py audio --network vggish_stand_in
    python benchmarks/extraction_overlap.py visual --cores all
    python benchmarks/extraction_overlap.py visual --film --waits 150    # 150 ms a clip that cost no processor: a GPU

Clips of ten seconds are encoded by the demo maker. "Decoding alone" is `extract` with a network that answers zeros at
once, "the network alone" is its thread fed with what was decoded before, "whole" is `extract`; each into new stores.

Both halves compute on the CPU, so they overlap only where there are cores for both. `--cores one`: decoding (one
worker) has the first core and the network (one thread) the second, in all three measurements; the ratio whole / slower
half would be 1 with perfect overlap, and (decoding + network) / slower half with none. Cores of one machine share
caches and memory, so each half is also measured while the other one runs in a process of its own on the other core:
what the machine allows, without anything of ours between the halves. `--cores all`: as many workers as cores,
TensorFlow's threads as `avkeras extract` sets them; here nothing can be won once both halves keep all cores busy, so
the ratio to the processor time of the halves shared by all cores is printed too.
"""

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from frames_vs_peers import write_clip

RATE = 16_000


def make_clips(folder, count, film):
    """Returns so many clips, of 16 files of the demo's that have video, or of its sounds with larger pictures."""
    from avkeras.data.manifest import Clip
    from avkeras.datasets.demo.make import make_demo

    manifest = make_demo(
        folder, clips={"train": 16, "validation": 1, "test": 1}, without_video=0.0, seconds=(10.0, 10.0)
    )
    if film:
        write_clip(folder / "film.mp4")
    made = itertools.islice(itertools.cycle(manifest.split("train")), count)
    return [
        Clip(str(number), clip.audio, folder / "film.mp4" if film else clip.video, "train")
        for number, clip in enumerate(made)
    ]


def load(name):
    """Returns an embedder; VGGish and VGG16 with random weights."""
    import tensorflow as tf

    from avkeras.features.embedders import KNOWN, Embedder, load_embedder

    if name == "vggish":
        from avkeras.features.networks import vggish

        network = vggish.build_vggish()
        call = tf.function(lambda wave: network(vggish.log_mel_patches(wave), training=False))
        call = call.get_concrete_function(tf.TensorSpec([None], tf.float32))
    elif name == "vgg16":
        from avkeras.features.networks import vgg16

        network = vgg16.build_vgg16()
        call = tf.function(lambda pictures: network(vgg16.caffe_preprocess(pictures), training=False))
        call = call.get_concrete_function(tf.TensorSpec([None, 224, 224, 3], tf.float32))
    else:
        return load_embedder(name)
    return Embedder(KNOWN[name], lambda array: call(tf.constant(array)), fingerprint=name, module=network)


def zeros(spec):
    """An embedder that costs nothing and answers with as many rows."""
    from avkeras.features.embedders import Embedder

    def rows(array):
        frames = len(array)
        if spec.modality == "audio":
            frames = 1 + (len(array) - spec.least_samples) // round(spec.hop * RATE)
        return np.zeros((max(0, frames), spec.dim), np.float32)

    return Embedder(spec, rows, fingerprint="zeros")


class Company:
    """The other half, in a process of its own that runs only inside `with`."""

    def __init__(self, half, folder):
        command, environment = [sys.executable, *sys.argv, "--half", half], {**os.environ, "TMPDIR": folder}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"the process for {half} did not begin")
        self.process.send_signal(signal.SIGSTOP)

    def __enter__(self):
        self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *exception):
        self.process.send_signal(signal.SIGSTOP)


def waiting(spec, milliseconds):
    """An embedder that takes so long for ten frames and leaves the processor alone meanwhile, as a GPU does."""
    from avkeras.features.embedders import Embedder

    answer = zeros(spec).function

    def rows(array):
        found = answer(array)
        time.sleep(milliseconds / 1e4 * len(found))
        return found

    return Embedder(spec, rows, fingerprint="waits")


def measure(work):
    """Returns the seconds and the processor seconds that it takes."""
    start, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - processor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modality", choices=("audio", "visual"))
    parser.add_argument("--network", help="default: vggish, efficientnet_lite0")
    parser.add_argument("--waits", type=float, metavar="MS", help="no network: so much waiting for a clip")
    parser.add_argument("--film", action="store_true", help="pictures of 640 x 360 in place of the demo's")
    parser.add_argument("--cores", choices=("one", "all"), default="one", help="for each half")
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--half", choices=("decoding alone", "network alone"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.cores == "all":
        from avkeras.runs.machine_settings import apply_extraction_settings

        apply_extraction_settings()
    import tensorflow as tf

    from avkeras.features.clip_pipeline import ClipPipeline
    from avkeras.features.embedders import KNOWN, Embedder
    from avkeras.features.extract import WindowReader, extract
    from avkeras.features.network_thread import NetworkThread

    cores = sorted(os.sched_getaffinity(0))
    if options.cores == "one":
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    network = load(options.network or {"audio": "vggish", "visual": "efficientnet_lite0"}[options.modality])
    if options.waits:
        network = waiting(network.spec, options.waits)
    modality = network.spec.modality

    def on_its_core(array):
        if options.cores == "one":
            os.sched_setaffinity(0, cores[1:2])  # of this thread
        return network.function(array)

    pinned = Embedder(network.spec, on_its_core, fingerprint="pinned")

    def embedders(embedder):
        if modality == "audio":
            return {"audio_embedder": embedder, "video_embedder": None}
        return {"audio_embedder": zeros(KNOWN["vggish"]), "video_embedder": embedder}

    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(Path(folder) / "demo", options.clips, options.film)
        pieces = []

        def keep(array):
            pieces.append(array)
            return zeros(network.spec).function(array)

        with ClipPipeline(
            WindowReader(*embedders(Embedder(network.spec, keep, fingerprint="")).values()), workers=1
        ) as p:
            for features in p.submit_all([(clip.audio, clip.video) for clip in clips]):
                features.result()
        if modality == "video":  # as decoded, and not the batches
            pieces = [(255 * batch).round().astype(np.uint8) for batch in pieces]
        network.embed_piece(zero_input(pieces[0]))  # what TensorFlow does once
        if options.cores == "one":
            for task in os.listdir("/proc/self/task"):
                os.sched_setaffinity(int(task), cores[1:2])  # TensorFlow's threads
            os.sched_setaffinity(0, cores[:1])  # threads to come are begun by this one
        workers = 1 if options.cores == "one" else len(cores)
        runs = itertools.count()

        def run(embedder):
            extract(clips, Path(folder) / str(next(runs)), workers=workers, **embedders(embedder))

        def network_alone():
            thread = NetworkThread(pinned)
            rows = [thread.submit(piece) for piece in pieces]
            thread.flush()
            for part in rows:
                part.result()
            thread.stop()
            thread.join()

        works = {
            "decoding alone": lambda: run(zeros(network.spec)),
            "network alone": network_alone,
            "whole": lambda: run(pinned),
        }
        if options.half:
            print("ready", flush=True)
            while True:
                works[options.half]()
        company = {}
        if options.cores == "one" and not options.waits:
            os.sched_setaffinity(0, cores)  # the processes choose their own
            company = {half: Company(half, folder) for half in ("network alone", "decoding alone")}
            os.sched_setaffinity(0, cores[:1])
        names = [*works, *(f"{half}, beside the other" for half in company)]
        found = {name: [] for name in names}
        for _ in range(options.rounds):
            for name, work in works.items():
                found[name].append(measure(work))
            for (half, work), other in zip(list(works.items())[:2], company.values(), strict=False):
                with other:
                    found[f"{half}, beside the other"].append(measure(work))
        for other in company.values():
            other.process.kill()
    name = f"{options.waits:g} ms of waiting" if options.waits else network.spec.name
    print(f"{name}, {len(clips)} clips of 10 s, {workers} decoding, {options.cores} core(s) for each half")
    for name, values in found.items():
        seconds = [1e3 * value / len(clips) for value, _ in values]
        print(f"  {name:33} {statistics.median(seconds):6.1f} ms a clip ({min(seconds):.1f} to {max(seconds):.1f})")
    by_round = list(zip(*(found[name] for name in works), strict=True))
    show("whole / slower half", [whole[0] / max(decode[0], net[0]) for decode, net, whole in by_round])
    show("without overlap", [(decode[0] + net[0]) / max(decode[0], net[0]) for decode, net, _ in by_round])
    if company:
        beside = zip(found["whole"], *(found[f"{half}, beside the other"] for half in company), strict=True)
        show("whole / slower half beside the other", [whole[0] / max(a[0], b[0]) for whole, a, b in beside])
    if options.cores == "all":
        shared = [whole[0] / ((decode[1] + net[1]) / len(cores)) for decode, net, whole in by_round]
        show("whole / processor time of both halves over all cores", shared)


def zero_input(piece):
    return np.zeros((32, *piece.shape[1:]) if piece.ndim == 4 else piece.shape, np.float32)


def show(name, ratios):
    print(f"  {name}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
