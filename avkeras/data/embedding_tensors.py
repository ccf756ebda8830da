"""Embeddings of clips as tensors, read by TensorFlow's own operations while a model trains.

No Python runs here: it would compete with the training step for the interpreter, and a tf.data iterator that is
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
        >>> embeddings, mask = read(np.array([0, 0]))
        >>> embeddings.shape, mask.numpy().all()
        (TensorShape([2, 3, 2]), True)
    """
    import tensorflow as tf
    from tensorflow_io.python.ops import core_ops

    records = [store.records[id] for id in ids]
    if frames is not None and (longer := [record for record in records if record.frames > frames]):
        raise ValueError(f"clip {longer[0].id} has {longer[0].frames} frames of {store.folder.name}, not {frames}")
    path = str(store.folder / "data.f16")
    row_bytes = 2 * store.dim
    rows = np.array([record.row for record in records], np.int64)
    counts = np.array([record.frames for record in records], np.int64)
    masks = np.frombuffer("".join(record.mask for record in records).encode(), np.uint8) == ord("1")
    masks = np.append(masks, False)  # for clips without frames at the end
    starts = np.append(0, np.cumsum(counts)[:-1]) if records else counts
    with tf.init_scope():  # also when first called inside a function: then they are not copied into its graph
        rows, counts, starts, masks = (tf.constant(values) for values in (rows, counts, starts, masks))

    def read(indices):
        count = tf.gather(counts, indices)
        most = tf.maximum(tf.reduce_max(count), 1) if frames is None else tf.constant(frames, tf.int64)
        data = tf.map_fn(
            lambda place: core_ops.io_file_read(path, place[0], place[1], compression=""),
            (tf.gather(rows, indices) * row_bytes, count * row_bytes),
            fn_output_signature=tf.string,
            parallel_iterations=1,
        )
        # Padding exists for integers only, so the half-precision numbers pass through as such.
        numbers = tf.io.decode_raw(data, tf.uint16, fixed_length=tf.cast(most, tf.int32) * row_bytes)
        values = tf.reshape(tf.bitcast(numbers, tf.float16), (-1, most, store.dim))
        steps = tf.range(most)
        there = steps < count[:, None]
        mask = there & tf.gather(masks, tf.where(there, tf.gather(starts, indices)[:, None] + steps, 0))
        batch = tf.convert_to_tensor(indices).shape[0]
        values = tf.ensure_shape(values, (batch, frames, store.dim))
        return values, tf.ensure_shape(mask, (batch, frames))

    return read
