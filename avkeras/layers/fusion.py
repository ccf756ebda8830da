"""Cross-attention to several encoders, combined by weights (2022, section 2.2)."""

from collections.abc import Sequence
from typing import ClassVar

import keras
from keras import ops

from avkeras.layers.attention import MultiHeadAttention
from avkeras.layers.sequence_layer import SequenceLayer


@keras.saving.register_keras_serializable(package="avkeras")
class MultiEncoderAttention(SequenceLayer):
    """One cross-attention per encoder; the outputs are combined as sum_i w_i y_i (2022, figure 4).

    A weight of 0 shuts an encoder out of output and gradient for that clip. With one encoder and weights of 0 or 1 this
    is the gate that the audiovisual transformer (2019) needs where its first input is absent.

    Args:
        encoders: names of the encoders.
        num_heads: number of heads of each attention.
        key_dim: width of queries, keys and values of one head.
        output_dim: width of the output map.
        attention: attention function, see `MultiHeadAttention`.
        dropout: rate on the attention weights.
        epsilon: of the normalised sigmoid.

    Call arguments:
        query: `(batch, queries, dim)`.
        encoded: dict of names to `(batch, keys, dim)`.
        padding_masks: dict of names to `(batch, keys)` boolean; False: padding. None, or a name left out: all are real.
        weights: `(batch, encoders)`, in the order of `encoders`. None: equal shares.
        return_attention_scores: whether the attention weights are returned too.

    Returns:
        `(batch, queries, output_dim)`, and a dict of names to `(batch, heads, queries, keys)` if asked for.

    Example:
        >>> import numpy as np
        >>> layer = MultiEncoderAttention(encoders=("audio", "video"), key_dim=8, output_dim=16)
        >>> encoded = {"audio": np.ones((2, 4, 16)), "video": np.ones((2, 7, 16))}
        >>> padding_masks = {"audio": np.ones((2, 4), bool), "video": np.ones((2, 7), bool)}
        >>> layer(np.ones((2, 5, 16)), encoded, padding_masks, np.full((2, 2), 0.5)).shape
        TensorShape([2, 5, 16])
    """

    masks: ClassVar = {"padding_masks": ("encoded",)}

    def __init__(
        self,
        *,
        encoders: Sequence[str],
        num_heads: int = 3,
        key_dim: int = 128,
        output_dim: int = 128,
        attention: str = "softmax",
        dropout: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.encoders = tuple(encoders)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.output_dim = output_dim
        self.attention = attention
        self.dropout = dropout
        self.epsilon = epsilon
        self.attentions = [self._attention(name=f"{encoder}_attention") for encoder in self.encoders]

    def _attention(self, **options):
        return MultiHeadAttention(**self._attention_config(), **options)

    def _attention_config(self):
        return {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.output_dim,
            "attention": self.attention,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
            "dtype": self.dtype_policy,
        }

    def build(self, query_shape, encoded_shape, padding_masks_shape=None, weights_shape=None):
        """Creates the attention to each encoder."""
        for encoder, attention in zip(self.encoders, self.attentions, strict=True):
            attention.build(query_shape, encoded_shape[encoder])

    def call(self, query, encoded, padding_masks=None, weights=None, return_attention_scores=False, training=False):
        """Attends from `query` to every encoder."""
        if weights is None:
            weights = ops.full((ops.shape(query)[0], len(self.encoders)), 1 / len(self.encoders))
        padding_masks, combined, scores = padding_masks or {}, 0.0, {}
        for index, (encoder, attention) in enumerate(zip(self.encoders, self.attentions, strict=True)):
            output, scores[encoder] = attention(
                query, encoded[encoder], padding_masks.get(encoder), return_attention_scores=True, training=training
            )
            combined = combined + ops.cast(weights, output.dtype)[:, index, None, None] * output
        return (combined, scores) if return_attention_scores else combined

    def compute_output_spec(
        self, query, encoded, padding_masks=None, weights=None, return_attention_scores=False, training=False
    ):
        """Returns the symbolic outputs."""
        batch, queries = query.shape[:2]
        output = keras.KerasTensor((batch, queries, self.output_dim), self.compute_dtype)
        scores = {
            encoder: keras.KerasTensor((batch, self.num_heads, queries, encoded[encoder].shape[1]), self.compute_dtype)
            for encoder in self.encoders
        }
        return (output, scores) if return_attention_scores else output

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "encoders": list(self.encoders),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.output_dim,
            "attention": self.attention,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
        }
