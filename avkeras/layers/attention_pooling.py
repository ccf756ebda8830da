"""Clip probabilities as weighted means of frame probabilities, with weights of their own per class."""

import keras
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer

_WEIGHTINGS = ("softmax", "sigmoid", "exp")


@keras.saving.register_keras_serializable(package="avkeras")
class AttentionPooling(SequenceLayer):
    """Pools frame probabilities s by weights a: sum_t s_t a_t / sum_t a_t, class by class.

    The weights are the softmax of the scores over the *classes* of each frame (Xu et al. 2018; DCASE 2020 task 4's
    baseline), their sigmoid (Iqbal et al. 2018), both at least 1e-7, or exp(score) + 1e-6 with scores cut to -10 to 10
    (Kong et al. 2020).

    Args:
        weighting: `"softmax"`, `"sigmoid"` or `"exp"`.

    Call arguments:
        inputs: frame probabilities `(batch, frames, classes)`.
        scores: of the weights, `(batch, frames, classes)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, classes)`; zeros for a clip without any frame.

    Raises:
        ValueError: `weighting` is none of these.

    Example:
        >>> import numpy as np
        >>> frames, scores = np.array([[[0.2], [0.8]]]), np.array([[[0.0], [np.log(3.0)]]])
        >>> AttentionPooling(weighting="exp", dtype="float64")(frames, scores).numpy().round(3).tolist()
        [[0.65]]
    """

    def __init__(self, *, weighting: str = "softmax", **kwargs) -> None:
        super().__init__(**kwargs)
        if weighting not in _WEIGHTINGS:
            raise ValueError(f"weighting must be one of {', '.join(_WEIGHTINGS)}, not '{weighting}'")
        self.weighting = weighting
        self.built = True

    def call(self, inputs, scores, padding_mask=None):
        """Pools over the frames, in float32 at least: sums of many frames pass what half precision holds."""
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        inputs, scores = ops.cast(inputs, wide), ops.cast(scores, wide)
        if self.weighting == "exp":
            weights = ops.exp(ops.clip(scores, -10, 10)) + 1e-6
        else:
            function = ops.softmax if self.weighting == "softmax" else ops.sigmoid
            weights = ops.clip(function(scores), 1e-7, 1)
        if padding_mask is not None:
            weights = ops.where(padding_mask[..., None], weights, ops.zeros_like(weights))
            inputs = ops.where(padding_mask[..., None], inputs, ops.zeros_like(inputs))
        total = ops.sum(weights, axis=1)
        pooled = ops.sum(inputs * weights, axis=1) / ops.where(total > 0, total, ops.ones_like(total))
        return ops.cast(pooled, self.compute_dtype)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the frames are gone."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "weighting": self.weighting}
