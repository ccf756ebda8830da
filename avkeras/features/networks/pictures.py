"""Resize and crop pictures within a network's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def resize_short_side(
    pictures: tf.Tensor, short_side: int, *, whole: Callable[[tf.Tensor], tf.Tensor] | None = None
) -> tf.Tensor:
    """Resize pictures so that their short side has a given length and their shape is kept.

    Bilinear, with a low-pass filter when pictures shrink.

    Args:
        pictures: `(batch, height, width, 3)` floats.
        short_side: pixels.
        whole: how the long side becomes a whole number of pixels; default: `tf.floor`.

    Returns:
        `(batch, short_side, width, 3)` or `(batch, height, short_side, 3)` floats.

    Example:
        >>> resize_short_side(tf.zeros((1, 360, 640, 3)), 256).shape
        TensorShape([1, 256, 455, 3])
    """
    import tensorflow as tf

    sides = tf.cast(tf.shape(pictures)[1:3], tf.float64)
    # The product first: it is whole, so that the quotient of a square is exact.
    sides = (whole or tf.floor)(short_side * sides / tf.reduce_min(sides))
    return tf.image.resize(pictures, tf.cast(sides, tf.int32), antialias=True)


def crop(pictures: tf.Tensor, size: tuple[int, int], *, corner: Callable[[tf.Tensor, int], tf.Tensor]) -> tf.Tensor:
    """Crop pictures to a size.

    Args:
        pictures: `(batch, height, width, 3)`, no smaller than `size`.
        size: height and width to cut out.
        corner: where the cut begins, from the sides `(2,)` (int32) and `size`.

    Returns:
        `(batch, *size, 3)`.

    Example:
        >>> crop(tf.zeros((1, 256, 455, 3)), (224, 224), corner=lambda sides, size: (sides - size) // 2).shape
        TensorShape([1, 224, 224, 3])
    """
    import tensorflow as tf

    top, left = tf.unstack(corner(tf.shape(pictures)[1:3], size))
    return tf.ensure_shape(pictures[:, top : top + size[0], left : left + size[1]], (None, *size, 3))
