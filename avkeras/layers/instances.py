"""Clip scores from instances: parts of pictures and windows of sound, of which only the clip's classes are known."""

import keras
from keras import ops

from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class SplitRegions(SequenceLayer):
    """Makes an instance of every region of a picture, whose embeddings lie side by side in a frame.

    Args:
        regions: of each picture.

    Call arguments:
        inputs: `(batch, frames, regions * dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, frames * regions, dim)`, and its mask `(batch, frames * regions)`.

    Raises:
        ValueError: the width is no multiple of `regions`.

    Example:
        >>> import numpy as np
        >>> instances, mask = SplitRegions(regions=3)(np.zeros((1, 2, 12)))
        >>> instances.shape, mask.shape
        (TensorShape([1, 6, 4]), TensorShape([1, 6]))
    """

    def __init__(self, *, regions: int = 14, **kwargs) -> None:
        super().__init__(**kwargs)
        self.regions = regions
        self.built = True

    def call(self, inputs, padding_mask=None):
        """Splits the frames."""
        batch, frames, width = ops.shape(inputs)
        if inputs.shape[-1] % self.regions:
            raise ValueError(f"{self.name}: {width} values are not those of {self.regions} regions")
        if padding_mask is None:
            padding_mask = ops.ones((batch, frames), dtype="bool")
        instances = ops.reshape(inputs, (batch, frames * self.regions, width // self.regions))
        return instances, ops.repeat(padding_mask, self.regions, axis=1)

    def compute_output_spec(self, inputs, padding_mask=None):
        """Returns the symbolic outputs."""
        batch, frames, width = inputs.shape
        if width % self.regions:
            raise ValueError(f"{self.name}: {width} values are not those of {self.regions} regions")
        count = None if frames is None else frames * self.regions
        instances = keras.KerasTensor((batch, count, width // self.regions), self.compute_dtype)
        return instances, keras.KerasTensor((batch, count), "bool")

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs hold their mask."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "regions": self.regions}


@keras.saving.register_keras_serializable(package="avkeras")
class InstancePooling(SequenceLayer):
    """Sums the scores of instances, each by its share of a softmax over them, to a vector of length 1 over the classes.

    Multiple-instance learning of Parekh et al. (2018). Shares are of each class for itself.

    Args:
        epsilon: added to the squared length.

    Call arguments:
        inputs: scores of the classes, `(batch, instances, classes)`.
        places: logarithms of the shares but for their sum, `(batch, instances, classes)`.
        padding_mask: `(batch, instances)` boolean; False: padding. None: all instances are real.

    Returns:
        `(batch, classes)`; zeros for a clip without any instance.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[[3.0, 4.0], [0.0, 0.0]]])
        >>> InstancePooling()(scores, np.zeros((1, 2, 2))).numpy().round(3).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, *, epsilon: float = 1e-6, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.built = True

    def call(self, inputs, places, padding_mask=None):
        """Pools over the instances, in float32 at least: squares of scores pass what half precision holds."""
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        inputs, places = ops.cast(inputs, wide), ops.cast(places, wide)
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        real = padding_mask[..., None]
        lowest = ops.cast(-1e30, places.dtype)
        shares = ops.where(real, ops.softmax(ops.where(real, places, lowest), axis=1), ops.zeros_like(places))
        total = ops.sum(ops.where(real, inputs, ops.zeros_like(inputs)) * shares, axis=1)
        length = ops.sqrt(ops.sum(ops.square(total), axis=1, keepdims=True) + self.epsilon)
        return ops.cast(total / length, self.compute_dtype)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the instances are gone."""

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "epsilon": self.epsilon}
