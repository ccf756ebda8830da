"""Embeddings of clips as tensors, gathered from the files of a store while a model trains.

A store is mapped, so that it takes no memory but the system's cache, and may be larger than the memory there is. No
Python runs here: it would compete with the training step for the interpreter, and a tf.data iterator that is
dropped while one of its functions waits for Python never ends, as TensorFlow keeps the interpreter locked meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.records import RecordReader

if TYPE_CHECKING:
    import tensorflow as tf


def embedding_reader(
    store: RecordReader, ids: Sequence[str], *, frames: int | None = None
) -> Callable[["tf.Tensor"], tuple["tf.Tensor", "tf.Tensor"]]:
    """Returns a function that reads clips at random, for use inside `tf.data.Dataset.map`.

    Args:
        store: of one modality.
        ids: the clips that an index stands for; all are in the store.
        frames: to which each batch is padded; default: the most that a clip of the batch has, at least one.

    Returns:
        A function of indices `(batch,)`, int64, that returns the embeddings `(batch, frames, dim)` in half precision,
        as they are stored, with zeros where a clip has ended, and which of them were seen `(batch, frames)`.

    Raises:
        ValueError: a clip has more than `frames`.

    Example:
        >>> import tempfile
        >>> from avkeras.data.records import RecordWriter
        >>> folder = tempfile.mkdtemp() + "/audio"
        >>> with RecordWriter(folder, {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((3, 2)))
        >>> read = embedding_reader(RecordReader(folder), ["a1"])
        >>> embeddings, seen = read(np.array([0, 0]))
        >>> embeddings.shape, bool(seen.numpy().all())
        (TensorShape([2, 3, 2]), True)
    """
    import tensorflow as tf

    records = [store.records[id] for id in ids]
    if frames is not None and (longer := [record for record in records if record.frames > frames]):
        raise ValueError(f"clip {longer[0].id} has {longer[0].frames} frames of {store.folder.name}, not {frames}")
    first_rows = np.array([record.row for record in records], np.int64)
    counts = np.array([record.frames for record in records], np.int64)
    marks = np.frombuffer("".join(record.mask for record in records).encode(), np.uint8) == ord("1")
    marks = np.append(marks, False)  # for clips without frames at the end
    starts = np.append(0, np.cumsum(counts)[:-1]) if records else counts
    with tf.init_scope():  # also when first called inside a function: then they are not copied into its graph
        first_rows, counts, starts, marks = (tf.constant(values) for values in (first_rows, counts, starts, marks))
        with tf.device("CPU:0"):
            stored = tf.constant(_Mapped(store))

    def read(indices):
        count = tf.gather(counts, indices)[:, None]
        most = tf.maximum(tf.reduce_max(count), 1) if frames is None else tf.constant(frames, tf.int64)
        steps = tf.range(most)
        there = steps < count
        rows = tf.where(there, tf.gather(first_rows, indices)[:, None] + steps, 0)
        values = tf.where(there[:, :, None], tf.gather(stored, rows), tf.zeros((), stored.dtype))
        seen = there & tf.gather(marks, tf.where(there, tf.gather(starts, indices)[:, None] + steps, 0))
        batch = tf.convert_to_tensor(indices).shape[0]
        return tf.ensure_shape(values, (batch, frames, store.dim)), tf.ensure_shape(seen, (batch, frames))

    return read


class _Mapped:
    """The rows of a store, `(rows, dim)`, in the memory of its file.

    TensorFlow copies arrays that it makes constants of, and keeps the memory of what is not an array but gives one.
    `tf.raw_ops.ImmutableConst` maps files too, but the folding of constants holds a copy of all of it for a while.
    """

    def __init__(self, store: RecordReader) -> None:
        rows = max((record.row + record.frames for record in store.records.values()), default=0)
        if rows:
            self.rows = np.memmap(store.folder / "data.f16", "<f2", mode="r", shape=(rows, store.dim))
        else:  # an empty file cannot be mapped
            self.rows = np.zeros((1, store.dim), np.float16)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.rows
