"""A map of every frame by itself."""

import keras

from avkeras.layers import kernels

_WIDE = 1024  # inputs that come from an embedder, not from a block


@keras.saving.register_keras_serializable(package="avkeras")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` as one product of two matrices, whatever the axes before the last.

    Keras' own multiplies three axes by a general contraction: the same values from three times as many operations, of
    which a model of many small maps is mostly made.

    Args:
        units: width of the output.
        **kwargs: the arguments of `keras.layers.Dense`.

    Call arguments:
        inputs: `(batch, ..., dim)`.

    Returns:
        `(batch, ..., units)`.

    Example:
        >>> import numpy as np
        >>> Dense(3)(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 3])
    """

    def call(self, inputs, training=None):
        """Maps the last axis."""
        x = self.affine(inputs, training=training)
        return x if self.activation is None else self.activation(x)

    def affine(self, inputs, *, training=None):
        """Returns the map without its activation."""
        product = kernels.linear_in_halves if training and inputs.shape[-1] >= _WIDE else kernels.linear
        x = product(inputs, self.kernel)
        return keras.ops.add(x, self.bias) if self.use_bias else x
