"""Noise on the magnitudes behind levels in dB."""

import math

import keras
import numpy as np
from keras import ops

_LEAST = 1e-5  # magnitude, as in `avkeras.features.log_mel`


@keras.saving.register_keras_serializable(package="avkeras")
class NoisyLevels(keras.layers.Layer):
    """Adds Gaussian noise to the magnitudes that levels are of (the teacher's input in DCASE 2020 task 4's baseline).

    The noise of a band has `snr` dB less power than the band has in the clip. Levels are limited again to `top_db`
    below the clip's loudest.

    Args:
        snr: ratio of the band's power to the noise, in dB.
        top_db: range of levels in dB.
        seed: of the noise; default: from `keras.utils.set_random_seed`.

    Call arguments:
        inputs: levels in dB of magnitudes, `(batch, frames, bands)`.
        padding_mask: `(batch, frames)` boolean; False: padding, which has no power and stays. None: all frames are
            real.
        training: whether noise is added.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> noisy = NoisyLevels(snr=30.0, seed=1)(np.zeros((1, 500, 4), "float32"), training=True)
        >>> bool(0.1 < float(np.std(noisy)) < 0.5)
        True
    """

    def __init__(self, *, snr: float = 30.0, top_db: float = 80.0, seed: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.snr = snr
        self.top_db = top_db
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, padding_mask=None, training=False):
        """Adds noise when `training`."""
        if not training:
            return inputs
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        real = ops.cast(padding_mask, "bool")[..., None]
        wide = ops.where(real, ops.cast(inputs, "float32"), 0.0)
        magnitudes = ops.exp(wide * (math.log(10) / 20))
        frames = ops.maximum(ops.sum(ops.cast(real, "float32"), axis=1, keepdims=True), 1.0)
        power = ops.sum(ops.where(real, ops.square(magnitudes), 0.0), axis=1, keepdims=True) / frames
        deviation = ops.sqrt(power * 10 ** (-self.snr / 10))
        noise = keras.random.normal(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        noisy = ops.log(ops.maximum(ops.abs(magnitudes + deviation * noise), _LEAST)) * (20 / math.log(10))
        loudest = ops.max(ops.where(real, noisy, -np.inf), axis=(1, 2), keepdims=True)
        return ops.where(real, ops.cast(ops.maximum(noisy, loudest - self.top_db), inputs.dtype), inputs)

    def save_own_variables(self, store):
        """Saves the generator's state, so that a resumed run draws what an uninterrupted one would."""
        store["seed_generator_state"] = self.seed_generator.state

    def load_own_variables(self, store):
        """Loads the generator's state."""
        self.seed_generator.state.assign(store["seed_generator_state"])

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "snr": self.snr, "top_db": self.top_db, "seed": self.seed}
