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

    The answer is the same with and without dropout and with and without returned scores, whatever the function.

    The papers' heads are as wide as the model, so the maps of a head fold, per step, into two square ones. With
    [x 1] for a frame with a 1 behind it and [W; b] for a kernel with its bias below it, a score is
    [x 1] [W_q; b_q] [W_k; b_k]^T [c 1]^T: the middle two make one map, and so do [W_v; b_v] and the head's share of
    the output map. `query` is then used as it is, and no frames are transposed: half the work of the plain form once a
    batch holds more than `key_dim` frames.

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

    def build(self, query_shape, value_shape=None):
        """Creates the maps of all heads, initialised as the one wide map that they make together."""
        heads, width = self.num_heads, self.key_dim
        keys_from = (query_shape if value_shape is None else value_shape)[-1]
        for name, inputs in (("query", query_shape[-1]), ("key", keys_from), ("value", keys_from)):
            kernel = self.add_weight(
                shape=(heads, inputs, width), initializer=_glorot(inputs, heads * width), name=f"{name}_kernel"
            )
            setattr(self, f"{name}_kernel", kernel)
            setattr(
                self, f"{name}_bias", self.add_weight(shape=(heads, width), initializer="zeros", name=f"{name}_bias")
            )
        self.output_kernel = self.add_weight(
            shape=(heads, width, self.output_dim),
            initializer=_glorot(heads * width, self.output_dim),
            name="output_kernel",
        )
        self.output_bias = self.add_weight(shape=(self.output_dim,), initializer="zeros", name="output_bias")
        self.attention_dropout.build((query_shape[0], query_shape[1], heads, None))

    def call(self, query, value=None, key_mask=None, return_attention_scores=False, training=False):
        """Attends from `query` to `value`."""
        query = _with_one(query)
        value = query if value is None else _with_one(value)
        batch, queries, width = ops.shape(query)
        keys, heads = ops.shape(value)[1], self.num_heads
        key_map, value_map = self._folded_maps()
        folded_key = ops.reshape(ops.matmul(value, key_map), (batch, keys * heads, width))
        folded_value = ops.reshape(ops.matmul(value, value_map), (batch, keys * heads, self.output_dim))
        scores = ops.matmul(query, ops.transpose(folded_key, (0, 2, 1)))
        scores = ops.transpose(ops.reshape(scores, (batch, queries, keys, heads)), (0, 1, 3, 2))
        if key_mask is not None:
            key_mask = key_mask[:, None, None, :]
        weights = attention_weights(scores, key_mask, function=self.function, epsilon=self.epsilon)
        dropped = ops.transpose(self.attention_dropout(weights, training=training), (0, 1, 3, 2))
        output = ops.matmul(ops.reshape(dropped, (batch, queries, keys * heads)), folded_value)
        output = output + ops.cast(self.output_bias, output.dtype)
        return (output, ops.transpose(weights, (0, 2, 1, 3))) if return_attention_scores else output

    def _folded_maps(self):
        """Returns the maps `(value dim + 1, heads x (query dim + 1))` and `(value dim + 1, heads x output_dim)`."""
        scale = self.key_dim**-0.5
        query, key, value = (
            ops.unstack(ops.concatenate([kernel, bias[:, None]], axis=1), self.num_heads)
            for kernel, bias in (
                (self.query_kernel * scale, self.query_bias * scale),
                (self.key_kernel, self.key_bias),
                (self.value_kernel, self.value_bias),
            )
        )
        output = ops.unstack(self.output_kernel, self.num_heads)
        # A product per head, side by side: nothing to transpose, and small ones run at the same time.
        key_map = [ops.matmul(k, ops.transpose(q)) for k, q in zip(key, query, strict=True)]
        value_map = [ops.matmul(v, o) for v, o in zip(value, output, strict=True)]
        return tuple(ops.cast(ops.concatenate(maps, axis=1), self.compute_dtype) for maps in (key_map, value_map))

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


def _glorot(fan_in: int, fan_out: int):
    """Returns Glorot's uniform initialiser for a map of these widths, whatever the shape that its kernel is kept in."""
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)


def _with_one(frames):
    """Puts a 1 behind every frame."""
    return ops.concatenate([frames, ops.ones_like(frames[..., :1])], axis=-1)
