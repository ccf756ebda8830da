"""What the encoders and decoders of a multi-encoder model are made of: positions, blocks, a last normalisation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from avkeras.layers.class_token import ClassToken
from avkeras.layers.conformer import ConformerDecoderBlock, ConformerEncoderBlock
from avkeras.layers.layer_norm import LayerNormalization
from avkeras.layers.positions import LearnedPositions
from avkeras.layers.transformer import TransformerDecoderBlock, TransformerEncoderBlock

_BLOCKS = {
    "transformer": (TransformerEncoderBlock, TransformerDecoderBlock),
    "conformer": (ConformerEncoderBlock, ConformerDecoderBlock),
}


@dataclass(frozen=True)
class Stacks:
    """Makes the encoders and decoders of one model (2022, sections 2.1.1 and 2.1.2).

    A transformer has learnable absolute positions, pre-norm blocks and a last normalisation; a conformer's attention
    knows the positions, and its blocks end with a normalisation.

    Args:
        block: `"transformer"` or `"conformer"`.
        blocks: of each encoder, and of each decoder.
        vectors: of the longest sequence.
        class_token: its place in a decoder's sequence, see `ClassToken`.
        final_norm: whether a transformer's stacks end with a normalisation.
        layer_norm_epsilon: of it, and of the blocks'.
        dtype: policy.
        values: further ones of the blocks; those of convolutions are the conformer's only.

    Example:
        >>> values = {"dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 16, "dropout": 0.1}
        >>> stacks = Stacks(
        ...     block="transformer",
        ...     blocks=2,
        ...     vectors=64,
        ...     class_token="first",
        ...     final_norm=True,
        ...     layer_norm_epsilon=1e-6,
        ...     dtype=keras.DTypePolicy("float32"),
        ...     values=values,
        ... )
        >>> stacks.encoder("audio_encoder")(keras.Input((64, 8)), keras.Input((64,), dtype="bool")).shape
        (None, 64, 8)
    """

    block: str
    blocks: int
    vectors: int
    class_token: str
    final_norm: bool
    layer_norm_epsilon: float
    dtype: keras.DTypePolicy
    values: Mapping[str, Any]

    def encoder(self, name: str) -> Callable:
        """Returns blocks that a sequence and its mask `(batch, frames)` go through; sequences may share them.

        Args:
            name: of the encoder; the blocks add numbers to it.
        """
        kind, shared = _BLOCKS[self.block][0], self._shared()
        layers = [kind(**shared, name=f"{name}_{index + 1}") for index in range(self.blocks)]
        last = self._norm(name)

        def encode(x, padding_mask):
            for layer in layers:
                x = layer(x, padding_mask=padding_mask)
            return last(x)

        return encode

    def decoder(
        self,
        audio: keras.KerasTensor,
        mask: keras.KerasTensor,
        *,
        encoders: Sequence[str],
        encoded: Mapping[str, keras.KerasTensor],
        padding_masks: Mapping[str, keras.KerasTensor],
        weights: keras.KerasTensor | None,
        needed: keras.KerasTensor | None = None,
        prefix: str = "",
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Returns what a decoder makes of the class token and the vectors of audio, and the mask of its sequence.

        Args:
            audio: `(batch, vectors, dim)`.
            mask: of it, `(batch, vectors)`.
            encoders: those that it attends to.
            encoded: their states.
            padding_masks: their masks.
            weights: of the encoders, `(batch, encoders)`; None: equal shares.
            needed: `(batch,)` boolean; False: a clip of which the answer is not used, and no statistic may tell.
            prefix: of its layers' names.
        """
        x, mask = ClassToken(place=self.class_token, name=f"{prefix}class_token", dtype=self.dtype)(
            audio, padding_mask=mask
        )
        if needed is not None:
            mask = ops.logical_and(mask, needed[:, None])
        x = self.locate(x, f"{prefix}decoder", 1 + self.vectors)
        shared = self._shared()
        if self.block == "conformer":
            shared["query_offset"] = -1 if self.class_token == "first" else 0  # frame i stands at i of the encoders
        for index in range(self.blocks):
            x = _BLOCKS[self.block][1](encoders=encoders, **shared, name=f"{prefix}decoder_{index + 1}")(
                x,
                encoded={name: encoded[name] for name in encoders},
                padding_mask=mask,
                padding_masks={name: padding_masks[name] for name in encoders},
                weights=weights,
            )
        return self._norm(f"{prefix}decoder")(x), mask

    def locate(self, x: keras.KerasTensor, name: str, length: int) -> keras.KerasTensor:
        """Adds learnable positions, where attention does not know them.

        Args:
            x: `(batch, frames, dim)`.
            name: of the stack.
            length: most frames.
        """
        if self.block == "conformer":
            return x
        return LearnedPositions(max_length=length, name=f"{name}_positions", dtype=self.dtype)(x)

    def _shared(self) -> dict[str, Any]:
        shared = {"layer_norm_epsilon": self.layer_norm_epsilon, "dtype": self.dtype}
        if self.block == "conformer":
            return shared | dict(self.values) | {"max_distance": self.vectors}
        convolutions = ("kernel_size", "momentum", "batch_norm_epsilon")
        own = {name: value for name, value in self.values.items() if name not in convolutions}
        return shared | own | {"pre_norm": True}

    def _norm(self, name: str) -> Callable:
        if self.block == "conformer" or not self.final_norm:
            return lambda x: x
        return LayerNormalization(epsilon=self.layer_norm_epsilon, name=f"{name}_norm", dtype=self.dtype)
