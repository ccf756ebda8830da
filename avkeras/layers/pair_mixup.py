"""Mixup of neighbouring clips within a model (Kong et al. 2020)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="avkeras")
class PairMixup(keras.layers.Layer):
    """Makes one clip of each two neighbours: r x_2i + (1 - r) x_(2i+1) (Kong et al. 2020).

    It stands within the model because what comes before it, normalisation and SpecAugment, sees the clips apart.
    `avkeras.data.pair_mixup` gives batches with their ratios and with targets that are mixed by them.

    Call arguments:
        inputs: `(batch, ...)`.
        ratios: `(batch / 2,)`; None: nothing is mixed.

    Returns:
        `(batch / 2, ...)`, or `inputs`.

    Example:
        >>> import numpy as np
        >>> PairMixup()(np.array([[1.0], [3.0]]), np.array([0.25])).numpy().tolist()
        [[2.5]]
    """

    def call(self, inputs, ratios=None):
        """Mixes pairs."""
        if ratios is None:
            return inputs
        ratios = ops.reshape(ops.cast(ratios, inputs.dtype), (-1, *[1] * (len(inputs.shape) - 1)))
        return ratios * inputs[0::2] + (1 - ratios) * inputs[1::2]

    def compute_output_shape(self, inputs_shape, ratios_shape=None):
        """Returns the shape with any number of clips."""
        return (None, *inputs_shape[1:])

    def get_config(self):
        """Returns the constructor's values: those of every layer."""
        return super().get_config()
