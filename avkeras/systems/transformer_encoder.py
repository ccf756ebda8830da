"""Encoder-only transformer (Miyazaki et al., 2020), for detection.

All but the blocks is told in `avkeras.systems.encoder_only`; they are pre-norm blocks with ReLU, and a layer
normalisation ends them. No configuration of it is published: its sizes are the conformer's.
"""

from avkeras.systems.encoder_only import (
    FRONT_END,
    NOTES,
    OPTIONS,
    PAPER,
    READ,
    VALUES,
    build_encoder,
    optimizer,
    teacher,
)
from avkeras.systems.system import PublishedSystem


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    filters: int = 16,
    dim: int = 144,
    heads: int = 4,
    hidden_dim: int = 576,
    blocks: int = 3,
    dropout: float = 0.1,
    momentum: float = 0.01,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 62, classes)`."""
    from avkeras.layers.transformer import TransformerEncoderBlock

    def block(name: str):
        return TransformerEncoderBlock(
            dim=dim,
            num_heads=heads,
            key_dim=dim // heads,
            hidden_dim=hidden_dim,
            dropout=dropout,
            layer_norm_epsilon=1e-5,
            pre_norm=True,
            name=name,
            dtype=dtype,
        )

    values = {"classes": classes, "dtype": dtype, "filters": filters, "dim": dim, "blocks": blocks}
    values |= {"dropout": dropout, "momentum": momentum, "final_norm": True}
    return build_encoder(block, name="transformer_encoder", **values)


SYSTEM = PublishedSystem(
    name="transformer_encoder",
    task="detection",
    title="encoder-only transformer with a token for the clip, mean teacher",
    paper=PAPER,
    inputs="log-mel, 496 frames of 64 bands",
    front_end=FRONT_END,
    parameters=1_313_994,
    published=(),
    read=READ,
    build=build,
    optimizer=optimizer,
    teacher=teacher,
    frames_per_vector=8,
    values=VALUES,
    options=OPTIONS,
    notes=(*NOTES, "chosen: all sizes, as those of the conformer; the published code cannot run its transformer"),
)
