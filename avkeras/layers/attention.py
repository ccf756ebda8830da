"""Multi-head attention with three attention functions (2019, sections 2.1.1 and 2.2.5)."""

import keras
from keras import ops

from avkeras.layers.dropout import Dropout

ATTENTION_FUNCTIONS = ("softmax", "sigmoid", "normalized_sigmoid")


def attention_weights(scores, key_mask=None, *, function: str = "softmax", epsilon: float = 1e-7):
    """Turns scaled scores into attention weights over the last axis, the keys (2019, equations 1 and 2).

    The weights are computed in float32. Masked keys get a weight of exactly 0, except that a softmax whose keys are
    all masked is uniform: gate its output.

    Args:
        scores: `(..., queries, keys)`.
        key_mask: boolean, broadcastable to `scores`; False: the key is padding.
        function: `"softmax"`; `"sigmoid"`, not normalised; or `"normalized_sigmoid"`,
            sigma(x)_i / (sum_j sigma(x)_j + epsilon).
        epsilon: of the normalised sigmoid.

    Returns:
        Weights of the shape and dtype of `scores`.

    Example:
        >>> import numpy as np
        >>> attention_weights(np.zeros((1, 2), "float32"), function="sigmoid").numpy().tolist()
        [[0.5, 0.5]]
    """
    dtype = scores.dtype
    scores = ops.cast(scores, "float32")
    if function == "softmax":
        if key_mask is not None:
            scores = ops.where(key_mask, scores, -1e30)
        return ops.cast(ops.softmax(scores, axis=-1), dtype)
    weights = ops.sigmoid(scores)
    if key_mask is not None:
        weights = ops.where(key_mask, weights, 0.0)
    if function == "normalized_sigmoid":
        weights = weights / (ops.sum(weights, axis=-1, keepdims=True) + epsilon)
    return ops.cast(weights, dtype)


@keras.saving.register_keras_serializable(package="avkeras")
class MultiHeadAttention(keras.layers.Layer):
    """Multi-head scaled dot-product attention (2019, figure 2; 2022, equation 1).

    One matrix product makes the queries, keys and values of all heads. The answer is the same with and without
    dropout and with and without returned scores, whatever the attention function.

    Args:
        num_heads: number of heads.
        key_dim: width of queries, keys and values of *one* head.
        output_dim: width of the output map.
        function: `"softmax"`, `"sigmoid"` or `"normalized_sigmoid"`.
        dropout: rate on the attention weights.
        epsilon: of the normalised sigmoid.

    Call arguments:
        query: `(batch, queries, dim)`.
        value: `(batch, keys, dim)`; None: self-attention over `query`.
        key_mask: `(batch, keys)` boolean; False: padding, which changes no output.
        return_attention_scores: whether the weights (before dropout) are returned too.

    Returns:
        `(batch, queries, output_dim)`, and the weights `(batch, heads, queries, keys)` if asked for.

    Example:
        >>> import numpy as np
        >>> layer = MultiHeadAttention(num_heads=3, key_dim=8, output_dim=16, function="sigmoid")
        >>> layer(np.ones((2, 5, 16)), np.ones((2, 7, 16))).shape
        TensorShape([2, 5, 16])
    """

    def __init__(
        self,
        *,
        num_heads: int = 3,
        key_dim: int = 128,
        output_dim: int = 128,
        function: str = "softmax",
        dropout: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if function not in ATTENTION_FUNCTIONS:
            raise ValueError(f"function must be one of {', '.join(ATTENTION_FUNCTIONS)}, not '{function}'")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.output_dim = output_dim
        self.function = function
        self.dropout = dropout
        self.epsilon = epsilon
        self.attention_dropout = Dropout(dropout, name="attention_dropout", dtype=self.dtype_policy)
        self.output_map = keras.layers.Dense(output_dim, name="output_map", dtype=self.dtype_policy)

    def build(self, query_shape, value_shape=None):
        """Creates one input map for self-attention, two (queries; keys and values) for cross-attention."""
        width = self.num_heads * self.key_dim
        if value_shape is None:
            self.query_key_value_map = self._input_map(3 * width, "query_key_value_map", query_shape)
        else:
            self.query_map = self._input_map(width, "query_map", query_shape)
            self.key_value_map = self._input_map(2 * width, "key_value_map", value_shape)
        self.attention_dropout.build((query_shape[0], self.num_heads, None, None))
        self.output_map.build((*query_shape[:-1], width))

    def call(self, query, value=None, key_mask=None, return_attention_scores=False, training=False):
        """Attends from `query` to `value`."""
        if value is None:
            query, key, value = self._heads(self.query_key_value_map(query), 3)
        else:
            (query,) = self._heads(self.query_map(query), 1)
            key, value = self._heads(self.key_value_map(value), 2)
        scores = ops.matmul(query * self.key_dim**-0.5, ops.transpose(key, (0, 1, 3, 2)))
        if key_mask is not None:
            key_mask = key_mask[:, None, None, :]
        weights = attention_weights(scores, key_mask, function=self.function, epsilon=self.epsilon)
        heads = ops.matmul(self.attention_dropout(weights, training=training), value)
        output = self.output_map(self._merge(heads))
        return (output, weights) if return_attention_scores else output

    def _input_map(self, units, name, shape):
        layer = keras.layers.Dense(units, name=name, dtype=self.dtype_policy, kernel_initializer="glorot_uniform")
        layer.build(shape)
        return layer

    def _heads(self, mapped, parts):
        """Splits `(batch, frames, parts x heads x key_dim)` into `parts` of `(batch, heads, frames, key_dim)`."""
        batch, frames = ops.shape(mapped)[:2]
        mapped = ops.reshape(mapped, (batch, frames, parts, self.num_heads, self.key_dim))
        return ops.unstack(ops.transpose(mapped, (2, 0, 3, 1, 4)), parts, axis=0)

    def _merge(self, heads):
        batch, _, frames, _ = ops.shape(heads)
        return ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (batch, frames, self.num_heads * self.key_dim))

    def compute_output_shape(
        self, query_shape, value_shape=None, key_mask_shape=None, return_attention_scores=False, training=False
    ):
        """Returns the shapes of what `call` returns."""
        output = (*query_shape[:-1], self.output_dim)
        if not return_attention_scores:
            return output
        keys = (query_shape if value_shape is None else value_shape)[1]
        return output, (query_shape[0], self.num_heads, query_shape[1], keys)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.output_dim,
            "function": self.function,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
        }
