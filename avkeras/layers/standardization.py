"""Standardisation of each band by statistics that the model keeps, and of each clip by its own range."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class PerBandStandardization(SequenceLayer):
    """Subtracts each band's mean and divides by its standard deviation over the training clips (2022, section 3.1.2).

    The statistics are weights that no optimizer trains: saved, loaded, copied and exchanged as all weights are.
    (`keras.layers.Normalization` turns them into constants, which `set_weights` does not reach.) They are 0 and 1
    until `adapt` sets them. Use `dtype="float32"`: half precision would round loud inputs before they are centred.

    Args:
        epsilon: least standard deviation.

    Call arguments:
        inputs: `(batch, frames, bands)`.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> layer = PerBandStandardization()
        >>> layer.adapt([np.array([[1.0], [3.0]]), np.array([[5.0]])])
        3
        >>> layer(np.array([[[3.0]]])).numpy().tolist()
        [[[0.0]]]
    """

    def __init__(self, *, epsilon: float = 1e-5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Creates the statistics."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, autocast=False, name="mean")
        self.deviation = self.add_weight(
            shape=shape, initializer="ones", trainable=False, autocast=False, name="deviation"
        )

    def call(self, inputs):
        """Standardises every band."""
        return ops.cast((ops.cast(inputs, self.mean.dtype) - self.mean) / self.deviation, self.compute_dtype)

    def adapt(self, clips: Iterable) -> int:
        """Sets mean and deviation from all frames of `clips`, in one pass.

        Args:
            clips: arrays or tensors `(..., frames, bands)`, such as a `tf.data` dataset gives; or pairs of one and its
                mask `(..., frames)`, where False marks padding.

        Returns:
            The number of frames counted.

        Raises:
            ValueError: there is no frame, or a value that is not finite.
        """
        count, mean, squares = 0, 0.0, 0.0
        for clip in clips:
            frames, mask = clip if isinstance(clip, tuple) else (clip, None)
            frames = np.asarray(frames, "float64")
            frames = frames.reshape(-1, frames.shape[-1]) if mask is None else frames[np.asarray(mask, bool)]
            if not np.isfinite(frames).all():
                raise ValueError(f"a value is not finite, after {count} frames: mask what is padding")
            if len(frames):
                # The sums of squared differences of two parts join by the distance of their means (Chan et al. 1979).
                both, shift = count + len(frames), frames.mean(axis=0) - mean
                squares = squares + ((frames - frames.mean(axis=0)) ** 2).sum(axis=0)
                squares = squares + shift**2 * count * len(frames) / both
                mean, count = mean + shift * len(frames) / both, both
        if not count:
            raise ValueError("no frame to adapt to: the clips are empty or masked throughout")
        if not self.built:
            self.build((None, None, len(mean)))
        self.mean.assign(mean)
        self.deviation.assign(np.maximum(np.sqrt(squares / count), self.epsilon))
        return count

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="avkeras")
class ClipMinMax(SequenceLayer):
    """Scales the levels of each clip to reach from 0 to 1 (DCASE 2021 task 4's baseline).

    Args:
        epsilon: added to a clip's range.

    Call arguments:
        inputs: `(batch, frames, bands)`.
        padding_mask: `(batch, frames)` boolean; False: padding, which becomes 0. None: all frames are real.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> ClipMinMax()(np.array([[[2.0], [4.0], [3.0]]])).numpy().round(3).ravel().tolist()
        [0.0, 1.0, 0.5]
    """

    def __init__(self, *, epsilon: float = 1e-8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs, padding_mask=None):
        """Scales every clip, in float32 at least, as half precision has no number as small as `epsilon`."""
        inputs = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        real = padding_mask[..., None]
        low = ops.min(ops.where(real, inputs, ops.full_like(inputs, np.inf)), axis=(1, 2), keepdims=True)
        high = ops.max(ops.where(real, inputs, ops.full_like(inputs, -np.inf)), axis=(1, 2), keepdims=True)
        any_real = ops.any(padding_mask, axis=1)[:, None, None]
        low, high = (ops.where(any_real, value, ops.zeros_like(value)) for value in (low, high))
        scaled = ops.where(real, (inputs - low) / (high - low + self.epsilon), ops.zeros_like(inputs))
        return ops.cast(scaled, self.compute_dtype)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "epsilon": self.epsilon}
