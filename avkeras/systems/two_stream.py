"""Two-stream audiovisual network (Parekh et al., 2018), for tagging: an outline, since no more of it could be read.

Known are the principle and the figures: parts of the pictures and windows of the sound are instances of a clip, of
which only the classes are known, and both modalities are scored apart. All else is chosen.

| part | value |
|---|---|
| sound | an instance is a frame of the embedder, VGGish |
| pictures | an instance is an embedded picture, or one of `regions` parts of it (`avkeras.features.write_regions` \
makes an embedder of 14: all of it, 2x2 and 3x3); the paper's are proposals of a detector of objects |
| modality | a ReLU map to 128; of it a map to scores and one to places; the softmax of the places over the instances \
weighs the scores; their sum has length 1 over the classes |
| clip | the modalities' sum; an absent one has no term. From -2 to 2, it is told as a number from 0 to 1 |
| training | hinge loss of every class; Adam 1e-4; batches of 24, drawn as in `avkeras.systems.gated_crnn` |
| decision | one threshold, by validation |
"""

from __future__ import annotations

from collections.abc import Mapping

from avkeras.systems.spectrogram_input import finished_model
from avkeras.systems.system import Published, PublishedSystem

_OUTLINE = "what runs here is an outline of it"
_ON = "DCASE 2017 task 4, evaluation clips with video, 17 classes"


def build(
    *,
    classes: int,
    dims: Mapping[str, int],
    dtype: str = "float32",
    training: bool = False,
    units: int = 128,
    regions: int = 1,
):
    """Returns the model, which gives `(batch, classes)`: scores from 0 to 1, no probabilities.

    Args:
        classes: how many.
        dims: width of the embeddings, of `audio` and of `video`.
        dtype: policy.
        training: the model is the same.
        units: of the map of each modality.
        regions: of each picture, whose embeddings lie side by side.
    """
    import keras
    from keras import layers

    from avkeras.layers.instances import InstancePooling, SplitRegions
    from avkeras.layers.masking import CleanInput

    inputs, scores = {}, []
    for name, dim in sorted(dims.items()):
        inputs[name] = keras.Input((None, dim), name=name)
        inputs[f"{name}_mask"] = keras.Input((None,), dtype="bool", name=f"{name}_mask", optional=True)
        clean = CleanInput(name=f"{name}_clean", dtype=dtype)
        x, real, _ = clean(inputs[name], inputs[f"{name}_mask"])
        if name == "video" and regions > 1:
            x, real = SplitRegions(regions=regions, name="regions", dtype=dtype)(x, padding_mask=real)
        x = layers.Dense(units, activation="relu", name=f"{name}_map", dtype=dtype)(x)
        own = layers.Dense(classes, name=f"{name}_scores", dtype="float32")(x)
        places = layers.Dense(classes, name=f"{name}_places", dtype="float32")(x)
        pooling = InstancePooling(name=f"{name}_pooling", dtype="float32")
        scores.append(pooling(own, places, padding_mask=real))
    total = layers.Add(name="sum", dtype="float32")(scores) if len(scores) > 1 else scores[0]
    clip = layers.Rescaling(0.25, 0.5, name="probabilities", dtype="float32")(total)
    return finished_model(inputs, clip, name="two_stream", dtype=dtype)


def hinge(true, found):
    """Returns what each clip lacks of a margin of 1 in its scores from -2 to 2, as the mean over the classes."""
    from keras import ops

    true = ops.cast(true, found.dtype)
    return ops.mean(ops.maximum(1 - (2 * true - 1) * (4 * found - 2), 0), axis=-1)


def optimizer(*, learning_rate: float, epochs: int, steps_per_epoch: int):
    """Returns Adam."""
    from avkeras.training.adam import Adam

    return Adam(learning_rate)


SYSTEM = PublishedSystem(
    name="two_stream",
    task="tagging",
    title="sound and parts of pictures, scored apart (an outline)",
    paper="Parekh et al., 2018, arXiv 1804.07345; IEEE/ACM TASLP 28, 2020",
    inputs="embeddings of sound and of pictures",
    front_end=None,
    parameters=549_700,
    published=(
        Published("micro-F1", 64.2, _ON, f"Boes and Van hamme (2019), table 3; {_OUTLINE}"),
        Published("micro-F1", 65.0, _ON, f"abstract of 2020, with parts of the sound; {_OUTLINE}"),
    ),
    read="the abstracts, and what Boes and Van hamme (2019) say of it",
    build=build,
    optimizer=optimizer,
    embeds=True,
    values={
        "embedders": ("vggish", "vgg16"),
        "epochs": 30,
        "steps_per_epoch": 2036,
        "batch_size": 24,
        "learning_rate": 1e-4,
        "balance": "drawn",
        "keep": 1,
    },
    options={"units": 128, "regions": 1},
    notes=(
        "an outline: only its principle could be read, and all values are chosen; no comparison with its figures holds",
        "chosen: whole pictures; with regions=14 the embedder must give the parts side by side, as that of "
        "avkeras.features.write_regions does; parameters are counted with VGGish and VGG16",
        "scores are no probabilities: (sum of the modalities + 2) / 4",
    ),
    loss=hinge,
)
