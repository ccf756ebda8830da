"""Convolution whose output is gated by a second one (gated linear unit; Xu et al. 2018, Iqbal et al. 2018)."""

import keras
from keras import ops

from avkeras.layers.batch_norm import MaskedBatchNormalization
from avkeras.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="avkeras")
class GatedConvolution(keras.layers.Layer):
    """Multiplies one convolution by the sigmoid of another, with batch normalisation before or after the gate.

    Before the gate, without bias: Xu, Kong, Wang and Plumbley (ICASSP 2018). After it, with bias and dropout: Iqbal,
    Xu, Kong and Wang (2018).

    Args:
        filters: output channels.
        kernel_size: of the convolutions, in frames and bands.
        norm: `"before"` or `"after"` the gate.
        dropout: rate, after all.
        momentum: of the batch normalisation, in Keras' sense.
        batch_norm_epsilon: of the batch normalisation.

    Call arguments:
        inputs: `(batch, frames, bands, channels)`.
        training: whether values are dropped and the batch's statistics are used.

    Returns:
        `(batch, frames, bands, filters)`.

    Raises:
        ValueError: `norm` is neither.

    Example:
        >>> import numpy as np
        >>> GatedConvolution(filters=8)(np.ones((2, 6, 4, 1), "float32")).shape
        TensorShape([2, 6, 4, 8])
    """

    def __init__(
        self,
        *,
        filters: int = 64,
        kernel_size: int = 3,
        norm: str = "before",
        dropout: float = 0.0,
        momentum: float = 0.99,
        batch_norm_epsilon: float = 1e-3,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if norm not in ("before", "after"):
            raise ValueError(f"norm must be 'before' or 'after', not '{norm}'")
        self.filters = filters
        self.kernel_size = kernel_size
        self.norm = norm
        self.dropout = dropout
        self.momentum = momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        self.convolution = keras.layers.Conv2D(
            2 * filters,
            kernel_size,
            padding="same",
            use_bias=norm == "after",
            name="convolution",
            dtype=self.dtype_policy,
        )
        self.batch_norm = MaskedBatchNormalization(
            momentum=momentum, epsilon=batch_norm_epsilon, name="batch_norm", dtype=self.dtype_policy
        )
        self.dropout_layer = Dropout(dropout, name="dropout", dtype=self.dtype_policy)

    def build(self, inputs_shape):
        """Creates the convolution and the normalisation."""
        self.convolution.build(inputs_shape)
        channels = 2 * self.filters if self.norm == "before" else self.filters
        self.batch_norm.build((*inputs_shape[:-1], channels))

    def call(self, inputs, training=False):
        """Convolves and gates."""
        x = self.convolution(inputs)
        if self.norm == "before":
            x = self.batch_norm(x, training=training)
        x = x[..., : self.filters] * ops.sigmoid(x[..., self.filters :])
        if self.norm == "after":
            x = self.batch_norm(x, training=training)
        return self.dropout_layer(x, training=training)

    def compute_output_shape(self, inputs_shape):
        """Returns the shape with other channels."""
        return (*inputs_shape[:-1], self.filters)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "norm": self.norm,
            "dropout": self.dropout,
            "momentum": self.momentum,
            "batch_norm_epsilon": self.batch_norm_epsilon,
        }
