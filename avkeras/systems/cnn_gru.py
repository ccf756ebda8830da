"""CNN-GRU with automatic thresholds (Kong, Xu, Wang and Plumbley, 2020), for tagging.

All but the middle is told in `avkeras.systems.spectrogram_crnn`; the middle is one bidirectional GRU, 256 each way.
"""

from avkeras.systems.spectrogram_crnn import FRONT_END, ON, OPTIONS, PAPER, READ, VALUES, build_crnn, optimizer
from avkeras.systems.system import Published, PublishedSystem


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    head: str = "att",
    filters: int = 64,
    momentum: float = 0.9,
):
    """Returns the model, which gives `(batch, classes)`."""
    from keras import layers

    def middle(x):
        gru = layers.GRU(4 * filters, reset_after=True, return_sequences=True, dtype=dtype)
        return layers.Bidirectional(gru, name="recurrent", dtype=dtype)(x)

    values = {"classes": classes, "dtype": dtype, "training": training, "head": head, "filters": filters}
    return build_crnn(middle, name="cnn_gru", momentum=momentum, **values)


SYSTEM = PublishedSystem(
    name="cnn_gru",
    task="tagging",
    title="convolutions and a recurrent layer, thresholds by automatic optimisation",
    paper=PAPER,
    inputs="log-mel, 1001 frames of 64 bands",
    front_end=FRONT_END,
    parameters=5_886_434,
    published=(
        Published("micro-F1", 64.6, ON, "abstract, of the best tagging system; 62.9 % without optimised thresholds"),
    ),
    read=READ,
    build=build,
    optimizer=optimizer,
    values=VALUES,
    options=OPTIONS,
    notes=("chosen: weights begin as Keras draws them, not uniform by fan-in",),
    mixes_pairs=True,
)
