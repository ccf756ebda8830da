"""Stores of embeddings, 20,000 clips of 10 x (128 + 4096) half-precision values: TFRecord and random access.

    python benchmarks/stores.py --folder FOLDER [--clips 50000] [--cold]

All feed balanced batches of 40. TFRecord cannot be read at random, so its balanced pipeline is the usual one: a file
per class, shuffled within a buffer, drawn by weight. avkeras.data.records reads each clip where it lies: `mapped` is
what avkeras does, the file as a tensor; `tensorflow-io` reads the same files by calls of that package's `IO>FileRead`,
and is left out where it does not load. Reported: batches per second, and the most anonymous memory (what the system
could not drop: not the mapped file itself) of the process that reads; each store is read in a process of its own.
`--cold` first drops the files from the system's cache.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
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


def read_mapped(folder, clips):
    from avkeras.data.clip_set import ClipSet
    from avkeras.data.manifest import Clip
    from avkeras.data.records import RecordReader
    from avkeras.data.sampling import BalancedSampler

    names = [f"c{label}" for label in range(CLASSES)]
    rows = [Clip(str(n), Path("x"), None, "train", (names[label],)) for n, label in enumerate(classes_of(clips))]
    clip_set = ClipSet(rows, {name: RecordReader(folder / "records" / name) for name in DIMS}, names)
    return clip_set.training_dataset(BalancedSampler(clip_set.targets), steps=10_000)


def read_tensorflow_io(folder, clips):
    """The same batches of the same files, each clip read by a call of tensorflow-io's operation."""
    import tensorflow as tf
    from tensorflow_io.python.ops import core_ops

    from avkeras.data import clip_set

    def embedding_reader(store, ids):
        path, row_bytes = str(store.folder / "data.f16"), 2 * store.dim
        records = [store.records[id] for id in ids]
        counts = np.array([record.frames for record in records], np.int64)
        with tf.init_scope():
            rows = tf.constant(np.array([record.row for record in records], np.int64))
            counts = tf.constant(counts)

        def read(indices):
            count = tf.gather(counts, indices)
            most = tf.reduce_max(count)
            data = tf.map_fn(
                lambda place: core_ops.io_file_read(path, place[0], place[1], compression=""),
                (tf.gather(rows, indices) * row_bytes, count * row_bytes),
                fn_output_signature=tf.string,
                parallel_iterations=1,
            )
            numbers = tf.io.decode_raw(data, tf.uint16, fixed_length=tf.cast(most, tf.int32) * row_bytes)
            values = tf.reshape(tf.bitcast(numbers, tf.float16), (-1, most, store.dim))
            return values, tf.range(most) < count[:, None]

        return read

    clip_set.embedding_reader = embedding_reader
    return read_mapped(folder, clips)


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


READERS = {"mapped": read_mapped, "tensorflow-io": read_tensorflow_io, "tfrecord": read_tfrecord}


def anonymous():
    """Gigabytes of this process that are in no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e6


def drop_from_cache(folder):
    for file in folder.rglob("*.*"):
        opened = os.open(file, os.O_RDONLY)
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(opened)


def read(store, folder, clips, batches):
    import tensorflow as tf

    tf.constant(0)
    peak, stop, before = [0.0], threading.Event(), anonymous()

    def watch():
        while not stop.wait(0.01):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    iterator = iter(READERS[store](folder, clips))
    next(iterator)
    first = time.perf_counter() - start
    for _ in range(batches // 10):
        next(iterator)
    start = time.perf_counter()
    for _ in range(batches):
        next(iterator)
    rate = batches / (time.perf_counter() - start)
    stop.set()
    watcher.join()
    print(
        json.dumps(
            {
                "first batch s": round(first, 2),
                "batches per s": round(rate, 1),
                "anonymous GB": round(peak[0], 2),
                "before GB": round(before, 2),
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True, help="about 4 GB for 20,000 clips; kept")
    parser.add_argument("--cold", action="store_true", help="drop the files from the cache before each reading")
    parser.add_argument("--read", choices=READERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read, options.folder, options.clips, options.batches)
        return
    if not (options.folder / "tfrecord").exists():
        write(options.folder, options.clips)
    found = {name: [] for name in READERS}
    for _ in range(options.rounds):
        for store, rows in found.items():
            if options.cold:
                drop_from_cache(options.folder)
            command = [sys.executable, *sys.argv, "--read", store]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{store:13} does not run here: {done.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{store:13} {rows[-1]}", flush=True)
    for store in ("tensorflow-io", "tfrecord"):
        if found[store]:
            pairs = zip(found["mapped"], found[store], strict=True)
            ratio = np.median([a["batches per s"] / b["batches per s"] for a, b in pairs])
            print(f"mapped feeds {ratio:.2f} times as many batches as {store} (median of {options.rounds} rounds)")


if __name__ == "__main__":
    main()
