"""Conformer blocks (2022, section 2.1.2 and figure 3)."""

from collections.abc import Sequence
from typing import ClassVar

import keras

from avkeras.layers.convolution_module import ConvolutionModule
from avkeras.layers.dropout import Dropout
from avkeras.layers.feed_forward import FeedForward
from avkeras.layers.layer_norm import LayerNormalization
from avkeras.layers.one_trace import one_trace
from avkeras.layers.relative_attention import (
    RelativeMultiEncoderAttention,
    RelativeMultiHeadAttention,
    SinusoidalRelativeAttention,
)
from avkeras.layers.sequence_layer import SequenceLayer


class _Block(SequenceLayer):
    """What the encoder's and the decoder's block share: values, sublayers, residuals."""

    def __init__(
        self,
        *,
        dim: int = 128,
        num_heads: int = 3,
        key_dim: int = 128,
        hidden_dim: int = 512,
        kernel_size: int = 7,
        max_distance: int = 64,
        dropout: float = 0.1,
        momentum: float = 0.9,
        batch_norm_epsilon: float = 1e-3,
        layer_norm_epsilon: float = 1e-6,
        encodings: str = "learnt",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if encodings not in ("learnt", "sinusoidal", "causal"):
            raise ValueError(f"encodings must be 'learnt', 'sinusoidal' or 'causal', not '{encodings}'")
        self.dim = dim
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.hidden_dim = hidden_dim
        self.kernel_size = kernel_size
        self.max_distance = max_distance
        self.dropout = dropout
        self.momentum = momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        self.layer_norm_epsilon = layer_norm_epsilon
        self.encodings = encodings
        self.first_feed_forward = self._half_step("first_feed_forward")
        self.first_feed_forward_norm = self._norm("first_feed_forward_norm")
        attention = {**self._attention_config(), "name": "self_attention"}
        if encodings == "learnt":
            self.self_attention = RelativeMultiHeadAttention(**attention)
        else:
            self.self_attention = SinusoidalRelativeAttention(causal_shift=encodings == "causal", **attention)
        self.self_attention_dropout = Dropout(dropout, name="self_attention_dropout", dtype=self.dtype_policy)
        self.self_attention_norm = self._norm("self_attention_norm")
        self.convolution = ConvolutionModule(
            dim=dim,
            kernel_size=kernel_size,
            dropout=dropout,
            momentum=momentum,
            batch_norm_epsilon=batch_norm_epsilon,
            name="convolution",
            dtype=self.dtype_policy,
        )
        self.convolution_norm = self._norm("convolution_norm")
        self.second_feed_forward = self._half_step("second_feed_forward")
        self.second_feed_forward_norm = self._norm("second_feed_forward_norm")
        self.output_norm = self._norm("output_norm")

    def _attention_config(self):
        return {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "output_dim": self.dim,
            "max_distance": self.max_distance,
            "dropout": self.dropout,
            "dtype": self.dtype_policy,
        }

    def _half_step(self, name):
        return FeedForward(
            hidden_dim=self.hidden_dim,
            output_dim=self.dim,
            activation="swish",
            dropout=self.dropout,
            name=name,
            dtype=self.dtype_policy,
        )

    def _norm(self, name):
        return LayerNormalization(epsilon=self.layer_norm_epsilon, name=name, dtype=self.dtype_policy)

    def _build_shared(self, shape):
        for part in (
            self.first_feed_forward,
            self.first_feed_forward_norm,
            self.self_attention,
            self.self_attention_norm,
            self.convolution,
            self.convolution_norm,
            self.second_feed_forward,
            self.second_feed_forward_norm,
            self.output_norm,
        ):
            part.build(shape)

    def _begin(self, inputs, padding_mask, training):
        """Half a feed-forward step and self-attention."""
        x = inputs + 0.5 * self.first_feed_forward(self.first_feed_forward_norm(inputs), training=training)
        attended = self.self_attention(self.self_attention_norm(x), padding_mask=padding_mask, training=training)
        return x + self.self_attention_dropout(attended, training=training)

    def _finish(self, x, padding_mask, training):
        """Convolution, half a feed-forward step and the normalisation of the output."""
        x = x + self.convolution(self.convolution_norm(x), padding_mask=padding_mask, training=training)
        x = x + 0.5 * self.second_feed_forward(self.second_feed_forward_norm(x), training=training)
        return self.output_norm(x)

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "hidden_dim": self.hidden_dim,
            "kernel_size": self.kernel_size,
            "max_distance": self.max_distance,
            "dropout": self.dropout,
            "momentum": self.momentum,
            "batch_norm_epsilon": self.batch_norm_epsilon,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "encodings": self.encodings,
        }


@keras.saving.register_keras_serializable(package="avkeras")
class ConformerEncoderBlock(_Block):
    """Half-step feed-forward, relative self-attention, convolution, half-step feed-forward (2022, figure 2).

    Each sublayer normalises its input and is added to it; the block normalises its output.

    Args:
        dim: width of inputs and outputs.
        num_heads: attention heads.
        key_dim: width of queries, keys and values of one head.
        hidden_dim: width of the feed-forwards' Swish map.
        kernel_size: of the depthwise convolution, in frames.
        max_distance: farthest distance, in frames, that has an encoding of its own.
        dropout: rate on attention weights, after attention and convolution, and after both maps of a feed-forward.
        momentum: of the batch normalisation, in Keras' sense.
        batch_norm_epsilon: of the batch normalisation.
        layer_norm_epsilon: of the layer normalisation.
        encodings: of the distances in self-attention: `"learnt"`; or linear maps of sinusoids, `"sinusoidal"`, or
            `"causal"`, see `SinusoidalRelativeAttention`.

    Call arguments:
        inputs: `(batch, frames, dim)`.
        padding_mask: `(batch, frames)` boolean; False: padding. None: all frames are real.

    Returns:
        `(batch, frames, dim)`.

    Example:
        >>> import numpy as np
        >>> ConformerEncoderBlock(dim=16, key_dim=8)(np.ones((2, 5, 16))).shape
        TensorShape([2, 5, 16])
    """

    def build(self, inputs_shape, padding_mask_shape=None):
        """Creates the sublayers' weights."""
        self._build_shared(inputs_shape)

    def call(self, inputs, padding_mask=None, training=False):
        """Runs the block."""
        return one_trace(self, type(self)._run, inputs, padding_mask, training=training)

    def _run(self, inputs, padding_mask, *, training):
        x = self._begin(inputs, padding_mask, training)
        return self._finish(x, padding_mask, training)

    def compute_output_spec(self, inputs, padding_mask=None, training=False):
        """Returns the symbolic output; Keras would trace the whole block to find it."""
        return keras.KerasTensor(inputs.shape, self.compute_dtype)


@keras.saving.register_keras_serializable(package="avkeras")
class ConformerDecoderBlock(_Block):
    """A conformer block with relative cross-attention to each encoder after self-attention (2022, figures 3 and 4).

    There is no causal mask. The class token goes through the block as the frame before the first one, the convolution
    included: it stands at position -1, so that frame i is at distance 0 from frame i of an encoder.

    Args:
        encoders: names of the encoders, see `MultiEncoderAttention`.
        query_offset: position of the first frame of `inputs` where an encoder's first is at 0; -1: a class token.
        **kwargs: the arguments of `ConformerEncoderBlock`.

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
        >>> block = ConformerDecoderBlock(encoders=("audio",), dim=16, key_dim=8)
        >>> block(np.ones((1, 8, 16)), {"audio": np.ones((1, 7, 16))}).shape
        TensorShape([1, 8, 16])
    """

    masks: ClassVar = {"padding_mask": ("inputs",), "padding_masks": ("encoded",)}

    def __init__(self, *, encoders: Sequence[str], query_offset: int = -1, **kwargs) -> None:
        super().__init__(**kwargs)
        self.encoders = tuple(encoders)
        self.query_offset = query_offset
        self.cross_attention = RelativeMultiEncoderAttention(
            encoders=encoders, query_offset=query_offset, **self._attention_config(), name="cross_attention"
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
        x = self._begin(inputs, padding_mask, training)
        attended, scores = self.cross_attention(
            self.cross_attention_norm(x),
            encoded,
            padding_masks,
            weights,
            return_attention_scores=True,
            training=training,
        )
        x = x + self.cross_attention_dropout(attended, training=training)
        return self._finish(x, padding_mask, training), scores

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
        return {**super().get_config(), "encoders": list(self.encoders), "query_offset": self.query_offset}
