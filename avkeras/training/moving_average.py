"""A step of an exponential moving average of weights."""

from collections.abc import Sequence

import keras
from keras import ops

from avkeras.layers.kernels import on_tensorflow
from avkeras.training.foreach import can_update_together, move_together


def move_all(averages: Sequence[keras.Variable], values: Sequence[keras.Variable], share) -> None:
    """Moves averages as `move` does one; PyTorch moves them all by one call.

    Args:
        averages: variables.
        values: others, of their shapes.
        share: in [0, 1], a number or a scalar tensor.
    """
    if can_update_together(averages):
        move_together(averages, values, share)
        return
    for average, value in zip(averages, values, strict=True):
        move(average, value, share)


def move(average: keras.Variable, value: keras.Variable, share) -> None:
    """Moves `average` by a share of the way to `value`: average = (1 - share) average + share value (2022, 3.1.5).

    TensorFlow has one operation for the last part, which writes the variable in place.

    Args:
        average: a variable.
        value: another one of its shape.
        share: in [0, 1], a number or a scalar tensor.

    Example:
        >>> average, value = keras.Variable([1.0, 2.0]), keras.Variable([3.0, 2.0])
        >>> move(average, value, 0.25)
        >>> average.numpy().tolist()
        [1.5, 2.0]
    """
    if on_tensorflow() and keras.backend.standardize_dtype(average.dtype) == "float32":
        import tensorflow as tf

        if not tf.distribute.has_strategy():
            share = ops.cast(share, "float32")
            tf.raw_ops.ResourceApplyGradientDescent(var=average.value.handle, alpha=share, delta=average - value)
            return
    average.assign_sub(ops.cast(share, average.dtype) * (average - value))
