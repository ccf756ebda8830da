"""Two stores of embeddings on 50,000 clips of 10 x (128 + 4096) half-precision values: TFRecord and random access.

    python benchmarks/stores.py --clips 50000 --folder FOLDER

Both feed balanced batches of 40. TFRecord cannot be read at random, so its balanced pipeline is the usual one: a file
per class, shuffled within a buffer, drawn by weight. avkeras.data.records reads each clip where it lies. Reported:
batches per second, and the resident memory of the process that reads (each store is read in a process of its own).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

DIMS = {"audio": 128, "video": 4096}
CLASSES = 17


def classes_of(clips):
    """One class per clip, as imbalanced as the real data."""
    weights = np.geomspace(130, 1, CLASSES)
    return np.random.default_rng(0).choice(CLASSES, size=clips, p=weights / weights.sum())


def values(generator):
    return {name: generator.standard_normal((10, dim), np.float32).astype(np.float16) for name, dim in DIMS.items()}


def write(folder, clips):
    import tensorflow as tf

    from avkeras.data.records import RecordWriter

    generator = np.random.default_rng(1)
    pool = [values(generator) for _ in range(64)]
    start = time.perf_counter()
    writers = {name: RecordWriter(folder / "records" / name, {"dim": dim}) for name, dim in DIMS.items()}
    for clip in range(clips):
        for name, writer in writers.items():
            writer.write(str(clip), "m", pool[clip % 64][name])
    for writer in writers.values():
        writer.close()
    print(f"records   written in {time.perf_counter() - start:6.1f} s")
    start = time.perf_counter()
    (folder / "tfrecord").mkdir()
    files = [tf.io.TFRecordWriter(str(folder / "tfrecord" / f"{label:02}.tfrecord")) for label in range(CLASSES)]
    for clip, label in enumerate(classes_of(clips)):
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))
            for name, array in pool[clip % 64].items()
        }
        features["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
        files[label].write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    for file in files:
        file.close()
    print(f"tfrecord  written in {time.perf_counter() - start:6.1f} s")


def read_records(folder, clips):
    from avkeras.data.clip_set import ClipSet
    from avkeras.data.manifest import Clip
    from avkeras.data.records import RecordReader
    from avkeras.data.sampling import BalancedSampler

    names = [f"c{label}" for label in range(CLASSES)]
    rows = [Clip(str(n), Path("x"), None, "train", (names[label],)) for n, label in enumerate(classes_of(clips))]
    clip_set = ClipSet(rows, {name: RecordReader(folder / "records" / name) for name in DIMS}, names)
    return clip_set.training_dataset(BalancedSampler(clip_set.targets), steps=10_000)


def read_tfrecord(folder, clips):
    import tensorflow as tf

    def parse(batch):
        features = {name: tf.io.FixedLenFeature([], tf.string) for name in DIMS}
        features["label"] = tf.io.FixedLenFeature([], tf.int64)
        parsed = tf.io.parse_example(batch, features)
        inputs = {
            name: tf.cast(tf.reshape(tf.io.decode_raw(parsed[name], tf.float16), (-1, 10, dim)), tf.float32)
            for name, dim in DIMS.items()
        }
        return inputs, tf.one_hot(parsed["label"], CLASSES)

    files = sorted((folder / "tfrecord").glob("*.tfrecord"))
    streams = [tf.data.TFRecordDataset(str(file)).shuffle(200).repeat() for file in files]
    counts = np.bincount(classes_of(clips), minlength=CLASSES)
    shares = np.minimum(counts // 1000 + 1, 5)
    drawn = tf.data.Dataset.sample_from_datasets(streams, list(shares / shares.sum()), seed=0)
    return drawn.batch(40).map(parse, num_parallel_calls=2).prefetch(4)


def read(store, folder, clips, batches):
    start = time.perf_counter()
    iterator = iter({"records": read_records, "tfrecord": read_tfrecord}[store](folder, clips))
    next(iterator)
    first = time.perf_counter() - start
    for _ in range(batches // 10):
        next(iterator)
    start = time.perf_counter()
    for _ in range(batches):
        next(iterator)
    rate = batches / (time.perf_counter() - start)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        json.dumps(
            {"first batch s": round(first, 2), "batches per s": round(rate, 1), "resident GB": round(resident, 2)}
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=50_000)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True, help="about 9 GB for 50,000 clips; kept")
    parser.add_argument("--read", choices=("records", "tfrecord"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read, options.folder, options.clips, options.batches)
        return
    if not (options.folder / "tfrecord").exists():
        write(options.folder, options.clips)
    found = {"records": [], "tfrecord": []}
    for _ in range(options.rounds):
        for store, rows in found.items():
            command = [sys.executable, *sys.argv, "--read", store]
            rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            print(f"{store:9} {rows[-1]}", flush=True)
    ratios = [a["batches per s"] / b["batches per s"] for a, b in zip(found["records"], found["tfrecord"], strict=True)]
    print(f"records feed {np.median(ratios):.2f} times as many batches as TFRecord (median of {options.rounds} rounds)")


if __name__ == "__main__":
    main()
