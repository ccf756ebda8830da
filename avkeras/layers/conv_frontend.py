"""The convolutional feature extractor of the 2022 system (2022, section 3.1.2 and table 3)."""

from collections.abc import Sequence

import keras
from keras import ops

from avkeras.layers import loops
from avkeras.layers.batch_norm import MaskedBatchNormalization
from avkeras.layers.dropout import Dropout
from avkeras.layers.sequence_layer import SequenceLayer

FILTERS = (16, 32, 64, 128, 128, 128, 128)
POOLING = ((2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 1))


@keras.saving.register_keras_serializable(package="avkeras")
class ConvFrontend(SequenceLayer):
    """Stacks of convolution, batch normalisation, ReLU, dropout and average pooling (2022, section 3.1.2).

    The stacks pool all bands into one, and 8 frames into one by default: 512 x 64 gives 64 vectors, as in the paper.
    The paper's table 3 is not at hand: the filters are those of the DCASE 2020 task 4 baseline, whose architecture the
    paper calls similar. The pooling is chosen here: the baseline's, (2, 2), (2, 2), then (1, 2) five times, makes one
    vector of 4 frames. The convolutions have no bias: batch normalisation would take it away again.

    Other systems have other stacks: with `activation="gate"` the ReLU is z' sigmoid(z) with z' a linear map of the
    normalised channels z (DCASE 2020 task 4's baseline), and convolutions may have a bias.

    A clip gives the same vectors whether it is padded or not: padded frames are 0 before every convolution, count in no
    statistics and no average. A vector is real if any of its frames is.

    Args:
        filters: output channels of each stack.
        pooling: frames and bands that each stack pools into one.
        kernel_size: of the convolutions, in frames and bands.
        dropout: rate.
        momentum: of the batch normalisation, in Keras' sense.
        batch_norm_epsilon: of the batch normalisation.
        activation: `"relu"` or `"gate"`.
        use_bias: whether the convolutions have one.

    Call arguments:
        inputs: `(batch, frames, bands)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, vectors, filters[-1])`, 0 where padded, and their mask `(batch, vectors)`.

    Raises:
        ValueError: `filters` and `pooling` differ in length, more than one band is left, or the activation is unknown.

    Example:
        >>> import numpy as np
        >>> vectors, mask = ConvFrontend()(np.ones((1, 512, 64), "float32"))
        >>> vectors.shape, mask.shape
        (TensorShape([1, 64, 128]), TensorShape([1, 64]))
    """

    def __init__(
        self,
        *,
        filters: Sequence[int] = FILTERS,
        pooling: Sequence[Sequence[int]] = POOLING,
        kernel_size: int = 3,
        dropout: float = 0.1,
        momentum: float = 0.9,
        batch_norm_epsilon: float = 1e-3,
        activation: str = "relu",
        use_bias: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if len(filters) != len(pooling):
            raise ValueError(f"filters names {len(filters)} stacks, pooling {len(pooling)}: give each stack both")
        if activation not in ("relu", "gate"):
            raise ValueError(f"activation must be 'relu' or 'gate', not '{activation}'")
        self.filters = tuple(filters)
        self.pooling = tuple(tuple(pool) for pool in pooling)
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.momentum = momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        self.activation = activation
        self.use_bias = use_bias
        policy = self.dtype_policy
        self.convolutions, self.norms, self.dropouts, self.gates = [], [], [], []
        for index, channels in enumerate(self.filters, start=1):
            self.convolutions.append(
                keras.layers.Conv2D(
                    channels, kernel_size, padding="same", use_bias=use_bias, name=f"convolution_{index}", dtype=policy
                )
            )
            self.norms.append(
                MaskedBatchNormalization(
                    momentum=momentum, epsilon=batch_norm_epsilon, name=f"batch_norm_{index}", dtype=policy
                )
            )
            self.dropouts.append(Dropout(dropout, name=f"dropout_{index}", dtype=policy))
            if activation == "gate":
                self.gates.append(keras.layers.Dense(channels, name=f"gate_{index}", dtype=policy))

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the stacks."""
        bands, channels = inputs_shape[-1], 1
        for index, (_, pooled) in enumerate(self.pooling):
            self.convolutions[index].build((None, None, bands, channels))
            channels = self.filters[index]
            self.norms[index].build((None, None, bands, channels))
            if self.gates:
                self.gates[index].build((None, None, bands, channels))
            bands = -(-bands // pooled)
        if bands != 1:
            raise ValueError(f"pooling leaves {bands} of {inputs_shape[-1]} bands, it must leave 1")

    def call(self, inputs, padding_mask=None, training=False):
        """Runs all stacks."""
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        x = loops.silence(inputs[..., None], padding_mask)
        stacks = zip(self.convolutions, self.norms, self.dropouts, self.pooling, strict=True)
        for index, (convolution, norm, dropout, pool) in enumerate(stacks):
            x = norm(convolution(x), padding_mask=padding_mask, training=training)
            # The activation, dropout, average pooling.
            if self.gates:
                x = dropout(self.gates[index](x) * ops.sigmoid(x), training=training)
                x, padding_mask = loops.average(loops.silence(x, padding_mask), padding_mask, pool)
            elif training:
                x, padding_mask = loops.drop_and_average(
                    x, padding_mask, dropout.draw_seeds(), rate=dropout.rate, pool=pool
                )
            else:
                x, padding_mask = loops.average(loops.silence(ops.relu(x), padding_mask), padding_mask, pool)
        return x[:, :, 0], padding_mask

    def compute_output_spec(self, inputs, padding_mask=None, training=False):
        """Returns the symbolic outputs: JAX does not find the number of vectors of an unknown number of frames."""
        batch, frames = inputs.shape[:2]
        for pooled, _ in self.pooling:
            frames = None if frames is None else -(-frames // pooled)
        vectors = keras.KerasTensor((batch, frames, self.filters[-1]), self.compute_dtype)
        return vectors, keras.KerasTensor((batch, frames), "bool")

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their mask."""

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "pooling": [list(pool) for pool in self.pooling],
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
            "momentum": self.momentum,
            "batch_norm_epsilon": self.batch_norm_epsilon,
            "activation": self.activation,
            "use_bias": self.use_bias,
        }
