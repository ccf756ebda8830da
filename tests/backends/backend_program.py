"""A program that runs layers, models and training on the backend that KERAS_BACKEND names, for `test_backends.py`.

`KERAS_BACKEND=jax python backend_program.py FOLDER`: the folder holds what TensorFlow wrote, if it ran there before.
All weights, inputs and batches are set by numpy, and nothing is drawn: answers may differ by rounding alone.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import avkeras as av
from avkeras.training.adam import Adam
from avkeras.training.mean_teacher import MeanTeacher
from avkeras.training.rectified_adam import RectifiedAdam

# TensorFlow's graphs are what all other tests run; to trace them here would take most of the time.
EAGER = keras.backend.backend() == "tensorflow"
CLASSES, STEPS, BATCH = 3, 3, 4
SMALL = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8}
RANDOM = np.random.default_rng(0)


def draw(*shape):
    return RANDOM.normal(size=shape).astype("float32")


LENGTHS = RANDOM.integers(1, 6, (BATCH, 1))
CLIPS_2019 = {"audio": draw(BATCH, 5, 6), "video": draw(BATCH, 5, 7), "video_mask": np.arange(5) < LENGTHS}
TARGETS_2019 = RANDOM.integers(0, 2, (BATCH, CLASSES)).astype("float32")
CLIPS_2022 = {
    "audio": draw(BATCH, 16, 8),
    "audio_mask": np.arange(16) < [[16], [9], [16], [5]],
    "video": draw(BATCH, 4, 7),
    "video_mask": np.array([[1] * 4, [0] * 4, [1] * 4, [1, 1, 0, 0]], bool),
}
TARGETS_2022 = {
    "supervision": np.array([2, 1, 0, 2], "int32"),
    "clip": RANDOM.integers(0, 2, (BATCH, CLASSES)).astype("float32"),
    "frame": RANDOM.integers(0, 2, (BATCH, 4, CLASSES)).astype("float32"),
    "frame_mask": np.arange(4) < [[4], [3], [4], [2]],
}


def tagging(dropout=0.0, dtype="float32"):
    """The model of 2019."""
    return fixed(
        av.models.AudiovisualTransformer(
            classes=CLASSES, dims={"audio": 6, "video": 7}, dropout=dropout, dtype=dtype, **SMALL
        )
    )


def detection(block, dropout=0.0, dtype="float32", training_weight=0.5, **fusion):
    """The model of 2022, with ways of fusion beyond it."""
    return fixed(
        av.models.MultiEncoder(
            classes=CLASSES, visual_dims={"video": 7}, block=block, bands=8, max_frames=16, filters=(4, 8),
            pooling=((2, 2), (2, 4)), dropout=dropout, dtype=dtype, training_weight=training_weight,
            **fusion, **SMALL,
        )
    )  # fmt: skip


def fixed(model):
    """Gives a model weights that are the same on every backend."""
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.3).astype("float32"))
    return model


def answers(model, clips):
    """The probabilities by name."""
    found = model({name: keras.ops.convert_to_tensor(value) for name, value in clips.items()})
    found = found if isinstance(found, dict) else {"clip": found}
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}


def weights(model):
    return {f"{index:03d}": np.asarray(weight, "float32") for index, weight in enumerate(model.get_weights())}


def optimizer(kind):
    # A large epsilon: rounding must not decide about the direction in which a weight goes.
    return kind(1e-2, epsilon=1e-3)


def fitted(model, clips, targets, kind):
    """A model's losses and weights after some steps of `fit`, each on the same batch."""
    if isinstance(model, MeanTeacher):
        model.compile(optimizer(kind), run_eagerly=EAGER)
    else:
        model.compile(optimizer(kind), "binary_crossentropy", run_eagerly=EAGER)
    history = model.fit(clips, targets, batch_size=BATCH, epochs=STEPS, shuffle=False, verbose=0).history
    return {"loss": np.array(history["loss"])} | weights(model)


def main(folder):
    found = {}
    transformer = detection("transformer", gate=True, absent_token=True)
    conformer = detection("conformer", late_fusion="logits", tied_encoders=True)
    models = {"tagging": tagging(), "transformer": transformer, "conformer": conformer}
    for name, model in models.items():
        clips = CLIPS_2019 if name == "tagging" else CLIPS_2022
        found[f"answers {name}"] = answers(model, clips)
        model.save(folder / f"{keras.backend.backend()} {name}.keras")
        if (file := folder / f"tensorflow {name}.keras").exists():
            found[f"loaded {name}"] = answers(keras.saving.load_model(file), clips)

    found["fit tagging"] = fitted(models["tagging"], CLIPS_2019, TARGETS_2019, Adam)
    for block in ("transformer", "conformer"):
        teacher = MeanTeacher(models[block], decay=0.9)
        found[f"fit {block}"] = fitted(teacher, CLIPS_2022, TARGETS_2022, RectifiedAdam)
        assert int(teacher.steps) == STEPS
        teacher.save(folder / "teacher.keras")
        again = keras.saving.load_model(folder / "teacher.keras")
        for one, other in zip(again.get_weights(), teacher.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    # Draws differ from backend to backend: what must hold is that both halves use the same one.
    teacher = MeanTeacher(detection("transformer", training_weight=None, modality_dropout=0.5))
    teacher.compile(keras.optimizers.SGD(0.0), run_eagerly=EAGER)
    history = teacher.fit(CLIPS_2022, TARGETS_2022, batch_size=BATCH, epochs=2, shuffle=False, verbose=0).history
    found["same draw"] = {name: np.array(history[name]) for name in ("clip_consistency", "frame_consistency")}

    for policy in ("mixed_bfloat16", "mixed_float16"):
        teacher = MeanTeacher(detection("conformer", dropout=0.1, dtype=policy))
        before = [keras.ops.convert_to_numpy(weight).copy() for weight in teacher.student.trainable_weights]
        found[f"fit {policy}"] = fitted(teacher, CLIPS_2022, TARGETS_2022, RectifiedAdam)
        steps = [
            np.abs(new - old).max()
            for new, old in zip(map(keras.ops.convert_to_numpy, teacher.student.trainable_weights), before, strict=True)
        ]
        found[f"fit {policy}"]["moved"] = np.array(max(steps))
        scales = isinstance(teacher.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scales == (policy == "mixed_float16"), policy
    np.savez(
        folder / f"{keras.backend.backend()}.npz",
        **{f"{name}: {key}": value for name, part in found.items() for key, value in part.items()},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
