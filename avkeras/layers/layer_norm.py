"""Layer normalisation whose gradient takes half the passes over the data."""

import keras

from avkeras.layers import kernels


@keras.saving.register_keras_serializable(package="avkeras")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization`, faster in training on a CPU (2019, section 3.2.7; 2022, section 2.1.1).

    Both papers' blocks normalise after or before every sublayer; the values are those of Keras' own.

    Args:
        **kwargs: the arguments of `keras.layers.LayerNormalization`; its default `epsilon` is 1e-3.

    Call arguments:
        inputs: `(batch, ..., dim)`.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> LayerNormalization(epsilon=1e-9)(np.array([[[1.0, 3.0]]])).numpy().round(3).tolist()
        [[[-1.0, 1.0]]]
    """

    def call(self, inputs, training=False):
        """Normalises every frame."""
        last = list(self.axis) in ([-1], [len(inputs.shape) - 1])
        if not (training and last and self.scale and self.center) or self.rms_scaling:
            return super().call(inputs)
        return keras.ops.cast(kernels.layer_norm(inputs, self.gamma, self.beta, self.epsilon), self.compute_dtype)
