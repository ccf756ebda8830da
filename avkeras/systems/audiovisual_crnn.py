"""Audiovisual recurrent network with early fusion (Boes and Van hamme, 2021), for detection.

Only its principle is published in what could be read: the recurrent baseline's spectrogram gets embeddings of sound and
of pictures beside it, before the recurrent layers, and is trained as a mean teacher on weak and unlabelled clips. The
values are chosen.

| part | value |
|---|---|
| sound | the 2022 paper's spectrogram, standardised per band |
| convolutions | the 2022 paper's front end: seven of 3x3 without bias, batch normalisation, ReLU, dropout 0.5, means: \
64 vectors of 128 |
| embeddings | of each network a linear map to 128 and a layer normalisation; at each vector the nearest frame, as if \
both spanned the same time (those of sound end up to a hop later, VGGish 0.54 s, and a clip's last vectors get frames \
that lie as much too late); zeros where a clip lacks them |
| fusion | all of it side by side, and a linear map to 128 |
| recurrent, frames, clip | those of `avkeras.systems.crnn_2020` |
| training | that of `avkeras.systems.crnn_2020`, without strong clips: 8 weak and 16 unlabelled ones |
| choice, decision | those of `avkeras.systems.crnn_2020` |
"""

from __future__ import annotations

from collections.abc import Mapping

from avkeras.features.front_end import FrontEnd
from avkeras.systems import crnn_2020
from avkeras.systems.crnn_2020 import OPTIONS, optimizer, recurrent_outputs, teacher
from avkeras.systems.spectrogram_input import finished_model, spectrogram_input
from avkeras.systems.system import PublishedSystem

FRONT_END = FrontEnd()


def build(
    *,
    classes: int,
    dims: Mapping[str, int],
    dtype: str = "float32",
    training: bool = False,
    filters: int = 16,
    units: int = 128,
    layers: int = 2,
    dropout: float = 0.5,
    momentum: float = 0.01,
    absent_token: bool = False,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 64, classes)`.

    Args:
        classes: how many.
        dims: width of the embeddings by input.
        dtype: policy.
        training: the model is the same.
        filters: maps of the first convolution; the others have 2, 4 and 8 times as many.
        units: of the recurrent layers, each way.
        layers: recurrent ones.
        dropout: after each convolution and after the recurrent layers.
        momentum: of the batch normalisation, in Keras' sense.
        absent_token: whether a learnt vector, not zeros, stands in for embeddings that a clip lacks.
    """
    import keras

    from avkeras.layers.conv_frontend import ConvFrontend
    from avkeras.layers.layer_norm import LayerNormalization
    from avkeras.layers.masking import CleanInput
    from avkeras.layers.nearest_frames import NearestFrames

    inputs, levels, mask = spectrogram_input(FRONT_END, masked=True)
    width = 8 * filters
    x, mask = ConvFrontend(
        filters=[filters, 2 * filters, 4 * filters, *[width] * 4],
        dropout=dropout,
        momentum=momentum,
        name="frontend",
        dtype=dtype,
    )(levels, padding_mask=mask)
    streams = [x]
    for name, dim in dims.items():
        inputs[name] = keras.Input((None, dim), name=name)
        inputs[f"{name}_mask"] = keras.Input((None,), dtype="bool", name=f"{name}_mask", optional=True)
        clean = CleanInput(least_frames=1, name=f"{name}_clean", dtype=dtype)  # a batch may have none of them
        embedded, real, _ = clean(inputs[name], inputs[f"{name}_mask"])
        embedded = keras.layers.Dense(width, name=f"{name}_map", dtype=dtype)(embedded)
        embedded = LayerNormalization(epsilon=1e-6, name=f"{name}_norm", dtype=dtype)(embedded)
        nearest = NearestFrames(absent_token=absent_token, name=f"{name}_frames", dtype=dtype)
        streams.append(nearest(embedded, x, padding_mask=real))
    if dims:
        x = keras.layers.Concatenate(name="streams", dtype=dtype)(streams)
        x = keras.layers.Dense(width, name="fusion", dtype=dtype)(x)
    outputs = recurrent_outputs(x, mask, classes=classes, units=units, depth=layers, dropout=dropout, dtype=dtype)
    return finished_model(inputs, outputs, name="audiovisual_crnn", dtype=dtype)


SYSTEM = PublishedSystem(
    name="audiovisual_crnn",
    task="detection",
    title="recurrent mean teacher with early fusion of embeddings",
    paper="Boes and Van hamme: Audiovisual transfer learning for audio tagging and sound event detection, "
    "Interspeech 2021, arXiv 2106.05408",
    inputs="log-mel, 512 frames of 64 bands; embeddings",
    front_end=FRONT_END,
    parameters=1_713_284,
    published=(),
    read="the abstract, and what Boes and Van hamme (2022) say of it",
    build=build,
    optimizer=optimizer,
    teacher=teacher,
    frames_per_vector=8,
    embeds=True,
    values={
        **{name: value for name, value in crnn_2020.VALUES.items() if name != "visual"},
        "encoders": ("log_mel", "vggish", "openl3", "vgg16"),
        "steps_per_epoch": 197,
        "batch": (0, 8, 16),
    },
    options={**OPTIONS, "absent_token": False},
    notes=(
        "only the principle is published in what was read: all sizes are chosen, most as in crnn_2020",
        "chosen: embeddings of VGGish, OpenL3 (of pictures) and VGG16, with which parameters are counted; --encoders "
        "takes others, and log_mel once",
        "chosen: clips without video stay, with zeros or (absent_token=true) a learnt vector; the paper left them out",
        "chosen: 197 batches an epoch, which draw each of 2018's weak clips once; --batch 6 6 12 learns from strong "
        "clips too",
        "what is said of crnn_2020's teacher, weights, masks and choice holds here too",
    ),
)
