"""A program that trains small models by `avkeras.training.distribute`, for tests: devices are set up once a process.

`python distributed_program.py two FOLDER` compares two devices with one; `workers FOLDER MODEL ...` is one of several
workers by TF_CONFIG; `dies FOLDER INDEX` is one of several, of which one is killed.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.data.sampling import BalancedSampler
from avkeras.layers.dropout import Dropout
from avkeras.layers.stream_weights import StreamWeights
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


def fusing():
    """A detector of two sequences whose weight is drawn once per batch, and that has noise of its own beside."""
    audio, video = (keras.Input((FRAMES, DIM), name=name) for name in ("audio", "video"))
    present = keras.ops.ones_like(audio[:, 0, :2], dtype="bool")
    weights = StreamWeights(encoders=("audio", "video"), seed=5)(present)
    x = sum(weights[:, i, None, None] * keras.layers.Dense(8)(each) for i, each in enumerate((audio, video)))
    frame = keras.layers.Dense(CLASSES, activation="sigmoid")(x)
    clip = keras.layers.GlobalAveragePooling1D()(frame)
    model = MeanTeacher(keras.Model({"audio": audio, "video": video}, {"clip": clip, "frame": frame}), decay=0.9)
    model.compile(RectifiedAdam(1e-2, epsilon=1e-3))
    return model


def tagging():
    """The model of 2019."""
    model = AudiovisualTransformer(
        classes=CLASSES, dims={"audio": DIM, "video": DIM}, blocks=1, dim=8, key_dim=4, hidden_dim=8, dropout=0.0
    )
    model.compile(Adam(1e-2), "binary_crossentropy")
    return model


def stored(folder):
    """Balanced batches that are gathered from mapped stores, as the recipes train on."""
    classes = [f"class {index}" for index in range(CLASSES)]
    clips, stores = [], {}
    for number, targets in enumerate(TARGETS["clip"]):
        labels = tuple(name for name, there in zip(classes, targets, strict=True) if there) or (classes[0],)
        clips.append(Clip(str(number), Path("x"), Path("x"), "train", labels))
    for modality, values in CLIPS.items():
        with RecordWriter(folder / modality, {"dim": DIM}) as writer:
            for clip, value in zip(clips, values, strict=True):
                writer.write(clip.id, "made up", value)
        stores[modality] = RecordReader(folder / modality)
    found = ClipSet(clips, stores, classes)
    sampler = BalancedSampler(found.targets, batch_size=BATCH, seed=0)
    return found.training_dataset(sampler, steps=STEPS * EPOCHS)


def plain(optimizer=None):
    """What Keras' losses and validation need."""
    audio = keras.Input((FRAMES, DIM), name="audio")
    clip = keras.layers.Dense(CLASSES, activation="sigmoid")(keras.layers.Flatten()(audio))
    model = keras.Model({"audio": audio}, clip)
    model.compile(optimizer or Adam(1e-2, epsilon=1e-3), "binary_crossentropy", metrics=["mae"], jit_compile=False)
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


def statistics():
    """Batch normalisation of what no weight changes."""
    audio = keras.Input((FRAMES, DIM), name="audio")
    x = keras.layers.BatchNormalization(momentum=0.5)(audio)
    model = keras.Model({"audio": audio}, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(x)))
    model.compile(Adam(1e-2), "mse", jit_compile=False)
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
    if name in ("plain", "statistics", "clipping", "scaling"):
        data = ({"audio": CLIPS["audio"]}, TARGETS["clip"])
    elif name == "fusing":
        data = (CLIPS, TARGETS)
    elif name == "tagging":
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
    "plain": plain,
    "statistics": statistics,
    "clipping": lambda: plain(Adam(global_clipnorm=1.0)),
    "scaling": lambda: plain(keras.optimizers.LossScaleOptimizer(Adam())),
    "detection": detection,
    "fusing": fusing,
    "noisy": lambda: detection(dropout=0.5),
    "float16": lambda: detection(dtype="mixed_float16"),
    "normalised": normalised,
}


def train(name, strategy, *, fit=distribute.fit, epochs=EPOCHS, resume=None, callbacks=(), data=None):
    """Returns the model after training in the scope of a strategy."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = BUILD[name]()
    done = 0
    if resume:
        model.load_weights(resume)
        done = int(resume.name.split(".")[0].split("-")[1])
    options = {"epochs": epochs, "initial_epoch": done, "steps_per_epoch": STEPS, "callbacks": list(callbacks)}
    if name in ("tagging", "plain"):  # 10 clips: in the last batch there are fewer than there are replicas
        options["validation_data"] = batches(name).unbatch().take(10).batch(3)
    fit(model, data or batches(name), **options)
    return model


def state(model):
    """All that a model, its optimizer and its history hold."""
    variables = [*model.weights, *model.optimizer.variables]
    found = {f"variable {index:03d}": variable.numpy() for index, variable in enumerate(variables)}
    return found | {f"history {name}": np.array(values) for name, values in model.history.history.items()}


def write(path, states):
    """Writes dicts of arrays by name."""
    np.savez(path, **{f"{name}: {key}": value for name, found in states.items() for key, value in found.items()})


def copies(variables):
    """The values of variables on each replica."""
    return {f"{index:03d}": np.stack([copy.numpy() for copy in v.value.values]) for index, v in enumerate(variables)}


def random_states(model):
    """What Keras keeps beside the weights."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def message(function):
    """What a call says is wrong."""
    try:
        function()
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        return {"message": np.array(str(error))}
    return {"message": np.array("")}


def on_two_devices(folder):
    """What the tests of one process look at."""
    folder = Path(folder)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {}
    for name in ("plain", "detection", "fusing"):
        for devices, strategy in (("one", one), ("two", two)):
            found[f"{name} {devices}"] = state(train(name, strategy))
    for devices, strategy in (("one", one), ("two", two)):
        found[f"stored {devices}"] = state(train("tagging", strategy, data=stored(folder)))
    found["float16 two"] = state(train("float16", two))
    # Keras' fit cannot share out booleans.
    floats = batches("detection").map(lambda x, y: (x, {**y, "frame_mask": tf.cast(y["frame_mask"], "float32")}))
    found["detection keras"] = state(train("detection", two, fit=keras_fit, data=floats))

    whole = train("noisy", two, epochs=2)
    found["noisy whole"] = state(whole)
    found["noisy masks"] = copies(random_states(whole))
    train("noisy", two, epochs=1, callbacks=[LastEpochs(folder, keep=1)])
    resumed = train("noisy", two, epochs=2, resume=folder / "epoch-001.weights.h5")
    found["noisy resumed"] = state(resumed)
    resumed.save(folder / "model.keras")
    loaded = keras.models.load_model(folder / "model.keras")
    found["saved"] = {
        "inside": resumed({"audio": CLIPS["audio"][:BATCH]})["clip"].numpy(),
        "outside": loaded.predict_on_batch({"audio": CLIPS["audio"][:BATCH]})["clip"],
    }

    infinite = CLIPS["audio"][:BATCH].copy()
    infinite[1] = 1e30  # a clip of the second replica
    data = tf.data.Dataset.from_tensors(({"audio": infinite}, {name: y[:BATCH] for name, y in TARGETS.items()}))
    found["overflow"] = state(train("float16", two, epochs=1, data=data.repeat()))
    found["overflow start"] = state(train("float16", two, epochs=0, fit=start_only))

    found["uneven"] = message(lambda: train("plain", two, epochs=1, data=batches("plain").unbatch().batch(3)))
    for name in ("clipping", "scaling"):
        found[name] = message(lambda name=name: train(name, two))
    write(folder / "found.npz", found)


def keras_fit(model, data, **options):
    """Keras' own loop."""
    model.fit(data, **options, shuffle=False, verbose=0)


def start_only(model, data, **options):
    """Does not train."""
    model.history = keras.callbacks.History()
    model.history.history = {}


def among_workers(folder, *names):
    """What one worker of several ends with."""
    found = distribute.strategy(timeout=60)
    index = found.cluster_resolver.task_id if found.cluster_resolver else "alone"
    assert distribute.is_chief(found) == (index in (0, "alone"))
    states = {}
    for name in names:
        model = train(name, found)
        states[name] = state(model)
        if name == "statistics":
            states[name]["moving mean"] = model.layers[1].moving_mean.numpy()
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(plain, "stop_training", True))
    with found.scope():
        plain = BUILD["plain"]()
    # Of two workers, the second alone asks to stop.
    history = distribute.fit(
        plain, batches("plain"), epochs=3, steps_per_epoch=2, callbacks=[] if index == 0 else [stop]
    )
    states["stopped"] = {"epochs": np.array(len(history.epoch))}
    write(Path(folder) / f"worker-{index}.npz", states)


def a_worker_dies(folder, victim):
    """The last thing a worker sees when another is killed."""
    found = distribute.strategy(timeout=60)
    index = found.cluster_resolver.task_id

    def die(epoch, logs):
        if epoch == 1 and index == int(victim):
            os.kill(os.getpid(), signal.SIGKILL)

    train("plain", found, epochs=1000, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=die)])


if __name__ == "__main__":
    {"two": on_two_devices, "workers": among_workers, "dies": a_worker_dies}[sys.argv[1]](*sys.argv[2:])
