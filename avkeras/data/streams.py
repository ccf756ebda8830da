"""Batches of strongly labelled, weakly labelled and unlabelled clips, each kind a stream of its own."""

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.labels import SUPERVISION_CODES

if TYPE_CHECKING:
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
        >>> batch = sampler.batch(0)
        >>> batch[:2].max() < 5 <= batch[2]
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
        self._order = functools.lru_cache(maxsize=2 * len(self.counts) or 1)(self._shuffle)

    def _shuffle(self, kind: str, times: int) -> np.ndarray:
        """Returns the clips of a kind in the order in which they are drawn for the `times`-th time."""
        return np.random.default_rng((self.seed, zlib.crc32(kind.encode()), times)).permutation(self.clips[kind])

    def batch(self, step: int) -> np.ndarray:
        """Returns the indices of the clips of batch `step`, `(batch_size,)`."""
        drawn = []
        for kind, count in self.counts.items():
            rounds, places = np.divmod(np.arange(step * count, (step + 1) * count), len(self.clips[kind]))
            drawn += [self._order(kind, int(times))[place] for times, place in zip(rounds, places, strict=True)]
        return np.array(drawn, np.int64)


def stream_dataset(
    sampler: StreamSampler,
    load: Callable,
    *,
    start_step: int | Callable[[], int] = 0,
    augment: Callable | None = None,
    parallel: int = 2,
) -> "tf.data.Dataset":
    """Returns the endless batches of a sampler, for `model.fit(dataset, steps_per_epoch=250)`.

    Args:
        sampler: says which clips are in batch `step`.
        load: takes the indices of a batch, int64 `(batch,)`, and returns `(x, y)` as tensors.
        start_step: the first batch. A function is asked each time that an iterator starts, which is after
            `BackupAndRestore` has restored the model: `lambda: int(model.steps)` goes on where a `MeanTeacher` stopped.
        augment: takes `(x, y, seed=(sampler.seed, step))` and returns `(x, y)`: for example `mixup`.
        parallel: batches loaded at the same time; their order stays.

    Returns:
        A data set of `(x, y)`.

    Example:
        >>> import tensorflow as tf
        >>> values = tf.constant([[1.0], [2.0], [3.0]])
        >>> sampler = StreamSampler(["weak"] * 3, counts={"weak": 3})
        >>> batches = stream_dataset(sampler, lambda indices: ({"audio": tf.gather(values, indices)}, {}))
        >>> sorted(next(iter(batches))[0]["audio"].numpy().ravel().tolist())
        [1.0, 2.0, 3.0]
    """
    import tensorflow as tf

    def from_start(_):
        start = tf.numpy_function(lambda: np.int64(start_step() if callable(start_step) else start_step), [], tf.int64)
        return tf.data.Dataset.range(tf.ensure_shape(start, ()), tf.int64.max)

    def batch(step):
        indices = tf.numpy_function(lambda step: sampler.batch(int(step)), [step], tf.int64)
        x, y = load(tf.ensure_shape(indices, (sampler.batch_size,)))
        return (x, y) if augment is None else augment(x, y, seed=tf.stack([tf.constant(sampler.seed, tf.int64), step]))

    steps = tf.data.Dataset.range(1).flat_map(from_start)
    return steps.map(batch, num_parallel_calls=parallel, deterministic=True).prefetch(2)
