"""Dropout whose masks come from an integer hash: the same statistics, a fraction of the time on a CPU."""

import math

import keras
from keras import ops

from avkeras.layers.kernels import on_pytorch
from avkeras.layers.loops import dropped, hash_words
from avkeras.layers.sequence_layer import SequenceLayer

_HALF_LEVELS = 1 << 16


@keras.saving.register_keras_serializable(package="avkeras")
class Dropout(SequenceLayer):
    """Sets a share `rate` of the values to zero and scales the rest by `1 / (1 - rate)` (2019, section 3.2.7).

    A random generator makes one number per value, and these models are small enough to feel it. Here it makes two
    seeds per call; a hash of (seeds, position) gives 16 bits per value, so the rate is exact to 1 / 65536. In the
    front end and after swish, where there is more to do on large tensors, a compiled loop does it all, by a word per
    value (`loops.keep_mask`), so that no halves are to be joined; here a call of one costs more than it saves. PyTorch,
    which makes a pass over the memory for every step of a hash, draws its bits (`pytorch_kernels.noise`).

    Args:
        rate: share of values set to zero, in [0, 1).
        seed: seed of the layer's own generator; default: from `keras.utils.set_random_seed`.

    Call arguments:
        inputs: tensor of any shape.
        training: whether values are dropped.

    Returns:
        A tensor of the shape and dtype of `inputs`.

    Example:
        >>> import numpy as np
        >>> bool(np.mean(Dropout(0.25, seed=1)(np.ones((100, 128)), training=True) == 0) > 0.2)
        True
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if not 0 <= round(rate * _HALF_LEVELS) < _HALF_LEVELS or rate < 0:
            raise ValueError(f"rate must be in [0, 1), not {rate}")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training=False):
        """Drops values when `training`."""
        if self.rate == 0 or not training:
            return inputs
        if on_pytorch():
            return dropped(inputs, self.draw_seeds(), self.rate)
        least = round(self.rate * _HALF_LEVELS)
        scale = _HALF_LEVELS / (_HALF_LEVELS - least)
        return inputs * (ops.cast(self._keep(inputs, least), inputs.dtype) * ops.cast(scale, inputs.dtype))

    def _keep(self, inputs, least):
        """Draws 16 bits per value, two values from each hashed word; True where they are not below `least`."""
        shape = ops.shape(inputs)
        size = math.prod(shape)
        word = hash_words(ops.arange((size + 1) // 2, dtype="int32"), self.draw_seeds())
        threshold = (least - _HALF_LEVELS // 2) * _HALF_LEVELS
        keep = ops.concatenate([word >= threshold, ops.left_shift(word, 16) >= threshold])
        return ops.reshape(keep[:size], shape)

    def draw_seeds(self):
        """Draws the two seeds of a mask; zeros if nothing is ever dropped."""
        if self.rate == 0:
            return ops.zeros((2,), "int32")
        return keras.random.randint((2,), -(2**31), 2**31 - 1, dtype="int32", seed=self.seed_generator)

    def save_own_variables(self, store):
        """Saves the generator's state, which Keras does not: without it a resumed run would draw other masks."""
        if self.rate > 0:
            store["seed_generator_state"] = self.seed_generator.state

    def load_own_variables(self, store):
        """Loads the generator's state."""
        if self.rate > 0:
            self.seed_generator.state.assign(store["seed_generator_state"])

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
