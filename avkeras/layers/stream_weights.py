"""The weights by which a decoder combines its encoders (2022, sections 2.2 and 3.2)."""

from collections.abc import Sequence

import keras
from keras import ops

# What the generator's state is called in files, beside the numbers of the weights.
_STATE = "seed_generator_state"


@keras.saving.register_keras_serializable(package="avkeras")
class StreamWeights(keras.layers.Layer):
    """Gives each encoder its share per clip, from what the clip has (2022, sections 2.2 and 3.2.2).

    The first encoder, audio, gets the audio weight and the others share the rest equally. An absent sequence gets 0
    and the others are scaled to sum to 1, so audio gets 1 where nothing else is there. A clip without any sequence
    gets zeros.

    The audio weight of inference is a weight of the layer: it is saved, and may be set after a model has been compiled
    or has predicted (`set_inference_weight`). 1 ignores all but audio.

    Three options are beyond the paper; the first is what its section 4 proposes, weights that depend on the data:

    * `gate`: the logarithms of the shares are added to a linear map of the mean encoder states of the clip, zeros for
      an absent sequence, and a softmax over what is there makes the weights. At first they are the shares.
    * `modality_dropout`: in training each sequence but audio is absent from some clips that have it.
    * `absent_token`: a learnt vector stands in for an absent sequence, audio aside, as its only frame; it then gets the
      share that the sequence would have.

    Args:
        encoders: names, audio first.
        training_weight: audio weight while training, in (0, 1]; None: drawn once per batch from U(`random_low`, 1).
        random_low: least random weight.
        inference_weight: audio weight in inference, in (0, 1], until it is set anew.
        gate: whether the weights depend on the encoder states.
        modality_dropout: share of the clips that lack a sequence in training though they have it, in [0, 1).
        absent_token: whether a learnt vector stands in for an absent sequence.
        seed: seed of random weight and dropout; default: from `keras.utils.set_random_seed`.

    Call arguments:
        present: `(batch, encoders)` boolean; False: the sequence is absent.
        encoded: encoder states, a dict of names to `(batch, frames, dim)`; for `gate` and `absent_token`.
        padding_masks: dict of names to `(batch, frames)` boolean; False: padding. None: all frames are real.
        training: which audio weight is used, and whether sequences are dropped.

    Returns:
        `(batch, encoders)`; if `encoded` is given, `encoded` and `padding_masks` too, as the decoder is to have them.

    Raises:
        ValueError: a weight is not in (0, 1], the dropout not in [0, 1), or `encoded` is needed.

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
        gate: bool = False,
        modality_dropout: float = 0.0,
        absent_token: bool = False,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # encoder states keep their precision
        if not 0 <= modality_dropout < 1:
            raise ValueError(f"modality_dropout must be in [0, 1), not {modality_dropout}")
        _check(random_low=random_low, inference_weight=inference_weight)
        if training_weight is not None:
            _check(training_weight=training_weight)
        self.encoders = tuple(encoders)
        self.training_weight = training_weight
        self.random_low = random_low
        self.inference_weight = inference_weight
        self.gate = gate
        self.modality_dropout = modality_dropout
        self.absent_token = absent_token
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, present_shape, encoded_shape=None, padding_masks_shape=None):
        """Creates the audio weight of inference, the gate and the vectors."""
        if encoded_shape is None and (self.gate or self.absent_token):
            raise ValueError(f"{self.name}: gate and absent_token need the encoder states (encoded)")
        self.audio_weight = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.inference_weight),
            trainable=False,
            autocast=False,
            dtype="float32",
            name="audio_weight",
        )
        options = {"autocast": False, "dtype": "float32"}
        if self.gate:
            pooled = sum(encoded_shape[name][-1] for name in self.encoders)
            size = len(self.encoders)
            self.gate_kernel = self.add_weight(shape=(pooled, size), initializer="zeros", name="gate_kernel", **options)
            self.gate_bias = self.add_weight(shape=(size,), initializer="zeros", name="gate_bias", **options)
        if self.absent_token:
            self.tokens = {
                name: self.add_weight(
                    shape=(encoded_shape[name][-1],), initializer="random_normal", name=f"{name}_token", **options
                )
                for name in self.encoders[1:]
            }

    def call(self, present, encoded=None, padding_masks=None, training=False):
        """Shares the weights out."""
        present = ops.cast(present, "bool")
        shares = self._shares(training)
        if training and self.modality_dropout:
            present = self._drop(present)
        there = present
        if encoded is not None:
            encoded, masks = dict(encoded), dict(padding_masks or {})
            for name in self.encoders:
                if masks.get(name) is None:
                    masks[name] = ops.ones(ops.shape(encoded[name])[:2], dtype="bool")
            if self.absent_token:
                for place, name in enumerate(self.encoders[1:], start=1):
                    encoded[name], masks[name] = self._stand_in(name, encoded[name], masks[name], present[:, place])
                there = ops.concatenate([present[:, :1], ops.ones_like(present[:, 1:])], axis=1)
        weights = ops.cast(there, "float32") * shares
        if self.gate:
            levels = ops.matmul(self._pooled(encoded, masks, there), self.gate_kernel) + self.gate_bias
            levels = ops.where(weights > 0, levels, -1e9)
            weights = weights * ops.exp(levels - ops.max(levels, axis=1, keepdims=True))
        total = ops.sum(weights, axis=1, keepdims=True)
        weights = ops.cast(weights / ops.where(total > 0, total, 1.0), self.compute_dtype)
        return weights if encoded is None else (weights, encoded, masks)

    def _shares(self, training):
        """Returns what each encoder gets where all are there, `(encoders,)`."""
        others = len(self.encoders) - 1
        if not training:
            audio = self.audio_weight.value
        elif self.training_weight is None:
            audio = keras.random.uniform((), self.random_low, 1.0, dtype="float32", seed=self.seed_generator)
        else:
            audio = ops.convert_to_tensor(self.training_weight, dtype="float32")
        return ops.stack([audio] + [(1 - audio) / max(others, 1)] * others)

    def _drop(self, present):
        """Returns what is present after dropout; audio stays."""
        kept = keras.random.uniform(ops.shape(present), dtype="float32", seed=self.seed_generator)
        audio = ops.arange(len(self.encoders)) == 0
        return ops.logical_and(present, ops.logical_or(kept >= self.modality_dropout, audio))

    def _stand_in(self, name, states, mask, present):
        """Puts the learnt vector in the first frame of the clips that lack a sequence, and masks the others."""
        states = ops.where(present[:, None, None], states, ops.cast(self.tokens[name], states.dtype))
        first = ops.arange(ops.shape(states)[1]) == 0
        return states, ops.where(present[:, None], mask, first[None])

    def _pooled(self, encoded, masks, there):
        """Returns the mean states of all encoders in a row, `(batch, sum of dims)`; zeros for an absent one."""
        pooled = []
        for place, name in enumerate(self.encoders):
            # By `[:, place, None]`, TensorFlow's optimizer of graphs would lose the new axis of what is stacked.
            real = ops.logical_and(masks[name], ops.expand_dims(there[:, place], 1))
            states = ops.cast(encoded[name], "float32")
            total = ops.sum(ops.where(real[..., None], states, 0.0), axis=1)
            pooled.append(total / ops.maximum(ops.sum(ops.cast(real, "float32"), axis=1, keepdims=True), 1.0))
        return ops.concatenate(pooled, axis=1)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their masks."""

    def set_inference_weight(self, weight: float) -> None:
        """Sets the audio weight of inference, in (0, 1]."""
        _check(weight=weight)
        self.audio_weight.assign(weight)

    def save_own_variables(self, store):
        """Saves the weights and the generator's state, so that a resumed run draws what an uninterrupted one would."""
        super().save_own_variables(store)
        store[_STATE] = self.seed_generator.state

    def load_own_variables(self, store):
        """Loads what `save_own_variables` saved; older files hold no state."""
        values = {name: store[name] for name in list(store.keys())}
        state = values.pop(_STATE, None)
        super().load_own_variables(values)
        if state is not None:
            self.seed_generator.state.assign(state)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "encoders": list(self.encoders),
            "training_weight": self.training_weight,
            "random_low": self.random_low,
            "inference_weight": self.inference_weight,
            "gate": self.gate,
            "modality_dropout": self.modality_dropout,
            "absent_token": self.absent_token,
            "seed": self.seed,
        }


def _check(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be in (0, 1], not {value}")
