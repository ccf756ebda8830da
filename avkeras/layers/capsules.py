"""Capsules: vectors whose lengths are probabilities, and routing by agreement (Iqbal, Xu, Kong, Wang 2018)."""

import keras
from keras import ops


def squash(vectors, *, epsilon: float = 1e-7):
    """Shortens vectors to a length below 1: |s|^2 / (1 + |s|^2) * s / |s|.

    Args:
        vectors: `(..., dim)`.
        epsilon: added to the squared length below the root.

    Returns:
        A tensor of the shape of `vectors`.

    Example:
        >>> import numpy as np
        >>> squash(np.array([[3.0, 0.0]])).numpy().round(3).tolist()
        [[0.9, 0.0]]
    """
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * squares / (1 + squares) / ops.sqrt(squares + epsilon)


@keras.saving.register_keras_serializable(package="avkeras")
class PrimaryCapsules(keras.layers.Layer):
    """Cuts the channels of each step into vectors and squashes them (Iqbal et al. 2018).

    Args:
        dim: width of a capsule.
        epsilon: of `squash`.

    Call arguments:
        inputs: `(batch, steps, bands, channels)`; `dim` divides the channels.

    Returns:
        `(batch, steps, bands * channels / dim, dim)`.

    Example:
        >>> import numpy as np
        >>> PrimaryCapsules(dim=4)(np.ones((2, 30, 4, 64), "float32")).shape
        TensorShape([2, 30, 64, 4])
    """

    def __init__(self, *, dim: int = 4, epsilon: float = 1e-7, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.epsilon = epsilon

    def call(self, inputs):
        """Cuts and squashes."""
        batch, steps = ops.shape(inputs)[:2]
        capsules = inputs.shape[2] * inputs.shape[3] // self.dim
        return squash(ops.reshape(inputs, (batch, steps, capsules, self.dim)), epsilon=self.epsilon)

    def compute_output_shape(self, inputs_shape):
        """Returns the shape of the capsules."""
        batch, steps, bands, channels = inputs_shape
        return (batch, steps, bands * channels // self.dim, self.dim)

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "dim": self.dim, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="avkeras")
class CapsuleRouting(keras.layers.Layer):
    """Class capsules of each step, by rounds of agreement; the maps are shared by all steps (Iqbal et al. 2018).

    With u_ji = W_ji u_i for input capsule i and class j, and b = 0, each round is c = softmax of b over the classes,
    v_j = squash(sum_i c_ji u_ji), and, but after the last, b_ji = b_ji + v_j . u_ji. Gradients go through all rounds.

    Args:
        capsules: classes.
        dim: width of a class capsule.
        rounds: of routing.
        epsilon: of `squash`.
        initializer: of the maps.

    Call arguments:
        inputs: `(batch, steps, capsules, dim)`.

    Returns:
        Class capsules `(batch, steps, capsules, dim)`; the length of each is its class's probability in that step.

    Example:
        >>> import numpy as np
        >>> CapsuleRouting(capsules=17)(np.ones((2, 30, 64, 4), "float32")).shape
        TensorShape([2, 30, 17, 8])
    """

    def __init__(
        self,
        *,
        capsules: int = 17,
        dim: int = 8,
        rounds: int = 3,
        epsilon: float = 1e-7,
        initializer="glorot_uniform",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if rounds < 1:
            raise ValueError(f"rounds must be at least 1, not {rounds}")
        self.capsules = capsules
        self.dim = dim
        self.rounds = rounds
        self.epsilon = epsilon
        self.initializer = keras.initializers.get(initializer)

    def build(self, inputs_shape):
        """Creates a map per pair of capsules."""
        self.kernel = self.add_weight(
            shape=(self.capsules, inputs_shape[-2], self.dim, inputs_shape[-1]),
            initializer=self.initializer,
            name="kernel",
        )

    def call(self, inputs):
        """Routes every step."""
        votes = ops.einsum("jidk,btik->btjid", self.kernel, inputs)
        agreement = ops.zeros_like(votes[..., 0])
        for number in range(self.rounds):
            shares = ops.softmax(agreement, axis=2)
            capsules = squash(ops.einsum("btji,btjid->btjd", shares, votes), epsilon=self.epsilon)
            if number < self.rounds - 1:
                agreement = agreement + ops.einsum("btjd,btjid->btji", capsules, votes)
        return capsules

    def compute_output_shape(self, inputs_shape):
        """Returns the shape of the class capsules."""
        return (*inputs_shape[:2], self.capsules, self.dim)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "capsules": self.capsules,
            "dim": self.dim,
            "rounds": self.rounds,
            "epsilon": self.epsilon,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable(package="avkeras")
class CapsuleLength(keras.layers.Layer):
    """Length of each capsule, from 0 to 1: its probability (Iqbal et al. 2018).

    Args:
        epsilon: added to the squared length below the root, so that it has a gradient at 0.

    Call arguments:
        inputs: `(batch, steps, capsules, dim)`.

    Returns:
        `(batch, steps, capsules)`.

    Example:
        >>> import numpy as np
        >>> CapsuleLength(epsilon=0.0)(np.array([[[[0.6, 0.8]]]])).numpy().round(3).tolist()
        [[[1.0]]]
    """

    def __init__(self, *, epsilon: float = 1e-7, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        """Measures."""
        return ops.sqrt(ops.sum(ops.square(inputs), axis=-1) + self.epsilon)

    def compute_output_shape(self, inputs_shape):
        """Returns the shape without the vectors."""
        return inputs_shape[:-1]

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "epsilon": self.epsilon}
