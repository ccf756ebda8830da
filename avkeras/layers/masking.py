"""What happens to padding and to absent inputs before and after the blocks."""

import keras
from keras import ops

from avkeras.layers import kernels
from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class CleanInput(SequenceLayer):
    """Replaces padded frames by zeros, so that whatever lies in them (even NaN) reaches neither output nor gradient.

    A mask in attention is not enough: 0 * NaN is NaN.

    Args:
        least_frames: to which a shorter sequence is padded: some layers need one, also of clips that have none.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; True: a real frame. None: all frames are real.

    Returns:
        The cleaned inputs `(batch, frames, dim)`, the mask `(batch, frames)` and, per clip, whether it has any real
        frame `(batch,)`.

    Example:
        >>> import numpy as np
        >>> clean, mask, present = CleanInput()(np.full((1, 2, 3), np.nan, "float32"), np.zeros((1, 2), bool))
        >>> clean.numpy().tolist(), present.numpy().tolist()
        ([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]], [False])
    """

    def __init__(self, *, least_frames: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.least_frames = least_frames
        self.in_serving_graph = False  # whether the graph for serving is being written, which does not branch

    def call(self, inputs, padding_mask=None):
        """Cleans one input."""
        if padding_mask is None:
            clean, padding_mask = ops.convert_to_tensor(inputs), ops.ones(ops.shape(inputs)[:2], dtype="bool")
        else:
            padding_mask = ops.cast(padding_mask, "bool")
            clean = (kernels.plain_clean if self.in_serving_graph else kernels.clean)(inputs, padding_mask)
        if self.least_frames:
            clean, padding_mask = _padded(clean, padding_mask, self.least_frames)
        return clean, padding_mask, ops.any(padding_mask, axis=1)

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "least_frames": self.least_frames}


def _padded(inputs, padding_mask, least):
    """Pads a sequence and its mask to `least` frames; longer ones stay."""
    batch, frames, dim = ops.shape(inputs)
    missing = least - frames
    if isinstance(missing, int) and missing <= 0:
        return inputs, padding_mask
    if not isinstance(missing, int):  # JAX, which builds models with unknown sizes, takes no maximum of one for a size
        missing = ops.shape(ops.zeros((least,))[frames:])[0]
    inputs = ops.concatenate([inputs, ops.zeros((batch, missing, dim), inputs.dtype)], axis=1)
    return inputs, ops.concatenate([padding_mask, ops.zeros((batch, missing), "bool")], axis=1)


@keras.saving.register_keras_serializable(package="avkeras")
class StandIn(SequenceLayer):
    """Puts a learnt vector in every frame of a sequence that is absent (beyond the 2019 paper; SPEC: absent video).

    An absent sequence takes the length of the other one, so that padding does not change the answer; where it is padded
    to fewer frames than the other one, it gets as many.

    Args:
        initializer: of the vector.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean.
        present: `(batch,)` boolean; False: the whole sequence is absent.
        other_mask: `(batch, other_frames)` boolean, of the sequence beside it.

    Returns:
        The filled sequence `(batch, max(frames, other_frames), dim)` and its mask.

    Example:
        >>> import numpy as np
        >>> absent, heard = np.zeros((1, 3), bool), np.array([[True, True, False]])
        >>> StandIn()(np.zeros((1, 3, 4), "float32"), absent, np.array([False]), heard)[1].numpy().tolist()
        [[True, True, False]]
    """

    def __init__(self, *, initializer="random_normal", **kwargs) -> None:
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, inputs_shape, padding_mask_shape=None, present_shape=None, other_mask_shape=None):
        """Creates the vector."""
        self.vector = self.add_weight(shape=(inputs_shape[-1],), initializer=self.initializer, name="vector")

    def call(self, inputs, padding_mask, present, other_mask):
        """Fills the sequences of the clips where `present` is False."""
        inputs, padding_mask = _padded(inputs, padding_mask, ops.shape(other_mask)[1])
        length = ops.sum(ops.cast(other_mask, "int32"), axis=1, keepdims=True)
        stand_in_mask = ops.arange(ops.shape(inputs)[1])[None, :] < length
        filled = ops.where(present[:, None, None], inputs, ops.cast(self.vector, inputs.dtype))
        return filled, ops.where(present[:, None], padding_mask, stand_in_mask)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their mask."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "initializer": keras.initializers.serialize(self.initializer)}


@keras.saving.register_keras_serializable(package="avkeras")
class Aggregation(SequenceLayer):
    """Pools the probabilities of the real frames into one vector per clip (2019, section 2.2.4).

    Args:
        method: `"mean"` or `"max"`.

    Call arguments:
        inputs: frame probabilities `(batch, frames, classes)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, classes)`; zeros for a clip without any frame.

    Example:
        >>> import numpy as np
        >>> pooled = Aggregation(method="max")(np.array([[[0.25], [1.0]]]), np.array([[True, False]]))
        >>> pooled.numpy().tolist()
        [[0.25]]
    """

    def __init__(self, *, method: str = "mean", **kwargs) -> None:
        super().__init__(**kwargs)
        if method not in ("mean", "max"):
            raise ValueError(f"method must be 'mean' or 'max', not '{method}'")
        self.method = method
        self.built = True

    def call(self, inputs, padding_mask=None):
        """Pools over the frames."""
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        inputs = ops.where(padding_mask[..., None], inputs, ops.zeros_like(inputs))
        if self.method == "max":  # probabilities are never below the zero of a padded frame
            return ops.max(inputs, axis=1)
        frames = ops.sum(ops.cast(padding_mask, inputs.dtype), axis=1, keepdims=True)
        return ops.sum(inputs, axis=1) / ops.maximum(frames, 1)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: no frames are left."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "method": self.method}
