"""GCCaps: gated convolutions, capsules and routing (Iqbal, Xu, Kong and Wang, 2018), for tagging.

| part | value |
|---|---|
| input | 16 kHz; 240 frames of 1024 samples, hop 664, Hann, centred; 64 Slaney mel bands of equal area; dB below \
the clip's loudest, at most 90; zeros behind shorter clips; standardised per band |
| blocks | three of: twice (3x3 convolution gated by another, batch normalisation, dropout 0.2), maximum of 2x2 |
| primary capsules | 3x3 convolution, 64 channels, stride 1x2, ReLU; 64 vectors of 4 a step; squashed, \
normalised, dropout 0.5 |
| class capsules | 17 of 8 a step, three rounds of routing; a length is a probability |
| clip | mean of the steps' probabilities, weighted by a sigmoid map of the primary capsules |
| training | cross-entropy; Adam, 9e-4 for two epochs, then times 0.9 every second; 30 epochs of 1163 batches of 44 |
| ensemble | mean of the 5 epochs with the best micro-F1 on validation at 0.5 |
| decision | 0.35 for all classes; the most probable class where none reaches it |
"""

from avkeras.features.front_end import FrontEnd
from avkeras.systems.spectrogram_input import finished_model, spectrogram_input
from avkeras.systems.system import Published, PublishedSystem

FRONT_END = FrontEnd(
    hop=664,
    high=8000.0,
    window="hann",
    peak=None,
    area_norm=True,
    relative=True,
    top_db=90.0,
    frames=240,
    samples=160000,
    padding="levels",
)


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    filters: int = 64,
    capsules: int = 16,
    capsule_dim: int = 4,
    class_dim: int = 8,
    rounds: int = 3,
    dropout: float = 0.2,
    capsule_dropout: float = 0.5,
    momentum: float = 0.99,
):
    """Returns the model, which gives `(batch, classes)`."""
    from keras import layers

    from avkeras.layers.attention_pooling import AttentionPooling
    from avkeras.layers.batch_norm import MaskedBatchNormalization
    from avkeras.layers.capsules import CapsuleLength, CapsuleRouting, PrimaryCapsules
    from avkeras.layers.dropout import Dropout
    from avkeras.layers.gated_convolution import GatedConvolution

    inputs, levels = spectrogram_input(FRONT_END)
    x = layers.Reshape((FRONT_END.frames, FRONT_END.bands, 1), name="channel", dtype=dtype)(levels)
    for block in (1, 2, 3):
        for number in (1, 2):
            x = GatedConvolution(
                filters=filters,
                norm="after",
                dropout=dropout,
                momentum=momentum,
                name=f"gated_{block}_{number}",
                dtype=dtype,
            )(x)
        x = layers.MaxPooling2D(2, name=f"pool_{block}", dtype=dtype)(x)

    x = layers.Conv2D(
        capsules * capsule_dim, 3, strides=(1, 2), padding="same", activation="relu", name="primary", dtype=dtype
    )(x)
    x = PrimaryCapsules(dim=capsule_dim, name="primary_capsules", dtype=dtype)(x)
    x = MaskedBatchNormalization(momentum=momentum, name="primary_norm", dtype=dtype)(x)
    primary = Dropout(capsule_dropout, name="primary_dropout", dtype=dtype)(x)

    x = CapsuleRouting(capsules=classes, dim=class_dim, rounds=rounds, name="class_capsules", dtype="float32")(primary)
    steps = CapsuleLength(name="step_probabilities", dtype="float32")(x)
    flat = layers.Reshape((primary.shape[1], primary.shape[2] * primary.shape[3]), name="flat", dtype=dtype)(primary)
    weights = layers.Dense(classes, name="attention", dtype="float32")(flat)
    clip = AttentionPooling(weighting="sigmoid", name="probabilities", dtype="float32")(steps, weights)
    return finished_model(inputs, clip, name="gccaps", dtype=dtype)


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns Adam, whose rate is multiplied by 0.9 before the epochs 0, 2, 4, ..."""
    from keras.optimizers.schedules import ExponentialDecay

    from avkeras.training.adam import Adam

    return Adam(ExponentialDecay(0.9 * learning_rate, 2 * steps_per_epoch, 0.9, staircase=True))


SYSTEM = PublishedSystem(
    name="gccaps",
    task="tagging",
    title="capsules behind gated convolutions",
    paper="Iqbal, Xu, Kong and Wang: Capsule routing for sound event detection, EUSIPCO 2018",
    inputs="log-mel, 240 frames of 64 bands",
    front_end=FRONT_END,
    parameters=447_449,
    published=(
        Published("micro-F1", 58.6, "DCASE 2017 task 4, 1103 evaluation clips, 17 classes", "abstract of the paper"),
    ),
    read="tqbl/gccaps at 6bfc36aa, MIT, and the abstract",
    build=build,
    optimizer=optimizer,
    values={
        "epochs": 30,
        "steps_per_epoch": 1163,
        "batch_size": 44,
        "balance": "drawn",
        "patience": 0,
        "keep": 5,
        "ensemble": "best",
        "decision": "capsule",
        "complete_only": False,
    },
    options={
        "filters": 64,
        "capsules": 16,
        "capsule_dim": 4,
        "class_dim": 8,
        "rounds": 3,
        "dropout": 0.2,
        "capsule_dropout": 0.5,
        "momentum": 0.99,
    },
    notes=("chosen: classes are drawn by turns in the published shares; the code draws each at random by them",),
)
