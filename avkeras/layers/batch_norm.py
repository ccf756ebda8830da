"""Batch normalisation whose statistics leave padded frames out."""

import keras
from keras import ops

from avkeras.layers import kernels
from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class MaskedBatchNormalization(SequenceLayer):
    """Normalises each channel by its mean and variance over the real frames of the batch (2022, section 2.1.2, 3.1.2).

    Where no frame of a batch is padded, as when all clips last 10 s, a fused operation does it (`kernels.batch_norm`).
    A batch without any real frame, such as the pictures of clips that have none, leaves the moving statistics alone.

    Args:
        momentum: of the moving statistics, in Keras' sense: moving = momentum * moving + (1 - momentum) * batch.
        epsilon: added to the variance.

    Call arguments:
        inputs: `(batch, frames, ..., channels)`; what padded frames hold must be finite.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.
        training: whether the batch's statistics are used, and moved towards, instead of the moving ones.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> layer = MaskedBatchNormalization(epsilon=1e-9)
        >>> frames, mask = np.array([[[1.0], [3.0], [9.0]]]), np.array([[True, True, False]])
        >>> layer(frames, mask, training=True)[0, :2, 0].numpy().round(3).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, *, momentum: float = 0.9, epsilon: float = 1e-3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates scale, offset and the moving statistics, all kept in float32 at least, by any policy."""
        options = {"dtype": keras.backend.result_type(self.variable_dtype, "float32"), "autocast": False}
        for name, initializer, trainable in (
            ("gamma", "ones", True),
            ("beta", "zeros", True),
            ("moving_mean", "zeros", False),
            ("moving_variance", "ones", False),
        ):
            weight = self.add_weight(
                shape=(inputs_shape[-1],), initializer=initializer, trainable=trainable, name=name, **options
            )
            setattr(self, name, weight)

    def call(self, inputs, padding_mask=None, training=False):
        """Normalises every channel."""
        if not (training and self.trainable):
            return self._normalize(inputs, self.moving_mean, self.moving_variance)
        if padding_mask is None:
            output, mean, variance = self._over_all_frames(inputs)
            momentum = self.momentum
        else:
            output, mean, variance = ops.cond(
                ops.all(padding_mask),
                lambda: self._over_all_frames(inputs),
                lambda: self._over_real_frames(inputs, padding_mask),
            )
            momentum = ops.where(ops.any(padding_mask), self.momentum, 1.0)
        self.moving_mean.assign(momentum * self.moving_mean + (1 - momentum) * mean)
        self.moving_variance.assign(momentum * self.moving_variance + (1 - momentum) * variance)
        return output

    def _over_all_frames(self, inputs):
        """Returns the output, and the batch's mean and variance per channel."""
        return kernels.batch_norm(inputs, self.gamma, self.beta, self.epsilon)

    def _over_real_frames(self, inputs, padding_mask):
        """Returns the output, and the real frames' mean and variance per channel; zeros where there is none."""
        wide = ops.cast(inputs, self.gamma.dtype)
        axes = list(range(len(inputs.shape) - 1))
        real = ops.reshape(ops.cast(padding_mask, wide.dtype), (*ops.shape(padding_mask), *[1] * (len(axes) - 1)))
        count = ops.maximum(ops.sum(real) * ops.cast(ops.prod(ops.shape(inputs)[2:-1]), wide.dtype), 1)
        mean = ops.sum(wide * real, axis=axes) / count
        variance = ops.sum(ops.square(wide - mean) * real, axis=axes) / count
        return self._normalize(inputs, mean, variance), mean, variance

    def _normalize(self, inputs, mean, variance):
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        wide = ops.cast(inputs, scale.dtype)
        return ops.cast(wide * scale + (self.beta - mean * scale), inputs.dtype)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
