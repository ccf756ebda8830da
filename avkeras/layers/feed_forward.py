"""The feed-forward sub-network of the transformer and conformer blocks."""

import keras

from avkeras.layers import loops
from avkeras.layers.dense import Dense
from avkeras.layers.dropout import Dropout
from avkeras.layers.sequence_layer import SequenceLayer

_WIDE = 256  # a loop pays for its call with maps of 512 values, not with those of 128


@keras.saving.register_keras_serializable(package="avkeras")
class FeedForward(SequenceLayer):
    """Two maps with an activation between them, each followed by dropout (2019, section 3.2.5; 2022, section 2.1.1).

    Args:
        hidden_dim: width of the first map.
        output_dim: width of the second map.
        activation: between them: `"relu"` in transformers, `"swish"` in conformers.
        dropout: rate after both maps.

    Call arguments:
        inputs: `(batch, frames, dim)`.

    Returns:
        `(batch, frames, output_dim)`.

    Example:
        >>> import numpy as np
        >>> FeedForward(hidden_dim=32, output_dim=16)(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(
        self,
        *,
        hidden_dim: int = 128,
        output_dim: int = 128,
        activation: str = "relu",
        dropout: float = 0.1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.output_dim = output_dim
        self.activation = activation
        self.dropout = dropout
        self.hidden_map = Dense(hidden_dim, activation=activation, name="hidden_map", dtype=self.dtype_policy)
        self.hidden_dropout = Dropout(dropout, name="hidden_dropout", dtype=self.dtype_policy)
        self.output_map = Dense(output_dim, name="output_map", dtype=self.dtype_policy)
        self.output_dropout = Dropout(dropout, name="output_dropout", dtype=self.dtype_policy)

    def build(self, input_shape):
        """Creates the two maps."""
        self.hidden_map.build(input_shape)
        self.output_map.build((*input_shape[:-1], self.hidden_dim))

    def call(self, inputs, training=False):
        """Maps every frame by itself."""
        return self.output_dropout(self.output_map(self._hidden(inputs, training)), training=training)

    def _hidden(self, inputs, training):
        if training and self.dropout and self.activation == "swish" and self.hidden_dim >= _WIDE:
            seeds = self.hidden_dropout.draw_seeds()
            return loops.swish_and_drop(self.hidden_map.affine(inputs), seeds, rate=self.dropout)
        return self.hidden_dropout(self.hidden_map(inputs), training=training)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, frames, output_dim)`."""
        return (*input_shape[:-1], self.output_dim)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "output_dim": self.output_dim,
            "activation": self.activation,
            "dropout": self.dropout,
        }
