"""The class token of the 2022 system."""

import keras
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class ClassToken(SequenceLayer):
    """Puts a learnable vector before each sequence, whose output gives the clip's probabilities (2022, section 2.1.1).

    Args:
        initializer: of the vector.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, 1 + frames, dim)` and its mask `(batch, 1 + frames)`, in which the token is real.

    Example:
        >>> import numpy as np
        >>> sequence, mask = ClassToken()(np.ones((2, 5, 16)))
        >>> sequence.shape, mask.shape
        (TensorShape([2, 6, 16]), TensorShape([2, 6]))
    """

    def __init__(self, *, initializer="random_normal", **kwargs) -> None:
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the vector."""
        self.token = self.add_weight(shape=(inputs_shape[-1],), initializer=self.initializer, name="token")

    def call(self, inputs, padding_mask=None):
        """Puts the token first."""
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        token = ops.zeros_like(inputs[:, :1]) + ops.cast(self.token, inputs.dtype)
        padding_mask = ops.concatenate([ops.ones_like(padding_mask[:, :1]), padding_mask], axis=1)
        return ops.concatenate([token, inputs], axis=1), padding_mask

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their mask."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "initializer": keras.initializers.serialize(self.initializer)}
