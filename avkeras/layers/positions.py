"""Positional encodings that are added to the inputs."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="avkeras")
class SinusoidalPositions(keras.layers.Layer):
    """Adds sinusoidal positional encodings (2019, section 2.1.2).

    Even columns hold sin(position / w), odd columns cos(position / w), with w = max_wavelength^(column pair / dim).

    Args:
        max_wavelength: the base of the wavelengths.

    Call arguments:
        inputs: `(batch, frames, dim)`.

    Returns:
        `(batch, frames, dim)`.

    Example:
        >>> import numpy as np
        >>> SinusoidalPositions()(np.zeros((1, 1, 4), "float32")).numpy().tolist()
        [[[0.0, 1.0, 0.0, 1.0]]]
    """

    def __init__(self, *, max_wavelength: float = 10000.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.max_wavelength = max_wavelength
        self.built = True

    def call(self, inputs):
        """Adds one encoding per frame."""
        frames, dim = ops.shape(inputs)[1], inputs.shape[-1]
        pair = np.arange(dim) // 2
        rates = ops.convert_to_tensor(self.max_wavelength ** (-2.0 * pair / dim), dtype="float32")
        shift = ops.convert_to_tensor((np.arange(dim) % 2) * (np.pi / 2), dtype="float32")
        angles = ops.cast(ops.arange(frames), "float32")[:, None] * rates + shift
        return inputs + ops.cast(ops.sin(angles), inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "max_wavelength": self.max_wavelength}
