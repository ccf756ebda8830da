"""The class token of the 2022 system."""

import keras
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer

PLACES = ("first", "last")


@keras.saving.register_keras_serializable(package="avkeras")
class ClassToken(SequenceLayer):
    """Adds a learnable vector to each sequence, whose output gives the clip's probabilities (2022, section 2.1.1).

    The paper "appends" it, as BERT does, which puts it first. After the last frame, it stands behind the last real one,
    so that a clip gives the same whether it is padded or not.

    Args:
        place: `"first"`: before the first frame; `"last"`: after the last real frame, whose places do not change.
        initializer: of the vector.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, 1 + frames, dim)` and its mask `(batch, 1 + frames)`, in which the token is real.

    Raises:
        ValueError: `place` is neither.

    Example:
        >>> import numpy as np
        >>> sequence, mask = ClassToken()(np.ones((2, 5, 16)))
        >>> sequence.shape, mask.shape
        (TensorShape([2, 6, 16]), TensorShape([2, 6]))
    """

    def __init__(self, *, place: str = "first", initializer="random_normal", **kwargs) -> None:
        super().__init__(**kwargs)
        if place not in PLACES:
            raise ValueError(f"place must be one of {', '.join(PLACES)}, not '{place}'")
        self.place = place
        self.initializer = keras.initializers.get(initializer)

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the vector."""
        self.token = self.add_weight(shape=(inputs_shape[-1],), initializer=self.initializer, name="token")

    def call(self, inputs, padding_mask=None):
        """Adds the token."""
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        token = ops.cast(self.token, inputs.dtype)
        if self.place == "first":
            padding_mask = ops.concatenate([ops.ones_like(padding_mask[:, :1]), padding_mask], axis=1)
            return ops.concatenate([ops.zeros_like(inputs[:, :1]) + token, inputs], axis=1), padding_mask
        places = ops.arange(ops.shape(inputs)[1] + 1)
        length = ops.max(ops.where(padding_mask, places[1:], 0), axis=1, keepdims=True)
        there = ops.equal(places, length)
        padding_mask = ops.concatenate([padding_mask, ops.zeros_like(padding_mask[:, :1])], axis=1)
        inputs = ops.concatenate([inputs, ops.zeros_like(inputs[:, :1])], axis=1)
        return ops.where(there[..., None], token, inputs), ops.logical_or(padding_mask, there)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their mask."""

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "place": self.place,
            "initializer": keras.initializers.serialize(self.initializer),
        }
