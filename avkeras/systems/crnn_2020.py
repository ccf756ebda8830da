"""Convolutional recurrent mean teacher: the baseline of DCASE 2020 task 4 (Turpault and Serizel, 2020), for detection.

| part | value |
|---|---|
| input | 16 kHz; 628 frames of 2048 samples, hop 255, Hamming, centred; magnitude; 128 Slaney mel bands, 0 to 8000 \
Hz; dB, at most 80 below the loudest; standardised per band |
| convolutions | seven of 3x3 with bias: 16, 32, 64, 128 four times; batch normalisation; z' sigmoid(z) with a linear \
map z' of the channels z; dropout 0.5; means of 2x2 twice, then of 1x2: 157 vectors of 128 |
| recurrent | two bidirectional GRU layers of 128, dropout 0.5 |
| frames | sigmoid map to 10 classes |
| clip | mean of the frames' probabilities, weighted by a softmax over the classes of each frame |
| training | mean teacher, 0.999; weak clips, strong frames, and 2 r times the squared differences; \
r = exp(-5 (1 - t)^2), t from 0 to 1 in a quarter of all epochs; Adam, rate 1e-3 r; the teacher hears noise at 30 dB |
| batches | 6 strong, 6 weak and 12 unlabelled clips; 200 epochs |
| choice | the student with the best event-based F1 on validation |
| decision | 0.5 and a median filter of 7 frames |
"""

from __future__ import annotations

from avkeras.features.front_end import FrontEnd
from avkeras.systems.spectrogram_input import finished_model, frame_outputs, spectrogram_input
from avkeras.systems.system import Published, PublishedSystem

FRONT_END = FrontEnd(
    frame_length=2048,
    hop=255,
    bands=128,
    high=8000.0,
    peak=None,
    frames=628,
    samples=160000,
)
POOLING = ((2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2))
OPTIONS = {"filters": 16, "units": 128, "layers": 2, "dropout": 0.5, "momentum": 0.01}
VALUES = {
    "visual": (),
    "epochs": 200,
    "steps_per_epoch": 263,
    "batch": (6, 6, 12),
    "mixup_rate": 0.0,
    "select": "best",
    "decision": "fixed",
}


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    filters: int = 16,
    units: int = 128,
    layers: int = 2,
    dropout: float = 0.5,
    momentum: float = 0.01,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 157, classes)`."""
    return build_crnn(
        FRONT_END,
        name="crnn_2020",
        classes=classes,
        dtype=dtype,
        filters=filters,
        units=units,
        depth=layers,
        dropout=dropout,
        momentum=momentum,
    )


def build_crnn(
    front_end: FrontEnd,
    *,
    name: str,
    classes: int,
    dtype: str,
    filters: int,
    units: int,
    depth: int,
    dropout: float,
    momentum: float,
    scaling: str = "standardize",
):
    """Returns the model for a front end.

    Args:
        front_end: of the spectrogram.
        name: of the model.
        classes: how many.
        dtype: policy.
        filters: maps of the first convolution; the others have 2, 4 and 8 times as many.
        units: of the recurrent layers, each way.
        depth: recurrent layers.
        dropout: after each convolution and after the recurrent layers.
        momentum: of the batch normalisation, in Keras' sense.
        scaling: of the levels, see `spectrogram_input`.
    """
    from avkeras.layers.conv_frontend import ConvFrontend

    inputs, levels, mask = spectrogram_input(front_end, scaling=scaling, masked=True)
    x, mask = ConvFrontend(
        filters=[filters, 2 * filters, 4 * filters, *[8 * filters] * 4],
        pooling=POOLING,
        dropout=dropout,
        momentum=momentum,
        activation="gate",
        use_bias=True,
        name="frontend",
        dtype=dtype,
    )(levels, padding_mask=mask)
    outputs = recurrent_outputs(x, mask, classes=classes, units=units, depth=depth, dropout=dropout, dtype=dtype)
    return finished_model(inputs, outputs, name=name, dtype=dtype)


def recurrent_outputs(x, mask, *, classes: int, units: int, depth: int, dropout: float, dtype: str) -> dict:
    """Returns the probabilities of clips and frames, by recurrent layers.

    Args:
        x: `(batch, vectors, dim)`.
        mask: `(batch, vectors)`.
        classes: how many.
        units: of the recurrent layers, each way.
        depth: recurrent layers.
        dropout: after them.
        dtype: policy.
    """
    from keras import layers

    from avkeras.layers.attention_pooling import AttentionPooling
    from avkeras.layers.dropout import Dropout

    for number in range(1, depth + 1):
        gru = layers.GRU(units, reset_after=True, return_sequences=True, dtype=dtype)
        x = layers.Bidirectional(gru, name=f"recurrent_{number}", dtype=dtype)(x, mask=mask)
    x = Dropout(dropout, name="recurrent_dropout", dtype=dtype)(x)
    frames = layers.Dense(classes, activation="sigmoid", name="frame_probabilities", dtype="float32")(x)
    weights = layers.Dense(classes, name="attention", dtype="float32")(x)
    clip = AttentionPooling(weighting="softmax", name="clip_probabilities", dtype="float32")(
        frames, weights, padding_mask=mask
    )
    return {"clip": clip, "frame": frame_outputs(frames, mask)}


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns Adam, whose rate rises in the first quarter of the epochs."""
    from avkeras.training.adam import Adam
    from avkeras.training.ramp_up import RampUp

    return Adam(RampUp(learning_rate, ramp_steps(epochs, steps_per_epoch)))


def ramp_steps(epochs: int, steps_per_epoch: int) -> int:
    """Returns the steps of 50 of 200 epochs, or of as large a part of others."""
    return max(1, epochs // 4) * steps_per_epoch


def teacher(*, epochs: int, steps_per_epoch: int) -> dict:
    """Returns what the mean teacher has beyond the experiment's values."""
    return {"ramp_steps": ramp_steps(epochs, steps_per_epoch), "warm_up": True, "teacher_noise": 30.0}


SYSTEM = PublishedSystem(
    name="crnn_2020",
    task="detection",
    title="convolutional recurrent mean teacher, the baseline of DCASE 2020 task 4",
    paper="Turpault and Serizel: Training sound event detection on a heterogeneous dataset, DCASE 2020 workshop",
    inputs="log-mel, 628 frames of 128 bands",
    front_end=FRONT_END,
    parameters=1_112_420,
    published=(
        Published("EBF1", 34.8, "DESED validation, 1168 clips", "README of the published code"),
        Published("PSDS", 61.0, "DESED validation, 1168 clips; 2020's settings", "README of the published code"),
    ),
    read="turpaultn/dcase20_task4 at e2f61d7d, no licence at its root: facts only",
    build=build,
    optimizer=optimizer,
    teacher=teacher,
    frames_per_vector=4,
    values=VALUES,
    options=OPTIONS,
    notes=(
        "chosen: 263 batches an epoch, which draw every weak clip once; the student is chosen on the validation split, "
        "not on a fifth of the synthetic clips; weights begin as Keras draws them",
        "chosen: what a clip lacks of 10 s is masked, not padded with 0 dB",
        "momentum=0.01: the published code lets a new batch count 0.99 in the statistics of its batch normalisation",
        "chosen: a frame is strong where an event takes up any part of it",
    ),
)
