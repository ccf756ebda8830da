"""Transformer blocks: post-norm as in 2019, pre-norm as in 2022."""

from collections.abc import Sequence
from typing import ClassVar

import keras

from avkeras.layers.attention import MultiHeadAttention
from avkeras.layers.dropout import Dropout
from avkeras.layers.feed_forward import FeedForward
from avkeras.layers.fusion import MultiEncoderAttention
from avkeras.layers.layer_norm import LayerNormalization
from avkeras.layers.one_trace import one_trace
from avkeras.layers.sequence_layer import SequenceLayer


class _Block(SequenceLayer):
    """What the encoder's and the decoder's block share: values, self-attention, feed-forward, residuals."""

    def __init__(
        self,
        *,
        dim: int = 128,
        num_heads: int = 3,
        key_dim: int = 128,
        hidden_dim: int = 128,
        attention: str = "softmax",
        dropout: float = 0.1,
        epsilon: float = 1e-7,
        layer_norm_epsilon: float = 1e-6,
        pre_norm: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.hidden_dim = hidden_dim
        self.attention = attention
        self.dropout = dropout
        self.epsilon = epsilon
        self.layer_norm_epsilon = layer_norm_epsilon
        self.pre_norm = pre_norm
        self.self_attention = MultiHeadAttention(
            **self._attention_config(), name="self_attention", dtype=self.dtype_policy
        )
        self.self_attention_dropout = Dropout(dropout, name="self_attention_dropout", dtype=self.dtype_policy)
        self.self_attention_norm = self._norm("self_attention_norm")
        self.feed_forward = FeedForward(
            hidden_dim=hidden_dim, output_dim=dim, dropout=dropout, name="feed_forward", dtype=self.dtype_policy
        )
        self.feed_forward_norm = self._norm("feed_forward_norm")

    def _attention_config(self):
        return {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.dim,
            "attention": self.attention,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
        }

    def _norm(self, name):
        return LayerNormalization(epsilon=self.layer_norm_epsilon, name=name, dtype=self.dtype_policy)

    def _build_shared(self, shape):
        for part in (self.self_attention, self.self_attention_norm, self.feed_forward, self.feed_forward_norm):
            part.build(shape)

    def _before(self, x, norm):
        """Normalises what goes into a sublayer, where the model is pre-norm (2022)."""
        return norm(x) if self.pre_norm else x

    def _after(self, x, norm):
        """Normalises the sum of a sublayer's input and output, where the model is post-norm (2019)."""
        return x if self.pre_norm else norm(x)

    def _attend_to_itself(self, x, padding_mask, training):
        attended = self._before(x, self.self_attention_norm)
        attended = self.self_attention(attended, padding_mask=padding_mask, training=training)
        attended = self.self_attention_dropout(attended, training=training)
        return self._after(x + attended, self.self_attention_norm)

    def _feed_forward(self, x, training):
        output = self.feed_forward(self._before(x, self.feed_forward_norm), training=training)
        return self._after(x + output, self.feed_forward_norm)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "hidden_dim": self.hidden_dim,
            "attention": self.attention,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "pre_norm": self.pre_norm,
        }


@keras.saving.register_keras_serializable(package="avkeras")
class TransformerEncoderBlock(_Block):
    """Self-attention and feed-forward, each with dropout, residual and layer normalisation (2019, figure 3).

    Args:
        dim: width of inputs and outputs.
        num_heads: attention heads.
        key_dim: width of queries, keys and values of one head.
        hidden_dim: width of the feed-forward's ReLU map.
        attention: attention function, see `MultiHeadAttention`.
        dropout: rate on attention weights, after attention and after both feed-forward maps.
        epsilon: of the normalised sigmoid.
        layer_norm_epsilon: of the layer normalisation.
        pre_norm: normalise before each sublayer (2022) and not after the residual (2019).

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, frames, dim)`.

    Example:
        >>> import numpy as np
        >>> TransformerEncoderBlock(dim=16, key_dim=8)(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 16])
    """

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the sublayers' weights."""
        self._build_shared(inputs_shape)

    def call(self, inputs, padding_mask=None, training=False):
        """Runs the block."""
        return one_trace(self, type(self)._run, inputs, padding_mask, training=training)

    def _run(self, inputs, padding_mask, *, training):
        x = self._attend_to_itself(inputs, padding_mask, training)
        return self._feed_forward(x, training)

    def compute_output_spec(self, inputs, padding_mask=None, training=False):
        """Returns the symbolic output; Keras would trace the whole block to find it."""
        return keras.KerasTensor(inputs.shape, self.compute_dtype)


@keras.saving.register_keras_serializable(package="avkeras")
class TransformerDecoderBlock(_Block):
    """Self-attention, cross-attention to each encoder, and feed-forward (2019, figure 3; 2022, figure 4).

    There is no causal mask.

    Args:
        encoders: names of the encoders, see `MultiEncoderAttention`.
        **kwargs: the arguments of `TransformerEncoderBlock`.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        encoded: dict of encoder names to `(batch, keys, dim)`.
        padding_mask: `(batch, frames)` boolean, of the decoder's own frames. None: all frames are real.
        padding_masks: dict of encoder names to `(batch, keys)` boolean. None, or a name left out: all frames are real.
        weights: `(batch, encoders)`, fusion weights. None: equal shares.
        return_attention_scores: whether the cross-attention weights are returned too.

    Returns:
        `(batch, frames, dim)`, and a dict of encoder names to `(batch, heads, frames, keys)` if asked for.

    Example:
        >>> import numpy as np
        >>> block = TransformerDecoderBlock(encoders=("video",), dim=16, key_dim=8)
        >>> block(np.ones((1, 5, 16)), {"video": np.ones((1, 7, 16))}).shape
        TensorShape([1, 5, 16])
    """

    masks: ClassVar = {"padding_mask": ("inputs",), "padding_masks": ("encoded",)}

    def __init__(self, *, encoders: Sequence[str], **kwargs) -> None:
        super().__init__(**kwargs)
        self.encoders = tuple(encoders)
        self.cross_attention = MultiEncoderAttention(
            encoders=encoders, **self._attention_config(), name="cross_attention", dtype=self.dtype_policy
        )
        self.cross_attention_dropout = Dropout(self.dropout, name="cross_attention_dropout", dtype=self.dtype_policy)
        self.cross_attention_norm = self._norm("cross_attention_norm")

    def build(self, inputs_shape, encoded_shape, padding_mask_shape=None, padding_masks_shape=None, weights_shape=None):
        """Creates the sublayers' weights."""
        self._build_shared(inputs_shape)
        self.cross_attention.build(inputs_shape, encoded_shape)
        self.cross_attention_norm.build(inputs_shape)

    def call(
        self,
        inputs,
        encoded,
        padding_mask=None,
        padding_masks=None,
        weights=None,
        return_attention_scores=False,
        training=False,
    ):
        """Runs the block."""
        given = (inputs, encoded, padding_mask, padding_masks, weights)
        x, scores = one_trace(self, type(self)._run, *given, training=training)
        return (x, scores) if return_attention_scores else x

    def _run(self, inputs, encoded, padding_mask, padding_masks, weights, *, training):
        x = self._attend_to_itself(inputs, padding_mask, training)

        # Cross-attention to every encoder, combined by the fusion weights.
        attended, scores = self.cross_attention(
            self._before(x, self.cross_attention_norm),
            encoded,
            padding_masks,
            weights,
            return_attention_scores=True,
            training=training,
        )
        attended = self.cross_attention_dropout(attended, training=training)
        x = self._after(x + attended, self.cross_attention_norm)

        return self._feed_forward(x, training), scores

    def compute_output_spec(
        self,
        inputs,
        encoded,
        padding_mask=None,
        padding_masks=None,
        weights=None,
        return_attention_scores=False,
        training=False,
    ):
        """Returns the symbolic outputs; Keras would trace the whole block to find them."""
        output = keras.KerasTensor(inputs.shape, self.compute_dtype)
        batch, frames = inputs.shape[:2]
        scores = {
            encoder: keras.KerasTensor((batch, self.num_heads, frames, encoded[encoder].shape[1]), self.compute_dtype)
            for encoder in self.encoders
        }
        return (output, scores) if return_attention_scores else output

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "encoders": list(self.encoders)}
