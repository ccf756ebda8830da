"""What the encoder-only conformer and transformer of Miyazaki et al. (2020) share: all but their blocks.

| part | value |
|---|---|
| input | 16 kHz, peak at -3 dB; 496 frames of 1024 samples, hop 323, Hamming, centred; magnitude; 64 Slaney mel \
bands, 0 to 8000 Hz; dB, at most 80 below the loudest; standardised per band |
| convolutions | seven of 3x3: 16, 32, 64, 128 four times; batch normalisation, ReLU, dropout 0.1; means of 2x2 three \
times, of 1x2 three times: 62 vectors of 128 |
| token | a learnt vector before them; then a linear map to 144, layer normalisation, dropout, ReLU, times 12, \
sinusoidal positions, dropout |
| output | one sigmoid map to 10 classes for the token (clip) and the frames |
| training | mean teacher, 0.999; strong frames, the mean of weak and strong clips, and 2 r times the squared \
differences, r = exp(-5 (1 - t)^2), t from 0 to 1 in a third of all steps; mixup of half of the batches, \
Beta(0.2, 0.2); circular shifts in time of half of the clips, deviation 90 frames |
| optimizer | rectified Adam, 1e-3, times 0.1 each third of the steps, 0.9, 0.98, 1e-9, weight decay 1e-6, \
gradient norm 5 |
| batches | 32 strong, 32 weak and 64 unlabelled clips; 120 looks at validation, 250 batches apart |
| choice | the student with the best event-based F1 on validation; an end after 10 looks without a better one |
"""

from __future__ import annotations

from collections.abc import Callable

from avkeras.features.front_end import FrontEnd
from avkeras.systems.spectrogram_input import finished_model, frame_outputs, spectrogram_input

FRONT_END = FrontEnd(hop=323, high=8000.0, peak=10 ** (-3 / 20), frames=496, samples=160000)
POOLING = ((2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 1))
OPTIONS = {"filters": 16, "dim": 144, "heads": 4, "hidden_dim": 576, "blocks": 3, "dropout": 0.1, "momentum": 0.01}
VALUES = {
    "visual": (),
    "epochs": 120,
    "steps_per_epoch": 250,
    "batch": (32, 32, 64),
    "mixup_rate": 0.5,
    "time_shift": 90.0,
    "select": "best",
    "patience": 10,
}
PAPER = (
    "Miyazaki, Komatsu, Hayashi, Watanabe, Toda and Takeda: Conformer-based sound event detection with semi-supervised "
    "learning and data augmentation, DCASE 2020 workshop"
)
READ = "m-koichi/ConformerSED at d66dbc19, MIT"
NOTES = (
    "chosen: thresholds and median filters are tuned together, from the 2022 paper's grids",
    "chosen: a frame is strong where an event takes up any part of it; the published code looks at its centre",
    "chosen: the squared differences are means over all clips, not over three streams of them; no high-pass of 10 Hz; "
    "clips that are shorter than 10 s are masked, and not shifted in time; shifts are of whole vectors",
    "momentum=0.01: as in the code of DCASE 2020's baseline, a new batch counts 0.99 in the statistics",
    "the published code also adds noise to the levels of half of the clips, though its configuration has it off",
)


def build_encoder(
    block: Callable,
    *,
    name: str,
    classes: int,
    dtype: str,
    filters: int,
    dim: int,
    blocks: int,
    dropout: float,
    momentum: float,
    final_norm: bool,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 62, classes)`.

    Args:
        block: returns a block from its name.
        name: of the model.
        classes: how many.
        dtype: policy.
        filters: maps of the first convolution; the others have 2, 4 and 8 times as many.
        dim: width of the blocks.
        blocks: how many.
        dropout: rate.
        momentum: of the batch normalisation of the convolutions, in Keras' sense.
        final_norm: whether a layer normalisation ends the blocks.
    """
    from keras import layers

    from avkeras.layers.class_token import ClassToken
    from avkeras.layers.conv_frontend import ConvFrontend
    from avkeras.layers.dropout import Dropout
    from avkeras.layers.layer_norm import LayerNormalization
    from avkeras.layers.positions import SinusoidalPositions

    inputs, levels, mask = spectrogram_input(FRONT_END, masked=True)
    x, mask = ConvFrontend(
        filters=[filters, 2 * filters, 4 * filters, *[8 * filters] * 4],
        pooling=POOLING,
        dropout=dropout,
        momentum=momentum,
        use_bias=True,
        name="frontend",
        dtype=dtype,
    )(levels, padding_mask=mask)
    vectors = x.shape[1]
    x, token_mask = ClassToken(name="class_token", dtype=dtype)(x, padding_mask=mask)
    x = layers.Dense(dim, name="input_map", dtype=dtype)(x)
    x = LayerNormalization(epsilon=1e-5, name="input_norm", dtype=dtype)(x)
    x = Dropout(dropout, name="input_dropout", dtype=dtype)(x)
    x = layers.Rescaling(dim**0.5, name="input_scale", dtype=dtype)(layers.ReLU(name="input_relu", dtype=dtype)(x))
    x = SinusoidalPositions(name="positions", dtype=dtype)(x)
    x = Dropout(dropout, name="positions_dropout", dtype=dtype)(x)
    for number in range(1, blocks + 1):
        x = block(f"block_{number}")(x, padding_mask=token_mask)
    if final_norm:
        x = LayerNormalization(epsilon=1e-5, name="final_norm", dtype=dtype)(x)
    found = layers.Dense(classes, activation="sigmoid", name="probabilities", dtype="float32")(x)
    token = layers.Cropping1D((0, vectors), name="token", dtype="float32")(found)
    clip = layers.Reshape((classes,), name="clip_probabilities", dtype="float32")(token)
    frames = layers.Cropping1D((1, 0), name="frame_probabilities", dtype="float32")(found)
    return finished_model(inputs, {"clip": clip, "frame": frame_outputs(frames, mask)}, name=name, dtype=dtype)


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns rectified Adam, whose rate falls to a tenth after each third of all steps."""
    from keras.optimizers.schedules import ExponentialDecay

    from avkeras.training.rectified_adam import RectifiedAdam

    rate = ExponentialDecay(learning_rate, _third(epochs, steps_per_epoch), 0.1, staircase=True)
    return RectifiedAdam(rate, beta_1=0.9, beta_2=0.98, epsilon=1e-9, weight_decay=1e-6, global_clipnorm=5.0)


def teacher(*, epochs: int, steps_per_epoch: int) -> dict:
    """Returns what the mean teacher has beyond the experiment's values."""
    return {"ramp_steps": _third(epochs, steps_per_epoch), "warm_up": True, "strong_clips": True}


def _third(epochs: int, steps_per_epoch: int) -> int:
    """Returns a third of all steps: 10 000 of the published 30 000."""
    return max(1, epochs * steps_per_epoch // 3)
