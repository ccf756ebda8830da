"""A stand-in for a second visual network where no other weights can be had: colours and edges, nothing learned.

The tables of the 2022 paper compare several visual embedders and combine two. A demo of them needs two that differ;
this one is cheap, and is no measure of what OpenL3 or temporally coherent embeddings would give.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import tensorflow as tf

SIZE = 64
DIM = 256
_COLOUR_CELL = SIZE // 8
_EDGE_CELL = SIZE // 4


def embed_pictures(pictures: tf.Tensor) -> tf.Tensor:
    """Turn pictures into mean colours of an 8 x 8 grid and the edges of a 4 x 4 grid.

    Args:
        pictures: `(batch, 64, 64, 3)` float32 RGB in [0, 1].

    Returns:
        `(batch, 256)` float32, each value of the order of 1.

    Example:
        >>> import tensorflow as tf
        >>> embed_pictures(tf.zeros((2, 64, 64, 3))).shape
        TensorShape([2, 256])
    """
    import tensorflow as tf

    colours = tf.nn.avg_pool2d(pictures, _COLOUR_CELL, _COLOUR_CELL, "VALID")
    dy, dx = tf.image.image_gradients(tf.reduce_mean(pictures, axis=3, keepdims=True))
    # Energy of the brightness' change along four directions.
    along = (dx, dy, (dx + dy) / 2**0.5, (dx - dy) / 2**0.5)
    edges = tf.nn.avg_pool2d(
        tf.concat([tf.square(change) for change in along], axis=3), _EDGE_CELL, _EDGE_CELL, "VALID"
    )
    flat = [tf.reshape(part, (-1, part.shape[1] * part.shape[2] * part.shape[3])) for part in (colours, edges)]
    # Centres and scales that bring everyday pictures to about zero mean and unit spread.
    return tf.concat([(flat[0] - 0.5) / 0.25, (tf.math.log(flat[1] + 1e-4) + 6.0) / 2.0], axis=1)


def write(directory: str | Path, *, overwrite: bool = False) -> Path:
    """Write the stand-in for a second visual network: colours and edges, nothing learned.

    Args:
        directory: the SavedModel's folder.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Example:
        >>> write("picture_stand_in")
        PosixPath('picture_stand_in')
    """
    import tensorflow as tf

    return export_embedder(
        embed_pictures, directory, spec=EMBEDDERS["picture_stand_in"].spec, tracked=tf.Module(), overwrite=overwrite
    )
