"""CNN-Transformer with automatic thresholds (Kong, Xu, Wang and Plumbley, 2020), for tagging.

All but the middle is told in `avkeras.systems.spectrogram_crnn`; the middle is one transformer block of 8 heads. The
published code has less than the name says: attention, a linear map and ReLU, without residual, normalisation,
feed-forward map or positions (`published_code=true`).
"""

from avkeras.systems.spectrogram_crnn import FRONT_END, ON, OPTIONS, PAPER, READ, VALUES, build_crnn, optimizer
from avkeras.systems.system import Published, PublishedSystem

_HEADS = 8


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    head: str = "att",
    filters: int = 64,
    momentum: float = 0.9,
    published_code: bool = False,
):
    """Returns the model, which gives `(batch, classes)`."""
    from keras import layers

    from avkeras.layers.attention import MultiHeadAttention
    from avkeras.layers.dropout import Dropout
    from avkeras.layers.positions import SinusoidalPositions
    from avkeras.layers.transformer import TransformerEncoderBlock

    dim = 8 * filters
    heads = {"num_heads": _HEADS, "key_dim": dim // _HEADS, "dtype": dtype}

    def middle(x):
        if published_code:
            x = MultiHeadAttention(output_dim=dim, dropout=0.1, name="attention_heads", **heads)(x, x)
            x = Dropout(0.2, name="attention_dropout", dtype=dtype)(x)
            return layers.ReLU(name="attention_relu", dtype=dtype)(x)
        x = SinusoidalPositions(name="positions", dtype=dtype)(x)
        return TransformerEncoderBlock(dim=dim, hidden_dim=dim, dropout=0.1, name="transformer", **heads)(x)

    values = {"classes": classes, "dtype": dtype, "training": training, "head": head, "filters": filters}
    return build_crnn(middle, name="cnn_transformer", momentum=momentum, **values)


SYSTEM = PublishedSystem(
    name="cnn_transformer",
    task="tagging",
    title="convolutions and a transformer block, thresholds by automatic optimisation",
    paper=PAPER,
    inputs="log-mel, 1001 frames of 64 bands",
    front_end=FRONT_END,
    parameters=6_281_698,
    published=(
        Published("micro-F1", 64.6, ON, "abstract, of the best tagging system; 62.9 % without optimised thresholds"),
    ),
    read=READ,
    build=build,
    optimizer=optimizer,
    values=VALUES,
    options={**OPTIONS, "published_code": False},
    notes=(
        "chosen: the block normalises after each sublayer; its feed-forward map is as wide as the model; sinusoidal "
        "positions; dropout 0.1",
        "published_code=true: attention, a linear map, dropout 0.2 and ReLU, and nothing else",
        "chosen: weights begin as Keras draws them, not uniform by fan-in",
    ),
    mixes_pairs=True,
)
