"""A program that trains small models by `avkeras.training.distribute`: on one device, on several, on several workers.

`python distributed_program.py OUT MODEL ...` writes what each model is after training to OUT, an npz file.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from avkeras.layers.dropout import Dropout
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.training import distribute
from avkeras.training.adam import Adam
from avkeras.training.callbacks import LastEpochs
from avkeras.training.mean_teacher import MeanTeacher
from avkeras.training.rectified_adam import RectifiedAdam

CLASSES, FRAMES, DIM, BATCH, STEPS, EPOCHS = 3, 6, 5, 8, 4, 3
# As the batches of training are: one kind behind the other, so that contiguous parts would hold different kinds.
SUPERVISION = [2, 2, 1, 1, 0, 0, 0, 0]
RANDOM = np.random.default_rng(0)
CLIPS = {
    "audio": RANDOM.normal(size=(STEPS * BATCH, FRAMES, DIM)).astype("float32"),
    "video": RANDOM.normal(size=(STEPS * BATCH, FRAMES, DIM)).astype("float32"),
}
TARGETS = {
    "supervision": np.tile(SUPERVISION, STEPS),
    "clip": RANDOM.integers(0, 2, (STEPS * BATCH, CLASSES)).astype("float32"),
    "frame": RANDOM.integers(0, 2, (STEPS * BATCH, FRAMES, CLASSES)).astype("float32"),
    "frame_mask": np.arange(FRAMES) < RANDOM.integers(1, FRAMES + 1, (STEPS * BATCH, 1)),
}


def student(*, dropout=0.0, dtype="float32"):
    """A detector without batch normalisation."""
    audio = keras.Input((FRAMES, DIM), name="audio")
    x = keras.layers.Dense(8, activation="tanh", kernel_regularizer="l2", dtype=dtype)(audio)
    x = Dropout(dropout, dtype=dtype)(x)
    frame = keras.layers.Dense(CLASSES, activation="sigmoid", dtype="float32")(x)
    clip = keras.layers.GlobalAveragePooling1D(dtype="float32")(frame)
    return keras.Model({"audio": audio}, {"clip": clip, "frame": frame})


def tagging():
    """The model of 2019."""
    model = AudiovisualTransformer(
        classes=CLASSES, dims={"audio": DIM, "video": DIM}, blocks=1, dim=8, key_dim=4, hidden_dim=8, dropout=0.0
    )
    model.compile(Adam(1e-2), "binary_crossentropy")
    return model


def detection(**options):
    """A mean teacher as that of 2022, small."""
    model = MeanTeacher(student(**options), decay=0.9)
    # A large epsilon: rounding must not decide about the direction in which a weight goes.
    optimizer = RectifiedAdam(1e-2, epsilon=1e-3)
    if options.get("dtype") == "mixed_float16":
        optimizer = distribute.LossScaleOptimizer(optimizer, initial_scale=2.0**10)
    model.compile(optimizer)
    return model


def normalised():
    """A mean teacher with all that the real one has, batch normalisation among it."""
    model = MeanTeacher(
        MultiEncoder(
            classes=CLASSES, visual_dims={"video": DIM}, bands=8, max_frames=16, blocks=1, dim=8, key_dim=4,
            hidden_dim=8, filters=(4, 8), pooling=((2, 2), (2, 4)),
        ),
        decay=0.9,
    )  # fmt: skip
    model.compile(RectifiedAdam(1e-2))
    return model


def batches(name):
    """The global batches of a model, for ever."""
    if name == "tagging":
        data = (CLIPS, TARGETS["clip"])
    elif name == "normalised":
        audio = np.random.default_rng(1).normal(size=(STEPS * BATCH, 16, 8)).astype("float32")
        targets = {**TARGETS, "frame": TARGETS["frame"][:, :4], "frame_mask": TARGETS["frame_mask"][:, :4]}
        data = ({**CLIPS, "audio": audio, "video": CLIPS["video"][:, :4]}, targets)
    else:
        data = ({"audio": CLIPS["audio"]}, TARGETS)
    return tf.data.Dataset.from_tensor_slices(data).batch(BATCH).repeat()


BUILD = {
    "tagging": tagging,
    "detection": detection,
    "noisy": lambda: detection(dropout=0.5),
    "float16": lambda: detection(dtype="mixed_float16"),
    "normalised": normalised,
}


def train(name, strategy, *, epochs=EPOCHS, resume=None, callbacks=()):
    """Returns the model after training in the scope of a strategy."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = BUILD[name]()
    done = 0
    if resume:
        model.load_weights(resume)
        done = int(resume.stem.split(".")[0].split("-")[1])
    # 10 clips: the last batch of two is smaller than there may be replicas
    validation = batches(name).unbatch().take(10).batch(3) if name == "tagging" else None
    distribute.fit(
        model,
        batches(name),
        epochs=epochs,
        initial_epoch=done,
        steps_per_epoch=STEPS,
        validation_data=validation,
        callbacks=callbacks,
    )
    return model


def state(model):
    """All that a model, its optimizer and its history hold."""
    variables = [*model.weights, *model.optimizer.variables]
    found = {f"variable {index:03d}": variable.numpy() for index, variable in enumerate(variables)}
    return found | {f"history {name}": np.array(values) for name, values in model.history.history.items()}


def write(path, models):
    """Writes the states of models by name."""
    np.savez(path, **{f"{name}: {key}": value for name, model in models.items() for key, value in state(model).items()})


if __name__ == "__main__":
    found = distribute.strategy(timeout=60)
    write(sys.argv[1], {name: train(name, found) for name in sys.argv[2:]})
