"""The weights by which a decoder combines its encoders (2022, sections 2.2 and 3.2)."""

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="avkeras")
class StreamWeights(keras.layers.Layer):
    """Gives each encoder its share per clip, from what the clip has (2022, sections 2.2 and 3.2.2).

    The first encoder, audio, gets the audio weight and the others share the rest equally. An absent sequence gets 0
    and the others are scaled to sum to 1, so audio gets 1 where nothing else is there. A clip without any sequence
    gets zeros.

    The audio weight of inference is a weight of the layer: it is saved, and may be set after a model has been compiled
    or has predicted (`set_inference_weight`). 1 ignores all but audio.

    Args:
        encoders: names, audio first.
        training_weight: audio weight while training, in (0, 1]; None: drawn once per batch from U(`random_low`, 1).
        random_low: least random weight.
        inference_weight: audio weight in inference, in (0, 1], until it is set anew.
        seed: seed of the random weight; default: from `keras.utils.set_random_seed`.

    Call arguments:
        present: `(batch, encoders)` boolean; False: the sequence is absent.
        training: which audio weight is used.

    Returns:
        `(batch, encoders)`.

    Raises:
        ValueError: a weight is not in (0, 1].

    Example:
        >>> import numpy as np
        >>> layer = StreamWeights(encoders=("audio", "openl3", "tce"), inference_weight=0.5)
        >>> layer(np.array([[True, True, True], [True, False, False]])).numpy().tolist()
        [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]
    """

    # Student and teacher of a `MeanTeacher`, and the replicas of a model, all use the same draw.
    one_draw_per_batch = True

    def __init__(
        self,
        *,
        encoders: Sequence[str],
        training_weight: float | None = None,
        random_low: float = 0.25,
        inference_weight: float = 0.5,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        _check(random_low=random_low, inference_weight=inference_weight)
        if training_weight is not None:
            _check(training_weight=training_weight)
        self.encoders = tuple(encoders)
        self.training_weight = training_weight
        self.random_low = random_low
        self.inference_weight = inference_weight
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, present_shape):
        """Creates the audio weight of inference."""
        self.audio_weight = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.inference_weight),
            trainable=False,
            autocast=False,
            dtype="float32",
            name="audio_weight",
        )

    def call(self, present, training=False):
        """Shares the weights out."""
        others = len(self.encoders) - 1
        if not training:
            audio = self.audio_weight.value
        elif self.training_weight is None:
            audio = keras.random.uniform((), self.random_low, 1.0, dtype="float32", seed=self.seed_generator)
        else:
            audio = ops.convert_to_tensor(self.training_weight, dtype="float32")
        shares = ops.stack([audio] + [(1 - audio) / max(others, 1)] * others)
        weights = ops.cast(present, "float32") * shares
        total = ops.sum(weights, axis=1, keepdims=True)
        return ops.cast(weights / ops.where(total > 0, total, 1.0), self.compute_dtype)

    def set_inference_weight(self, weight: float) -> None:
        """Sets the audio weight of inference, in (0, 1]."""
        _check(weight=weight)
        self.audio_weight.assign(weight)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "encoders": list(self.encoders),
            "training_weight": self.training_weight,
            "random_low": self.random_low,
            "inference_weight": self.inference_weight,
            "seed": self.seed,
        }


def _check(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be in (0, 1], not {value}")
