"""The longest sequence that a model takes."""

import keras

from avkeras.layers import kernels
from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class LengthLimit(SequenceLayer):
    """Refuses sequences that are longer than the model was made for and passes the others on.

    Where the length is known only at run time, TensorFlow checks it there; other backends then do not check.

    Args:
        modality: name of the sequence, for the message.
        max_frames: most frames allowed.

    Call arguments:
        inputs: `(batch, frames, dim)`.

    Returns:
        `inputs`.

    Raises:
        ValueError: the sequence is longer (`tf.errors.InvalidArgumentError` if found at run time).

    Example:
        >>> import numpy as np
        >>> LengthLimit(modality="audio", max_frames=512)(np.ones((1, 512, 64))).shape
        TensorShape([1, 512, 64])
    """

    def __init__(self, *, modality: str, max_frames: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.modality = modality
        self.max_frames = max_frames
        self.built = True

    def call(self, inputs):
        """Checks the length."""
        frames = inputs.shape[1]
        if frames is not None and frames > self.max_frames:
            raise ValueError(self._message(frames))
        return kernels.checked_length(inputs, self.max_frames, self._message("too many"))

    def _message(self, frames):
        return (
            f"{self.modality} has {frames} frames, the model takes at most {self.max_frames}: "
            "cut the clip into windows and predict each"
        )

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "modality": self.modality, "max_frames": self.max_frames}
