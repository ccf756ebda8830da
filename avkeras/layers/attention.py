"""Multi-head attention with three attention functions (2019, sections 2.1.1 and 2.2.5)."""

from typing import ClassVar

import keras
from keras import ops

from avkeras.layers import kernels
from avkeras.layers.dropout import Dropout
from avkeras.layers.sequence_layer import SequenceLayer

ATTENTION_FUNCTIONS = ("softmax", "sigmoid", "normalized_sigmoid")


def attention_weights(scores, padding_mask=None, *, attention: str = "softmax", epsilon: float = 1e-7):
    """Turns scaled scores into attention weights over the last axis, the keys (2019, equations 1 and 2).

    The weights are computed in float32. Masked keys get a weight of exactly 0, except that a softmax whose keys are
    all masked is uniform: gate its output.

    Args:
        scores: `(..., queries, keys)`.
        padding_mask: boolean, broadcastable to `scores`; False: the key is padding.
        attention: `"softmax"`; `"sigmoid"`, not normalised; or `"normalized_sigmoid"`,
            sigma(x)_i / (sum_j sigma(x)_j + epsilon).
        epsilon: of the normalised sigmoid.

    Returns:
        Weights of the shape and dtype of `scores`.

    Example:
        >>> import numpy as np
        >>> attention_weights(np.zeros((1, 2), "float32"), attention="sigmoid").numpy().tolist()
        [[0.5, 0.5]]
    """
    dtype = scores.dtype
    scores = ops.cast(scores, "float32")
    if attention == "softmax":
        if padding_mask is not None:
            scores = ops.where(padding_mask, scores, -1e30)
        return ops.cast(ops.softmax(scores, axis=-1), dtype)
    weights = ops.sigmoid(scores)
    if padding_mask is not None:
        weights = ops.where(padding_mask, weights, 0.0)
    if attention == "normalized_sigmoid":
        weights = weights / (ops.sum(weights, axis=-1, keepdims=True) + epsilon)
    return ops.cast(weights, dtype)


@keras.saving.register_keras_serializable(package="avkeras")
class MultiHeadAttention(SequenceLayer):
    """Multi-head scaled dot-product attention (2019, figure 2; 2022, equation 1).

    The answer is the same with and without dropout and with and without returned scores, whatever the function.

    Args:
        num_heads: number of heads.
        key_dim: width of queries, keys and values of *one* head.
        output_dim: width of the output map.
        attention: `"softmax"`, `"sigmoid"` or `"normalized_sigmoid"`.
        dropout: rate on the attention weights.
        epsilon: of the normalised sigmoid.

    Call arguments:
        query: `(batch, queries, dim)`.
        value: `(batch, keys, dim)`; None: self-attention over `query`.
        padding_mask: `(batch, keys)` boolean; False: padding, which changes no output.
        return_attention_scores: whether the weights (before dropout) are returned too.

    Returns:
        `(batch, queries, output_dim)`, and the weights `(batch, heads, queries, keys)` if asked for.

    Example:
        >>> import numpy as np
        >>> layer = MultiHeadAttention(num_heads=3, key_dim=8, output_dim=16, attention="sigmoid")
        >>> layer(np.ones((2, 5, 16)), np.ones((2, 7, 16))).shape
        TensorShape([2, 5, 16])
    """

    masks: ClassVar = {"padding_mask": ("value", "query")}

    def __init__(
        self,
        *,
        num_heads: int = 3,
        key_dim: int = 128,
        output_dim: int = 128,
        attention: str = "softmax",
        dropout: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if attention not in ATTENTION_FUNCTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTION_FUNCTIONS)}, not '{attention}'")
        for name, size in (("num_heads", num_heads), ("key_dim", key_dim), ("output_dim", output_dim)):
            if size < 1:
                raise ValueError(f"{name} must be above 0, not {size}")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.output_dim = output_dim
        self.attention = attention
        self.dropout = dropout
        self.epsilon = epsilon
        self.in_serving_graph = False  # whether the graph for serving is being written: weights are constants
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

    def call(self, query, value=None, padding_mask=None, return_attention_scores=False, training=False):
        """Attends from `query` to `value`."""
        value = query if value is None else value
        scores_of, output_of = kernels.plain_scores, kernels.plain_output
        if training or self._folding_pays(value):
            scores_of, output_of = kernels.folded_scores, kernels.folded_output

        # Q K^T / sqrt(key_dim), and what a subclass knows of positions: (batch, queries, keys, heads).
        scores = scores_of(
            query,
            value,
            query_map=(self.query_kernel, self.query_bias),
            key_map=(self.key_kernel, self.key_bias),
            scale=self.key_dim**-0.5,
        )
        scores = self._add_positions(scores, query)

        # The attention function over the keys, then dropout: (batch, queries, heads, keys).
        scores = ops.transpose(scores, (0, 1, 3, 2))
        mask = None if padding_mask is None else padding_mask[:, None, None, :]
        weights = attention_weights(scores, mask, attention=self.attention, epsilon=self.epsilon)
        dropped = self.attention_dropout(weights, training=training)

        # The weighted values of all heads, through the output map.
        output = output_of(dropped, value, (self.value_kernel, self.value_bias), self.output_kernel)
        output = output + ops.cast(self.output_bias, output.dtype)
        return (output, ops.transpose(weights, (0, 2, 1, 3))) if return_attention_scores else output

    def _folding_pays(self, value):
        """Returns whether the maps of a head are folded: at a price that is the same for one clip and for a batch.

        It is paid once where weights are constants. A batch whose size is not known yet is taken for a large one.
        """
        sizes = value.shape[:2]
        return self.in_serving_graph or None in sizes or sizes[0] * sizes[1] > self.key_dim

    def _add_positions(self, scores, query):
        """Returns the scores with what the positions of queries and keys add: here nothing."""
        return scores

    def compute_output_spec(self, query, value=None, padding_mask=None, return_attention_scores=False, training=False):
        """Returns the symbolic outputs."""
        batch, queries = query.shape[:2]
        keys = (query if value is None else value).shape[1]
        output = keras.KerasTensor((batch, queries, self.output_dim), self.compute_dtype)
        weights = keras.KerasTensor((batch, self.num_heads, queries, keys), self.compute_dtype)
        return (output, weights) if return_attention_scores else output

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.output_dim,
            "attention": self.attention,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
        }


def _glorot(fan_in: int, fan_out: int):
    """Returns Glorot's uniform initialiser for a map of these widths, whatever the shape that its kernel is kept in."""
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)
