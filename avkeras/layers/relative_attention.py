"""Multi-head attention with learnable relative positions (2022, section 2.1.2)."""

import keras
import numpy as np
from keras import ops

from avkeras.layers.attention import MultiHeadAttention
from avkeras.layers.fusion import MultiEncoderAttention
from avkeras.layers.kernels import with_one


@keras.saving.register_keras_serializable(package="avkeras")
class RelativeMultiHeadAttention(MultiHeadAttention):
    """Multi-head attention that also scores the distance of two frames, as in Transformer-XL (2022, section 2.1.2).

    With a head's queries q_i = W_q x_i, keys k_j and learnable encodings r_d of the distance d = i + query_offset - j,
    the score of key j for query i is ((q_i + u) k_j + (q_i + v) r_d) / sqrt(key_dim). u and v are the method's two
    biases; u is what `MultiHeadAttention` keeps as `query_bias`. Distances beyond `max_distance` share its encoding.

    A decoder puts its class token before frame 0, so the token stands at position -1. Within one sequence only
    differences count; towards another one a decoder sets `query_offset=-1`, and frame i is at distance 0 from key i.

    All queries are scored against all distances by one product, and row i of the result is moved by i: the relative
    shift, done by reshaping.

    Args:
        max_distance: farthest distance, in frames, that has an encoding of its own.
        query_offset: position of the first query, where the first key is at 0.
        **kwargs: the arguments of `MultiHeadAttention`.

    Call arguments:
        query: `(batch, queries, dim)`.
        value: `(batch, keys, dim)`; None: self-attention over `query`.
        padding_mask: `(batch, keys)` boolean; False: padding, which changes no output.
        return_attention_scores: whether the weights (before dropout) are returned too.

    Returns:
        `(batch, queries, output_dim)`, and the weights `(batch, heads, queries, keys)` if asked for.

    Example:
        >>> import numpy as np
        >>> layer = RelativeMultiHeadAttention(num_heads=3, key_dim=8, output_dim=16, max_distance=10)
        >>> layer(np.ones((2, 5, 16)), np.ones((2, 7, 16))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(self, *, max_distance: int = 64, query_offset: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.max_distance = max_distance
        self.query_offset = query_offset

    def build(self, query_shape, value_shape=None):
        """Creates the maps, the encodings of the distances and their bias v."""
        super().build(query_shape, value_shape)
        self._build_encodings(query_shape[-1])
        self.distance_bias = self.add_weight(
            shape=(self.num_heads, self.key_dim), initializer="zeros", name="distance_bias"
        )

    def _build_encodings(self, dim):
        self.distance_encodings = self.add_weight(
            shape=(self.num_heads, self.key_dim, 2 * self.max_distance + 1),
            initializer="random_normal",
            name="distance_encodings",
        )

    def _encodings(self):
        """Returns those of all distances, the most negative first, `(heads, key_dim, distances)`."""
        return self.distance_encodings

    def _add_positions(self, scores, query):
        """Adds (q_i + v) r_d / sqrt(key_dim)."""
        query = with_one(query)
        (batch, queries, width), keys, heads = ops.shape(query), ops.shape(scores)[2], self.num_heads
        distances = queries + keys - 1
        # One column per distance, the farthest first, and one more, so that a row is a step longer than the shift.
        distance = queries - 1 + self.query_offset - ops.arange(distances + 1)
        column = ops.clip(distance, -self.max_distance, self.max_distance) + self.max_distance
        query_map = ops.concatenate([self.query_kernel, self.distance_bias[:, None]], axis=1) * self.key_dim**-0.5
        distance_map = ops.transpose(ops.matmul(query_map, self._encodings()), (2, 1, 0))
        distance_map = ops.transpose(ops.take(distance_map, column, axis=0), (1, 0, 2))
        distance_map = ops.cast(ops.reshape(distance_map, (width, (distances + 1) * heads)), query.dtype)
        every = ops.reshape(ops.matmul(query, distance_map), (batch, queries * (distances + 1) * heads))
        start = (queries - 1) * heads
        # The gradient of `slice` takes TensorFlow a third of the time of that of brackets.
        shifted = ops.slice(every, (0, start), (batch, queries * distances * heads))
        shifted = ops.reshape(shifted, (batch, queries, distances * heads))
        shifted = ops.slice(shifted, (0, 0, 0), (batch, queries, keys * heads))
        return scores + ops.reshape(shifted, (batch, queries, keys, heads))

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "max_distance": self.max_distance, "query_offset": self.query_offset}


@keras.saving.register_keras_serializable(package="avkeras")
class SinusoidalRelativeAttention(RelativeMultiHeadAttention):
    """`RelativeMultiHeadAttention` whose encodings are maps of sinusoids, as in Transformer-XL (Dai et al. 2019).

    Args:
        causal_shift: distances from `queries - 1` to 0 only, moved as a model without a look ahead would: keys behind
            the query then get what the shift leaves there (as the code of Miyazaki et al. 2020 does).
        **kwargs: the arguments of `RelativeMultiHeadAttention`.

    Example:
        >>> import numpy as np
        >>> layer = SinusoidalRelativeAttention(num_heads=3, key_dim=8, output_dim=16, max_distance=10)
        >>> layer(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(self, *, causal_shift: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.causal_shift = causal_shift

    def _build_encodings(self, dim):
        self.distance_kernel = self.add_weight(
            shape=(self.num_heads, self.key_dim, dim), initializer="glorot_uniform", name="distance_kernel"
        )

    def _encodings(self):
        distances = np.arange(-self.max_distance, self.max_distance + 1)
        return ops.matmul(self.distance_kernel, _sinusoids(distances, self.distance_kernel.shape[-1]))

    def _add_positions(self, scores, query):
        if not self.causal_shift:
            return super()._add_positions(scores, query)
        batch, queries = ops.shape(query)[:2]
        distance = ops.minimum(queries - 1 - ops.arange(queries), self.max_distance)
        table = ops.take(self._encodings(), self.max_distance + distance, axis=2)
        query_map = ops.concatenate([self.query_kernel, self.distance_bias[:, None]], axis=1) * self.key_dim**-0.5
        mapped = ops.einsum("bqd,hdw->bqhw", with_one(query), ops.cast(query_map, query.dtype))
        every = ops.einsum("bqhw,hwd->bhqd", mapped, ops.cast(table, query.dtype))
        # A zero before each row; read as rows of one more, of which the first is left out, each row is moved by its
        # place.
        padded = ops.pad(every, ((0, 0), (0, 0), (0, 0), (1, 0)))
        padded = ops.reshape(padded, (batch, self.num_heads, queries + 1, queries))[:, :, 1:]
        return scores + ops.transpose(padded, (0, 2, 3, 1))

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "causal_shift": self.causal_shift}


def _sinusoids(positions: np.ndarray, dim: int) -> np.ndarray:
    """Returns sines and cosines of positions, `(dim, positions)`, as `SinusoidalPositions` adds them."""
    columns = np.arange(dim)
    rates = 10000.0 ** (-2.0 * (columns // 2) / dim)
    return np.sin(rates[:, None] * positions + (columns[:, None] % 2) * (np.pi / 2)).astype("float32")


@keras.saving.register_keras_serializable(package="avkeras")
class RelativeMultiEncoderAttention(MultiEncoderAttention):
    """`MultiEncoderAttention` by `RelativeMultiHeadAttention` (2022, figures 3 and 4).

    Args:
        max_distance: farthest distance, in frames, that has an encoding of its own.
        query_offset: position of the first query, where the first key is at 0.
        **kwargs: the arguments of `MultiEncoderAttention`.

    Example:
        >>> import numpy as np
        >>> layer = RelativeMultiEncoderAttention(encoders=("audio",), key_dim=8, output_dim=16)
        >>> encoded, padding_masks = {"audio": np.ones((2, 4, 16))}, {"audio": np.ones((2, 4), bool)}
        >>> layer(np.ones((2, 5, 16)), encoded, padding_masks, np.ones((2, 1))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(self, *, max_distance: int = 64, query_offset: int = 0, **kwargs) -> None:
        # Set first: the base class makes the attentions, which take both.
        self.max_distance = max_distance
        self.query_offset = query_offset
        super().__init__(**kwargs)

    def _attention(self, **options):
        return RelativeMultiHeadAttention(
            **self._attention_config(), max_distance=self.max_distance, query_offset=self.query_offset, **options
        )

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "max_distance": self.max_distance, "query_offset": self.query_offset}
