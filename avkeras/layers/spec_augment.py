"""SpecAugment: stripes of a spectrogram set to 0 while training (Park et al. 2019)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="avkeras")
class SpecAugment(keras.layers.Layer):
    """Sets stripes of frames and of bands to 0, drawn anew for each clip while training (as Kong et al. 2020 do).

    A stripe is 0 to `width - 1` wide, every width and then every place being equally probable.

    Args:
        time_stripes: stripes of frames.
        time_width: frames that no such stripe reaches.
        band_stripes: stripes of bands.
        band_width: bands that no such stripe reaches.
        seed: of the draws; default: from `keras.utils.set_random_seed`.

    Call arguments:
        inputs: `(batch, frames, bands)`.
        training: whether stripes are set to 0.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> import numpy as np
        >>> striped = SpecAugment(seed=1)(np.ones((4, 1001, 64), "float32"), training=True)
        >>> 0.7 < float(np.mean(striped)) < 1
        True
    """

    def __init__(
        self,
        *,
        time_stripes: int = 2,
        time_width: int = 64,
        band_stripes: int = 2,
        band_width: int = 8,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.time_stripes = time_stripes
        self.time_width = time_width
        self.band_stripes = band_stripes
        self.band_width = band_width
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training=False):
        """Sets stripes to 0 when `training`."""
        if not training:
            return inputs
        batch, frames, bands = ops.shape(inputs)
        kept = self._kept(batch, frames, self.time_stripes, self.time_width)[:, :, None]
        kept = ops.logical_and(kept, self._kept(batch, bands, self.band_stripes, self.band_width)[:, None])
        return ops.where(kept, inputs, ops.zeros_like(inputs))

    def _kept(self, batch, length, stripes, width):
        """Returns which places of a length lie in no stripe, `(batch, length)`."""
        if not stripes:
            return ops.ones((batch, length), "bool")
        draws = keras.random.uniform((2, batch, stripes, 1), seed=self.seed_generator, dtype="float32")
        widths = ops.floor(draws[0] * width)
        starts = ops.floor(draws[1] * (ops.cast(length, "float32") - widths))
        places = ops.cast(ops.arange(length), "float32")
        inside = ops.logical_and(places >= starts, places < starts + widths)
        return ops.logical_not(ops.any(inside, axis=1))

    def save_own_variables(self, store):
        """Saves the generator's state, so that a resumed run draws what an uninterrupted one would."""
        store["seed_generator_state"] = self.seed_generator.state

    def load_own_variables(self, store):
        """Loads the generator's state."""
        self.seed_generator.state.assign(store["seed_generator_state"])

    def compute_output_shape(self, inputs_shape):
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "time_stripes": self.time_stripes,
            "time_width": self.time_width,
            "band_stripes": self.band_stripes,
            "band_width": self.band_width,
            "seed": self.seed,
        }
