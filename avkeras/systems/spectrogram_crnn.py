"""What the CNN-Transformer and CNN-GRU of Kong, Xu, Wang and Plumbley (2020) share: all but the layer in the middle.

| part | value |
|---|---|
| input | 32 kHz; 1001 frames of 1024 samples, hop 320, Hann, centred, of 10 s padded with silence; 64 Slaney mel \
bands of equal area, 50 to 14000 Hz; 10 log10(power); batch normalisation of each band |
| while training | SpecAugment: two stripes of up to 63 frames and two of up to 7 bands; then mixup of \
neighbours, Beta(1, 1) |
| trunk | four blocks of twice (3x3 convolution without bias, batch normalisation, ReLU), 64, 128, 256, 512 maps; \
means of 2x2 after the first three; mean of the bands: 125 steps |
| clip, `head=att` | mean of the steps' sigmoid probabilities, weighted by exp of another map, class by class |
| clip, `head=max`, `head=avg` | maximum or mean of the steps' probabilities |
| training | cross-entropy; AMSGrad 1e-3, the last 2 of 7 parts of the steps 1e-4; 70 000 batches of 64, shuffled |
| ensemble | none: the last model |
| decision | thresholds of all classes by automatic optimisation |
"""

from __future__ import annotations

from collections.abc import Callable

from avkeras.data.pair_mixup import RATIOS
from avkeras.errors import AvkerasError
from avkeras.features.front_end import FrontEnd
from avkeras.systems.spectrogram_input import finished_model, spectrogram_input

FRONT_END = FrontEnd(
    sample_rate=32000,
    hop=320,
    low=50.0,
    high=14000.0,
    window="hann",
    peak=None,
    power=2,
    area_norm=True,
    least=1e-10,
    top_db=None,
    frames=1001,
    samples=320000,
    padding="sound",
)
VALUES = {
    "epochs": 70,  # of which each ends with a look at validation
    "steps_per_epoch": 1000,
    "batch_size": 64,
    "balance": "none",
    "patience": 0,
    "keep": 1,
    "decision": "automatic",
    "complete_only": False,
}
OPTIONS = {"head": "att", "filters": 64, "momentum": 0.9}
READ = "qiuqiangkong/sound_event_detection_dcase2017_task4 at 823af881 and qiuqiangkong/autoth at 42a8017b, both MIT"
PAPER = (
    "Kong, Xu, Wang and Plumbley: Sound event detection of weakly labelled data with CNN-Transformer and automatic "
    "threshold optimization, IEEE/ACM TASLP 28, 2020, arXiv 1912.04761"
)
ON = "DCASE 2017 task 4, 1103 evaluation clips, 17 classes"


def build_crnn(
    middle: Callable,
    *,
    name: str,
    classes: int,
    dtype: str,
    training: bool,
    head: str,
    filters: int,
    momentum: float,
):
    """Returns the model, which gives `(batch, classes)`; in training it takes ratios of mixup, too.

    Args:
        middle: takes steps `(batch, 125, 8 * filters)`, gives others.
        name: of the model.
        classes: how many.
        dtype: policy.
        training: whether there is an input for the ratios of mixup.
        head: `att`, `max` or `avg`.
        filters: maps of the first block.
        momentum: of the batch normalisation, in Keras' sense.
    """
    import keras
    from keras import layers

    from avkeras.layers.attention_pooling import AttentionPooling
    from avkeras.layers.batch_norm import MaskedBatchNormalization
    from avkeras.layers.masking import Aggregation
    from avkeras.layers.pair_mixup import PairMixup
    from avkeras.layers.spec_augment import SpecAugment

    if head not in ("att", "max", "avg"):
        raise AvkerasError(f"options: 'head={head}': att, max or avg is wanted")
    norm = {"momentum": momentum, "epsilon": 1e-5, "dtype": dtype}
    inputs, levels = spectrogram_input(FRONT_END, scaling="none")
    x = MaskedBatchNormalization(name="band_norm", momentum=momentum, epsilon=1e-5, dtype="float32")(levels)
    x = SpecAugment(name="spec_augment", dtype=dtype)(x)
    if training:
        inputs[RATIOS] = keras.Input((), name=RATIOS, optional=True)
        x = PairMixup(name="pair_mixup", dtype=dtype)(x, inputs[RATIOS])
    x = layers.Reshape((FRONT_END.frames, FRONT_END.bands, 1), name="channel", dtype=dtype)(x)
    for block, maps in enumerate((filters, 2 * filters, 4 * filters, 8 * filters), start=1):
        for number in (1, 2):
            convolution = f"convolution_{block}_{number}"
            x = layers.Conv2D(maps, 3, padding="same", use_bias=False, name=convolution, dtype=dtype)(x)
            x = MaskedBatchNormalization(name=f"norm_{block}_{number}", **norm)(x)
            x = layers.ReLU(name=f"relu_{block}_{number}", dtype=dtype)(x)
        if block < 4:
            x = layers.AveragePooling2D(2, name=f"pool_{block}", dtype=dtype)(x)
    x = layers.AveragePooling2D((1, x.shape[2]), name="pool_bands", dtype=dtype)(x)
    x = middle(layers.Reshape((x.shape[1], x.shape[3]), name="steps", dtype=dtype)(x))
    steps = layers.Dense(classes, activation="sigmoid", name="step_probabilities", dtype="float32")(x)
    if head == "att":
        weights = layers.Dense(classes, name="attention", dtype="float32")(x)
        clip = AttentionPooling(weighting="exp", name="probabilities", dtype="float32")(steps, weights)
    else:
        method = {"max": "max", "avg": "mean"}[head]
        clip = Aggregation(method=method, name="probabilities", dtype="float32")(steps)
    return finished_model(inputs, clip, name=name, dtype=dtype)


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns Adam in the form of AMSGrad; its rate falls to a tenth for the last 2 of 7 parts of the steps."""
    from keras.optimizers.schedules import PiecewiseConstantDecay

    from avkeras.training.adam import Adam

    first = epochs * steps_per_epoch * 5 // 7
    return Adam(PiecewiseConstantDecay([first], [learning_rate, 0.1 * learning_rate]), epsilon=1e-8, amsgrad=True)
