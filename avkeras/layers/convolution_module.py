"""The convolution module of the conformer."""

import keras
from keras import ops

from avkeras.layers.batch_norm import MaskedBatchNormalization
from avkeras.layers.dense import Dense
from avkeras.layers.dropout import Dropout
from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class ConvolutionModule(SequenceLayer):
    """Lets neighbouring frames meet (2022, section 2.1.2).

    In order: pointwise convolution with a gated linear unit, depthwise convolution, batch normalisation, Swish,
    pointwise convolution, dropout. Padded frames are 0 where the depthwise convolution reads them and count in no
    statistics.

    Args:
        dim: width of inputs and outputs.
        kernel_size: of the depthwise convolution, in frames.
        dropout: rate.
        momentum: of the batch normalisation, in Keras' sense.
        batch_norm_epsilon: of the batch normalisation.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, frames, dim)`.

    Example:
        >>> import numpy as np
        >>> ConvolutionModule(dim=16)(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        kernel_size: int = 7,
        dropout: float = 0.1,
        momentum: float = 0.9,
        batch_norm_epsilon: float = 1e-3,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.momentum = momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        policy = self.dtype_policy
        self.gated_map = Dense(2 * dim, name="gated_map", dtype=policy)
        self.depthwise = keras.layers.DepthwiseConv1D(
            kernel_size, padding="same", use_bias=False, name="depthwise", dtype=policy
        )
        self.batch_norm = MaskedBatchNormalization(
            momentum=momentum, epsilon=batch_norm_epsilon, name="batch_norm", dtype=policy
        )
        self.output_map = Dense(dim, name="output_map", dtype=policy)
        self.output_dropout = Dropout(dropout, name="output_dropout", dtype=policy)

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the convolutions."""
        self.gated_map.build(inputs_shape)
        inner = (*inputs_shape[:-1], self.dim)
        for part in (self.depthwise, self.batch_norm, self.output_map):
            part.build(inner)

    def call(self, inputs, padding_mask=None, training=False):
        """Runs the module."""
        x = ops.glu(self.gated_map(inputs))
        if padding_mask is not None:
            x = ops.where(padding_mask[..., None], x, ops.zeros_like(x))
        x = self.batch_norm(self.depthwise(x), padding_mask=padding_mask, training=training)
        return self.output_dropout(self.output_map(ops.silu(x)), training=training)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
            "momentum": self.momentum,
            "batch_norm_epsilon": self.batch_norm_epsilon,
        }
