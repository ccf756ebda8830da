"""Embeddings at the places of another sequence, for early fusion."""

from typing import ClassVar

import keras
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class NearestFrames(SequenceLayer):
    """Gives every place of another sequence the nearest real frame of this one; both span the same time.

    Early fusion of sequences of different rates (Boes and Van hamme 2021, reference 5 of the 2022 paper). Of two frames
    that are equally near it is the earlier. An absent sequence gives zeros, or a learnt vector.

    Args:
        absent_token: whether a learnt vector, not zeros, stands in for an absent sequence.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        like: the other sequence, `(batch, places, any)`; only its length counts.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, places, dim)`.

    Example:
        >>> import numpy as np
        >>> frames = np.array([[[1.0], [2.0]]])
        >>> NearestFrames()(frames, np.zeros((1, 5, 3))).numpy().ravel().tolist()
        [1.0, 1.0, 1.0, 2.0, 2.0]
    """

    masks: ClassVar = {"padding_mask": ("inputs",)}

    def __init__(self, *, absent_token: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.absent_token = absent_token

    def build(self, inputs_shape, like_shape, padding_mask_shape=None):
        """Creates the vector."""
        self.token = None
        if self.absent_token:
            self.token = self.add_weight(shape=(inputs_shape[-1],), initializer="random_normal", name="token")

    def call(self, inputs, like, padding_mask=None):
        """Takes the frames."""
        frames, places = ops.shape(inputs)[1], ops.shape(like)[1]
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        padding_mask = ops.cast(padding_mask, "bool")
        # Twice the distances, times the places: whole numbers, so that ties are ties.
        centres = (2 * ops.arange(places, dtype="int32") + 1)[:, None] * frames
        distances = ops.abs(centres - (2 * ops.arange(frames, dtype="int32") + 1)[None] * places)
        far = 4 * frames * places
        nearest = ops.argmin(distances[None] + ops.where(padding_mask[:, None], 0, far), axis=2)
        chosen = ops.matmul(ops.one_hot(nearest, frames, dtype=inputs.dtype), inputs)
        absent = ops.zeros_like(chosen) if self.token is None else ops.cast(self.token, chosen.dtype)
        return ops.where(ops.any(padding_mask, axis=1)[:, None, None], chosen, absent)

    def compute_output_spec(self, inputs, like, padding_mask=None):
        """Returns the symbolic output."""
        return keras.KerasTensor((inputs.shape[0], like.shape[1], inputs.shape[2]), self.compute_dtype)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: what is real is told by the other sequence."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "absent_token": self.absent_token}
