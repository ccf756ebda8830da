"""Positional encodings that are added to the inputs."""

import keras
import numpy as np
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class SinusoidalPositions(SequenceLayer):
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


@keras.saving.register_keras_serializable(package="avkeras")
class LearnedPositions(SequenceLayer):
    """Adds learnable encodings of the absolute positions (2022, section 2.1.1).

    Args:
        max_length: longest sequence, in frames; in a decoder the class token counts as one, at position 0.
        initializer: of the encodings.

    Call arguments:
        inputs: `(batch, frames, dim)` with at most `max_length` frames.

    Returns:
        `(batch, frames, dim)`.

    Raises:
        ValueError: a sequence is known to be longer.

    Example:
        >>> import numpy as np
        >>> LearnedPositions(max_length=64)(np.zeros((2, 10, 16), "float32")).shape
        TensorShape([2, 10, 16])
    """

    def __init__(self, *, max_length: int = 64, initializer="random_normal", **kwargs) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Creates one encoding per position."""
        self.encodings = self.add_weight(
            shape=(self.max_length, input_shape[-1]), initializer=self.initializer, name="encodings"
        )

    def call(self, inputs):
        """Adds one encoding per frame."""
        if inputs.shape[1] is not None and inputs.shape[1] > self.max_length:
            raise ValueError(f"{inputs.shape[1]} frames, but max_length is {self.max_length}")
        return inputs + ops.cast(self.encodings, inputs.dtype)[: ops.shape(inputs)[1]]

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "initializer": keras.initializers.serialize(self.initializer),
        }
