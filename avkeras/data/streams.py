"""Batches of strongly labelled, weakly labelled and unlabelled clips, each kind a stream of its own."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.dataset_options import as_written
from avkeras.data.labels import SUPERVISION_CODES

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PAPER_COUNTS = {"strong": 32, "weak": 32, "unlabelled": 64}


class StreamSampler:
    """Draws batches that hold a fixed number of clips of each kind of supervision (2022, section 3.1.5).

    Each kind is a stream that repeats for ever: every clip of it is drawn once, in a random order, before any is drawn
    again, and batches run on across that border. A batch is a pure function of (seed, step): a resumed run sees
    what an uninterrupted one would have seen.

    Args:
        supervision: `"strong"`, `"weak"` or `"unlabelled"` per clip.
        counts: clips of each kind per batch, in the order in which they stand in it; default: 32, 32 and 64.
        seed: of the orders.

    Raises:
        ValueError: a kind that `counts` asks for has no clips.

    Example:
        >>> sampler = StreamSampler(["strong"] * 5 + ["weak"] * 3, counts={"strong": 2, "weak": 1}, seed=1)
        >>> batch = sampler.batches(0, 1)[0]
        >>> bool(batch[:2].max() < 5 <= batch[2])
        True
    """

    def __init__(self, supervision: Sequence[str], *, counts: Mapping[str, int] = PAPER_COUNTS, seed: int = 0) -> None:
        supervision = np.asarray(supervision)
        if unknown := sorted({*supervision.tolist(), *counts} - set(SUPERVISION_CODES)):
            raise ValueError(f"supervision '{unknown[0]}' is none of {', '.join(SUPERVISION_CODES)}")
        self.counts = {kind: count for kind, count in counts.items() if count}
        self.batch_size = sum(self.counts.values())
        self.seed = seed
        self.clips = {kind: np.flatnonzero(supervision == kind) for kind in self.counts}
        for kind, clips in self.clips.items():
            if not len(clips):
                raise ValueError(f"no clip is {kind}, counts asks for {self.counts[kind]} a batch; set it to 0")

    def batches(self, first: int, stop: int) -> np.ndarray:
        """Returns the indices of the clips of batches `first` to `stop`, `(stop - first, batch_size)`."""
        drawn = []
        for kind, count in self.counts.items():
            clips, name = self.clips[kind], zlib.crc32(kind.encode())
            times = range(first * count // len(clips), -(-stop * count // len(clips)))
            orders = [np.random.default_rng((self.seed, name, number)).permutation(clips) for number in times]
            start = first * count - times.start * len(clips)
            indices = np.concatenate([clips[:0], *orders])[start : start + (stop - first) * count]
            drawn.append(indices.reshape(-1, count))
        return np.concatenate(drawn, axis=1)


def stream_dataset(
    sampler: StreamSampler,
    load: Callable,
    *,
    steps: int,
    start_step: "int | keras.Variable" = 0,
    augment: Callable | None = None,
    parallel: int = 2,
) -> "tf.data.Dataset":
    """Returns the endless batches of a sampler from `start_step`, for `model.fit(dataset, steps_per_epoch=250)`.

    Args:
        sampler: says which clips are in a batch.
        load: takes the indices of a batch, int64 `(batch,)`, and returns `(x, y)` as tensors.
        steps: batches of the whole training, epochs times steps per epoch; after these the same clips come again.
        start_step: the first batch. A variable is read each time that an iterator starts, which is after
            `BackupAndRestore` has restored the model: `model.steps` goes on where a `MeanTeacher` stopped. Not
            `optimizer.iterations`: TensorFlow may raise it while a step still waits for its batch.
        augment: takes `(x, y, seed=(sampler.seed, step))` and returns `(x, y)`: for example `mixup`.
        parallel: batches loaded at the same time; their order stays.

    Returns:
        A data set of `(x, y)`.

    Example:
        >>> import tensorflow as tf
        >>> values = tf.constant([[1.0], [2.0], [3.0]])
        >>> sampler = StreamSampler(["weak"] * 3, counts={"weak": 3})
        >>> batches = stream_dataset(sampler, lambda indices: ({"audio": tf.gather(values, indices)}, {}), steps=5)
        >>> sorted(next(iter(batches))[0]["audio"].numpy().ravel().tolist())
        [1.0, 2.0, 3.0]
    """
    import tensorflow as tf

    clips = tf.constant(sampler.batches(0, steps))

    def batch(step):
        x, y = load(tf.gather(clips, step % steps))
        return (x, y) if augment is None else augment(x, y, seed=tf.stack([tf.constant(sampler.seed, tf.int64), step]))

    def from_start(_):  # a data set within one, so that the variable is read when the iterator starts
        return tf.data.Dataset.range(tf.cast(start_step, tf.int64), tf.int64.max)

    numbers = tf.data.Dataset.range(1).flat_map(from_start)
    return as_written(numbers.map(batch, num_parallel_calls=parallel, deterministic=True).prefetch(2))
