"""Encoder-only conformer (Miyazaki et al., 2020), for detection: it won DCASE 2020 task 4.

All but the blocks is told in `avkeras.systems.encoder_only`; they are three conformer blocks with 4 heads of 36,
feed-forward maps of 576, kernel 7, and distances as in Transformer-XL. The published code moves the distances as if a
model did not look ahead, though this one does (`published_code=true`).
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
from avkeras.systems.system import Published, PublishedSystem


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
    kernel_size: int = 7,
    published_code: bool = False,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 62, classes)`."""
    from avkeras.layers.conformer import ConformerEncoderBlock

    def block(name: str):
        return ConformerEncoderBlock(
            dim=dim,
            num_heads=heads,
            key_dim=dim // heads,
            hidden_dim=hidden_dim,
            kernel_size=kernel_size,
            max_distance=62,
            dropout=dropout,
            batch_norm_epsilon=1e-5,
            layer_norm_epsilon=1e-5,
            encodings="causal" if published_code else "sinusoidal",
            name=name,
            dtype=dtype,
        )

    values = {"classes": classes, "dtype": dtype, "filters": filters, "dim": dim, "blocks": blocks}
    values |= {"dropout": dropout, "momentum": momentum, "final_norm": False}
    return build_encoder(block, name="conformer_encoder", **values)


SYSTEM = PublishedSystem(
    name="conformer_encoder",
    task="detection",
    title="encoder-only conformer with a token for the clip, mean teacher",
    paper=PAPER,
    inputs="log-mel, 496 frames of 64 bands",
    front_end=FRONT_END,
    parameters=2_070_570,
    published=(
        Published("EBF1", 47.7, "DESED validation, 1168 clips", "README of the published code"),
        Published("EBF1", 49.0, "DESED public evaluation, 692 clips", "README of the published code"),
        Published("PSDS", 63.7, "DESED validation, 1168 clips; 2020's settings", "README of the published code"),
        Published("EBF1", 50.7, "DESED validation, 1168 clips", "challenge report, of several models fused"),
    ),
    read=READ,
    build=build,
    optimizer=optimizer,
    teacher=teacher,
    frames_per_vector=8,
    values=VALUES,
    options={**OPTIONS, "kernel_size": 7, "published_code": False},
    notes=(
        *NOTES,
        "published_code=true: the distances of keys behind the query are what the causal shift leaves there",
    ),
)
