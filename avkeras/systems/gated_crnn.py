"""Gated convolutional recurrent network (Xu, Kong, Wang and Plumbley, 2018), for tagging; it won DCASE 2017 task 4.

| part | value |
|---|---|
| input | 16 kHz; 240 frames of 1024 samples, hop 664, Hamming, not centred; 64 Slaney mel bands of equal area; \
ln(magnitude + 1e-8); zeros behind shorter clips; standardised per band |
| convolutions | seven of 3x3 without bias, batch normalisation, one half of the 128 maps gated by the other; maxima \
of 2x2 after the second, fourth and sixth, of 1x2 after the seventh; 3x3 to 256 maps, ReLU, maximum of the 4 bands |
| recurrent | two bidirectional GRU of 128: candidates linear in one, sigmoid in the other; their product |
| clip, `head=mean` | mean of the sigmoid map of 30 steps |
| clip, `head=attention` | pooled in bands only: 240 steps; mean weighted by a softmax over the classes of each step |
| training | cross-entropy, Adam 1e-3, 30 epochs of 100 batches of 44 |
| ensemble | mean of the last 10 epochs |
| decision | one threshold, chosen on validation |
"""

from avkeras.errors import AvkerasError
from avkeras.features.front_end import FrontEnd
from avkeras.systems.spectrogram_input import finished_model, spectrogram_input
from avkeras.systems.system import Published, PublishedSystem

FRONT_END = FrontEnd(
    hop=664,
    high=8000.0,
    centered=False,
    peak=None,
    density=True,
    area_norm=True,
    offset=1e-8,
    top_db=None,
    frames=240,
    samples=160000,
    padding="levels",
)


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    head: str = "mean",
    filters: int = 64,
    last_filters: int = 256,
    units: int = 128,
    momentum: float = 0.99,
    published_code: bool = False,
):
    """Returns the model, which gives `(batch, classes)`."""
    from keras import layers

    from avkeras.layers.attention_pooling import AttentionPooling
    from avkeras.layers.gated_convolution import GatedConvolution
    from avkeras.layers.masking import Aggregation

    if head not in ("mean", "attention"):
        raise AvkerasError(f"options: 'head={head}': mean or attention is wanted")
    inputs, levels = spectrogram_input(FRONT_END)
    x = layers.Reshape((FRONT_END.frames, FRONT_END.bands, 1), name="channel", dtype=dtype)(levels)
    frames = 2 if head == "mean" else 1  # that become one
    pools = {2: (frames, 2), 4: (frames, 2), 6: (frames, 2), 7: (1, 2)}
    for number in range(1, 8):
        x = GatedConvolution(filters=filters, norm="before", momentum=momentum, name=f"gated_{number}", dtype=dtype)(x)
        if number in pools:
            x = layers.MaxPooling2D(pools[number], name=f"pool_{number}", dtype=dtype)(x)
    x = layers.Conv2D(last_filters, 3, padding="same", activation="relu", name="convolution", dtype=dtype)(x)
    x = layers.MaxPooling2D((1, x.shape[2]), name="pool_bands", dtype=dtype)(x)
    x = layers.Reshape((x.shape[1], last_filters), name="steps", dtype=dtype)(x)

    def recurrent(activation: str):
        gru = layers.GRU(units, activation=activation, reset_after=False, return_sequences=True, dtype=dtype)
        return layers.Bidirectional(gru, name=f"recurrent_{activation}", dtype=dtype)(x)

    x = layers.Multiply(name="recurrent", dtype=dtype)([recurrent("linear"), recurrent("sigmoid")])
    steps = layers.Dense(classes, activation="sigmoid", name="step_probabilities", dtype="float32")(x)
    if head == "mean":
        clip = Aggregation(method="mean", name="probabilities", dtype="float32")(steps)
    else:
        weights = layers.Dense(classes, name="attention", dtype="float32")(steps if published_code else x)
        clip = AttentionPooling(weighting="softmax", name="probabilities", dtype="float32")(steps, weights)
    return finished_model(inputs, clip, name="gated_crnn", dtype=dtype)


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns Adam at one rate."""
    from avkeras.training.adam import Adam

    return Adam(learning_rate)


SYSTEM = PublishedSystem(
    name="gated_crnn",
    task="tagging",
    title="gated convolutions and recurrent layers",
    paper="Xu, Kong, Wang and Plumbley: Large-scale weakly supervised audio classification using gated convolutional "
    "neural network, ICASSP 2018",
    inputs="log-mel, 240 frames of 64 bands",
    front_end=FRONT_END,
    parameters=1_188_753,
    published=(
        Published(
            "micro-F1",
            55.6,
            "DCASE 2017 task 4, 1103 evaluation clips, 17 classes",
            "the fusion of several of these networks, as Boes and Van hamme (2019) cite it",
        ),
    ),
    read="yongxuUSTC/dcase2017_task4_cvssp at 84eae9b0, no licence: facts only",
    build=build,
    optimizer=optimizer,
    values={
        "epochs": 30,
        "steps_per_epoch": 100,
        "batch_size": 44,
        "balance": "drawn",
        "patience": 0,
        "keep": 10,
        "complete_only": False,
    },
    options={
        "head": "mean",
        "filters": 64,
        "last_filters": 256,
        "units": 128,
        "momentum": 0.99,
        "published_code": False,
    },
    notes=(
        "chosen: the ensemble is that of one network; which networks were fused for the published figure is not known",
        "chosen: gates of the recurrent layers are sigmoid; the threshold is chosen on validation",
        "published_code=true, with head=attention: the weights are a map of the steps' probabilities, not of the "
        "recurrent output",
        "the published code builds an eighth gated convolution and does not use it",
    ),
)
