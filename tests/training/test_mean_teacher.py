import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from avkeras.data.mixup import mixup
from avkeras.data.streams import StreamSampler, stream_dataset
from avkeras.layers.dropout import Dropout
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.models.sequence_model import SequenceModel
from avkeras.training.mean_teacher import MeanTeacher
from avkeras.training.rectified_adam import RectifiedAdam

CLASSES, FRAMES, DIM = 3, 6, 5
HALF = ("mixed_float16", "mixed_bfloat16")
TERMS = ("weak_bce", "strong_bce", "clip_consistency", "frame_consistency")


def make_student(dtype="float32", dropout=0.3):
    """A detector with all that a real one has: an optional mask, dropout, batch normalisation."""
    audio = keras.Input((FRAMES, DIM), name="audio")
    mask = keras.Input((FRAMES,), dtype="bool", name="audio_mask", optional=True)
    x = keras.layers.Dense(8, name="map", dtype=dtype)(audio)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm", dtype=dtype)(x)
    if dropout:
        x = Dropout(dropout, name="dropout", dtype=dtype)(x)
        x = keras.layers.GaussianNoise(0.1, name="noise", dtype=dtype)(x)  # Keras does not save its generator's state
    frame = keras.layers.Dense(CLASSES, activation="sigmoid", name="frame", dtype="float32")(x)
    clip = keras.layers.GlobalAveragePooling1D(name="clip", dtype="float32")(frame)
    return SequenceModel(
        inputs={"audio": audio, "audio_mask": mask}, outputs={"clip": clip, "frame": frame}, dtype=dtype
    )


def make_model(optimizer=None, seed=1, student=None, **options):
    keras.utils.set_random_seed(seed)
    model = MeanTeacher(student or make_student(), **options)
    model.compile(optimizer or keras.optimizers.SGD(0.5))
    return model


def make_data(supervision=(2, 1, 0, 2, 1, 0, 0, 0), seed=0):
    random = np.random.default_rng(seed)
    size = len(supervision)
    x = {"audio": random.standard_normal((size, FRAMES, DIM)).astype("float32")}
    y = {
        "supervision": np.array(supervision, "int8"),
        "clip": random.integers(0, 2, (size, CLASSES)).astype("float32"),
        "frame": random.integers(0, 2, (size, FRAMES, CLASSES)).astype("float32"),
    }
    return x, y


def values(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def assert_equal(ones, others):
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one, other)


def gradients(model, x, y, **terms):
    """Returns the gradients of the loss with respect to student and teacher."""
    student, teacher = model.student.trainable_variables, [w for w in model.teacher.weights]
    with tf.GradientTape() as tape:
        tape.watch([weight.value for weight in teacher])
        y = {name: tf.convert_to_tensor(value) for name, value in y.items()}
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    found = tape.gradient(loss, [weight.value for weight in (*student, *teacher)])
    return found[: len(student)], found[len(student) :]


def by_hand(model, x, y, training):
    """The four terms, written out clip by clip."""
    student, teacher = (
        {k: v.numpy() for k, v in part(x, training=training).items()} for part in (model.student, model.teacher)
    )
    bce = lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p))  # noqa: E731
    real = y.get("frame_mask", np.ones((len(y["clip"]), FRAMES), bool))
    weak, strong, frame = [], [], []
    for i, kind in enumerate(y["supervision"]):
        if kind == 1:
            weak.append(bce(y["clip"][i], student["clip"][i]))
        for j in range(FRAMES):
            if real[i, j]:
                frame.append((student["frame"][i, j] - teacher["frame"][i, j]) ** 2)
                if kind == 2:
                    strong.append(bce(y["frame"][i, j], student["frame"][i, j]))
    terms = {
        "weak_bce": np.mean(weak) if weak else 0.0,
        "strong_bce": np.mean(strong) if strong else 0.0,
        "clip_consistency": np.mean((student["clip"] - teacher["clip"]) ** 2),
        "frame_consistency": np.mean(frame),
    }
    return terms | {
        "loss": terms["weak_bce"] + terms["strong_bce"] + 2 * (terms["clip_consistency"] + terms["frame_consistency"])
    }


def test_fit_traces_the_step_once(monkeypatch):
    model, traced = make_model(), []
    step = model.train_step
    monkeypatch.setattr(model, "train_step", lambda data: traced.append(0) or step(data))
    model.fit(*make_data(), batch_size=8, epochs=2, verbose=0)
    assert len(traced) == 1


# --- the moving average


def test_the_teacher_starts_as_the_student():
    model = make_model()
    assert_equal(values(model.teacher.weights), values(model.student.weights))


def test_what_the_student_was_given_before_compile_the_teacher_has_too():
    model = MeanTeacher(make_student())
    for weight in model.student.weights:
        weight.assign(weight + 1)
    model.compile("sgd")
    assert_equal(values(model.teacher.weights), values(model.student.weights))
    model.train_on_batch(*make_data())
    trained = values(model.teacher.weights)
    model.compile("sgd")  # not a new start
    assert_equal(values(model.teacher.weights), trained)


def test_after_k_steps_the_teacher_is_the_moving_average_of_the_student():
    model = make_model(decay=0.9)
    x, y = make_data()
    expected = values(model.teacher.weights)
    for _ in range(5):
        model.train_on_batch(x, y)
        expected = [0.9 * old + 0.1 * new for old, new in zip(expected, values(model.student.weights), strict=True)]
    averaged = [weight.trainable for weight in model.student.weights]
    assert sum(averaged) == 6
    for weight, value, trainable in zip(model.teacher.weights, expected, averaged, strict=True):
        if trainable:
            np.testing.assert_allclose(weight.numpy(), value, rtol=1e-5, atol=1e-7)
    assert int(model.steps) == 5


def test_the_decay_of_the_paper_is_the_default():
    model = make_model()
    x, y = make_data()
    start = values(model.teacher.trainable_weights or [model.teacher.get_layer("map").kernel])
    model.train_on_batch(x, y)
    student = model.student.get_layer("map").kernel.numpy()
    np.testing.assert_allclose(
        model.teacher.get_layer("map").kernel.numpy(), 0.999 * start[0] + 0.001 * student, rtol=1e-6, atol=1e-9
    )


def test_the_teacher_keeps_batch_statistics_of_its_own():
    model = make_model(student=make_student(dropout=0.0), decay=0.5)
    x, y = make_data()
    expected = np.zeros(8)
    for _ in range(3):
        mapped = (
            x["audio"] @ model.teacher.get_layer("map").kernel.numpy() + model.teacher.get_layer("map").bias.numpy()
        )
        expected = 0.9 * expected + 0.1 * mapped.mean(axis=(0, 1))
        model.train_on_batch(x, y)
    teacher, student = (part.get_layer("norm").moving_mean.numpy() for part in (model.teacher, model.student))
    np.testing.assert_allclose(teacher, expected, rtol=1e-5, atol=1e-7)
    assert np.abs(teacher - student).max() > 1e-4


def test_student_and_teacher_draw_dropout_of_their_own():
    model = make_model()
    x, _ = make_data()
    assert np.any(model.student(x, training=True)["frame"] != model.teacher(x, training=True)["frame"])
    np.testing.assert_array_equal(model.student(x)["frame"], model.teacher(x)["frame"])


def make_fusing_student(dtype="float32"):
    """A detector of two encoders whose weight, and what lacks its video, is drawn once per batch, without dropout."""
    return MultiEncoder(
        classes=CLASSES, visual_dims={"video": DIM}, bands=8, max_frames=16, blocks=1, dim=8, key_dim=4, hidden_dim=8,
        dropout=0.0, filters=(4, 8), pooling=((2, 2), (2, 4)), dtype=dtype, gate=True, modality_dropout=0.5,
        absent_token=True,
    )  # fmt: skip


def make_fusing_data(size=6):
    random = np.random.default_rng(4)
    x = {
        "audio": random.normal(-40, 20, (size, 16, 8)).astype("float32"),
        "video": random.standard_normal((size, 4, DIM)).astype("float32"),
        "video_mask": np.repeat([[True]] * (size - 1) + [[False]], 4, axis=1),
    }
    y = {
        "supervision": np.zeros(size, "int8"),
        "clip": np.zeros((size, CLASSES), "float32"),
        "frame": np.zeros((size, 4, CLASSES), "float32"),
    }
    return x, y


@pytest.mark.parametrize("policy", ["float32", *(pytest.param(name, marks=pytest.mark.slow) for name in HALF)])
def test_a_teacher_equal_to_the_student_agrees_exactly_whatever_fusion_weight_is_drawn(policy):
    """One draw per batch, the same for student and teacher (2022, section 3.2.2)."""
    model = make_model(keras.optimizers.SGD(0.0), student=make_fusing_student(policy))
    x, y = make_fusing_data()
    batches = tf.data.Dataset.from_tensors((x, y)).repeat()
    draws = []
    for _ in range(2):
        history = model.fit(batches, steps_per_epoch=2, shuffle=False, verbose=0).history
        assert history["clip_consistency"] == history["frame_consistency"] == [0.0]
        draws.append(np.asarray(model.student(x, training=True)["clip"], "float32"))  # moves the student's generator on
    assert np.any(draws[0] != draws[1])


def test_half_precision_takes_inputs_as_they_are_until_the_student_casts_them():
    model = make_model(student=make_fusing_student("mixed_float16"))
    x, _ = make_fusing_data()
    x["audio"] += 1e5  # beyond float16, until standardised
    model.student.adapt([x])
    found, expected = model(x), model.student(x)
    assert np.isfinite(found["frame"]).all()
    assert_equal(found.values(), expected.values())


@pytest.mark.slow
def test_compiled_by_xla_they_agree_within_rounding():
    model = make_model(student=make_fusing_student())
    model.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    x, y = make_fusing_data()
    history = model.fit(tf.data.Dataset.from_tensors((x, y)), shuffle=False, verbose=0).history
    # XLA may order the sums of the two passes otherwise: some 50 roundings of 2^-24 each, squared, are 1e-11. Weights
    # that differ by 0.1 give 1e-5 and more.
    assert max(history["clip_consistency"][0], history["frame_consistency"][0]) < 1e-10


def test_noise_of_a_given_seed_is_not_the_same_for_both():
    audio = keras.Input((FRAMES, DIM), name="audio")
    frame = keras.layers.Dense(CLASSES, activation="sigmoid")(Dropout(0.5, seed=7)(audio))
    clip = keras.layers.GlobalAveragePooling1D()(frame)
    model = make_model(student=SequenceModel(inputs={"audio": audio}, outputs={"clip": clip, "frame": frame}))
    x, _ = make_data()
    assert np.any(model.student(x, training=True)["frame"] != model.teacher(x, training=True)["frame"])


# --- gradients


def test_the_consistency_reaches_the_student_only():
    model = make_model()
    x, y = make_data([0] * 8)
    student, teacher = gradients(model, x, y)
    assert all(np.abs(gradient).max() > 0 for gradient in student if gradient is not None)
    assert sum(gradient is not None for gradient in student) == len(student)
    assert teacher == [None] * len(teacher)


def test_only_the_student_is_trainable_also_after_loading_and_thawing():
    model = make_model()
    assert_equal([w.path for w in model.trainable_variables], [w.path for w in model.student.trainable_variables])
    model.trainable = True
    model.compile("sgd")
    assert len(model.trainable_variables) == len(model.student.trainable_variables) == 6


def test_unlabelled_clips_give_no_cross_entropy_whatever_their_targets():
    x, y = make_data([0] * 8)
    y["clip"][:] = np.nan
    y["frame"][:] = np.nan
    model = make_model()
    history = model.fit(x, y, batch_size=8, verbose=0).history
    assert history["weak_bce"] == [0.0]
    assert history["strong_bce"] == [0.0]
    assert history["loss"][0] == pytest.approx(2 * (history["clip_consistency"][0] + history["frame_consistency"][0]))
    assert all(np.isfinite(weight).all() for weight in values(model.weights))


def test_without_consistency_an_unlabelled_clip_has_no_gradient():
    x, y = make_data([0] * 8)
    student, _ = gradients(make_model(consistency_weight=0.0), x, y)
    assert all(not np.any(gradient) for gradient in student)


def test_clip_targets_of_strong_clips_and_frame_targets_of_weak_ones_count_for_nothing():
    x, y = make_data([2, 1, 2, 1])
    other = {**y, "clip": y["clip"].copy(), "frame": y["frame"].copy()}
    other["clip"][[0, 2]] = np.nan
    other["frame"][[1, 3]] = np.nan
    model = make_model(student=make_student(dropout=0.0))
    for one, two in zip(gradients(model, x, y)[0], gradients(model, x, other)[0], strict=True):
        np.testing.assert_array_equal(one, two)


def test_padded_frames_count_in_no_loss():
    x, y = make_data()
    y["frame_mask"] = np.arange(FRAMES) < np.array([6, 4, 3, 2, 6, 1, 6, 5])[:, None]
    model = make_model(student=make_student(dropout=0.0))
    changed = {**y, "frame": np.where(y["frame_mask"][:, :, None], y["frame"], np.nan)}
    assert_equal(gradients(model, x, y)[0], gradients(model, x, changed)[0])
    other = {k: v for k, v in y.items() if k != "frame_mask"}
    assert np.any(gradients(model, x, y)[0][0] != gradients(model, x, other)[0][0])


# --- history


@pytest.mark.parametrize("masked", [False, True])
def test_history_holds_every_term_and_each_is_right(masked):
    x, y = make_data()
    if masked:
        y["frame_mask"] = np.arange(FRAMES) < np.array([6, 4, 3, 2, 6, 1, 6, 5])[:, None]
    # Without dropout the pass can be repeated by hand; a teacher that differs makes the terms non-zero.
    model = make_model(student=make_student(dropout=0.0))
    for weight in model.teacher.weights:
        weight.assign(weight + 0.1)
    expected = by_hand(model, x, y, training=True)
    history = model.fit(x, y, batch_size=8, verbose=0).history
    assert history.keys() == expected.keys() == {*TERMS, "loss"}
    for name, value in expected.items():
        assert value > 1e-4
        assert history[name] == pytest.approx([value], rel=1e-4)


def test_validation_has_the_same_terms_weighted_by_what_is_labelled():
    x, y = make_data([2, 1, 0, 1, 1, 0, 0, 2, 0, 1])
    model = make_model()
    for weight in model.teacher.weights:
        weight.assign(weight + 0.1)
    model.optimizer.learning_rate.assign(0.0)
    expected = by_hand(model, x, y, training=False)
    found = model.evaluate(x, y, batch_size=3, return_dict=True, verbose=0)  # 3 + 3 + 3 + 1 clips
    for name in TERMS:
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    history = model.fit(x, y, validation_data=(x, y), batch_size=5, verbose=0).history
    assert {f"val_{name}" for name in (*TERMS, "loss")} < history.keys()


def test_epochs_do_not_bleed_into_each_other():
    x, y = make_data()
    model = make_model(keras.optimizers.SGD(0.0), student=make_student(dropout=0.0), decay=1.0)
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert history["strong_bce"][0] == pytest.approx(history["strong_bce"][1], rel=1e-6)


def test_penalties_of_the_student_join_the_loss_once():
    audio = keras.Input((FRAMES, DIM), name="audio")
    frame = keras.layers.Dense(CLASSES, "sigmoid", kernel_regularizer=keras.regularizers.L2(0.1))(audio)
    clip = keras.layers.GlobalAveragePooling1D()(frame)
    model = make_model(student=SequenceModel(inputs={"audio": audio}, outputs={"clip": clip, "frame": frame}))
    x, y = make_data([0] * 4)
    penalty = 0.1 * np.sum(model.student.trainable_weights[0].numpy() ** 2)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([penalty], rel=1e-5)


# --- use as an ordinary Keras model


def test_predictions_are_the_students():
    model = make_model()
    x, y = make_data()
    model.fit(x, y, verbose=0, epochs=3)
    mask = np.ones((8, FRAMES), bool)
    for name in ("clip", "frame"):
        expected = model.student.predict({**x, "audio_mask": mask}, verbose=0)[name]
        np.testing.assert_array_equal(model.predict({**x, "audio_mask": mask}, verbose=0)[name], expected)
        assert np.any(model.teacher.predict({**x, "audio_mask": mask}, verbose=0)[name] != expected)


def test_student_and_teacher_are_saved_and_go_on_as_they_were(tmp_path):
    model = make_model(RectifiedAdam(1e-2), decay=0.9, consistency_weight=1.5)
    x, y = make_data()
    model.fit(x, y, epochs=7, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (again.decay, again.consistency_weight, int(again.steps)) == (0.9, 1.5, 7)
    assert np.any(model.student.get_weights()[0] != model.teacher.get_weights()[0])
    assert_equal(again.student.get_weights(), model.student.get_weights())
    assert_equal(again.teacher.get_weights(), model.teacher.get_weights())
    assert len(again.trainable_variables) == 6
    first, second = (part.fit(x, y, epochs=3, verbose=0, shuffle=False) for part in (model, again))
    assert first.history == second.history
    assert_equal(values(again.variables), values(model.variables))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_with_float32_losses(policy):
    model = make_model(RectifiedAdam(1e-2), student=make_student(policy, dropout=0))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    x, y = make_data()
    history = model.fit(x, y, batch_size=8, epochs=12, verbose=0).history
    assert all(np.isfinite(history["loss"]))
    assert history["strong_bce"][-1] < history["strong_bce"][0]
    assert {weight.dtype for weight in model.teacher.weights} == {"float32"}


def test_a_student_with_a_frozen_layer_keeps_it_frozen_in_the_teacher():
    student = make_student()
    student.get_layer("map").trainable = False
    model = make_model(student=student, decay=0.5)
    before = values(student.get_layer("map").weights)
    x, y = make_data()
    model.fit(x, y, verbose=0)
    assert_equal(values(model.teacher.get_layer("map").weights), before)
    assert_equal(values(student.get_layer("map").weights), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: {k: v for k, v in y.items() if k != "supervision"}, "the targets lack 'supervision'"),
        (lambda y: {**y, "frame": y["frame"][:, :4]}, r"targets 'frame' have shape \(8, 4, 3\), the model gives"),
        (lambda y: {**y, "clip": y["frame"]}, r"targets 'clip' have shape \(8, 6, 3\), the model gives"),
        (lambda y: {**y, "frame_mask": np.ones((8, 1), bool)}, r"targets 'frame_mask' have shape \(8, 1\), the model"),
    ],
)
def test_bad_targets_are_named(change, message):
    x, y = make_data()
    with pytest.raises(ValueError, match=message):
        make_model().train_on_batch(x, change(y))


def test_bad_arguments_are_named():
    x, y = make_data()
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\], not 1.5"):
        MeanTeacher(make_student(), decay=1.5)
    with pytest.raises(ValueError, match="MeanTeacher has losses of its own"):
        MeanTeacher(make_student()).compile("sgd", "mse")
    with pytest.raises(ValueError, match="takes no sample_weight"):
        make_model().train_on_batch(x, y, sample_weight=np.ones(8))


# --- resuming

EPOCHS, STEPS = 4, 5


def train(folder, *, kill_at=None):
    """Trains on three streams with mixup, dropout and a schedule; a process that is killed goes on when run again."""
    x, y = make_data([2] * 7 + [1] * 5 + [0] * 11)
    x, y = ({name: tf.constant(value) for name, value in part.items()} for part in (x, y))
    kinds = ["strong"] * 7 + ["weak"] * 5 + ["unlabelled"] * 11

    def load(indices):
        return tuple({name: tf.gather(value, indices) for name, value in part.items()} for part in (x, y))

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    model = make_model(RectifiedAdam(keras.optimizers.schedules.ExponentialDecay(1e-2, 20, 0.1)), decay=0.9)
    sampler = StreamSampler(kinds, counts={"strong": 2, "weak": 2, "unlabelled": 4}, seed=3)
    batches = stream_dataset(sampler, load, steps=EPOCHS * STEPS, start_step=model.steps, augment=mixup)
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    model.fit(batches, steps_per_epoch=STEPS, epochs=EPOCHS, callbacks=[backup, Kill()], shuffle=False, verbose=0)
    model.save(folder / "model.keras")
    return model


def test_a_killed_run_that_goes_on_equals_one_that_was_never_interrupted(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = train(tmp_path / "whole")
    root = Path(__file__).parents[2]
    code = "import sys, pathlib, test_mean_teacher as t; t.train(pathlib.Path(sys.argv[1]), kill_at=int(sys.argv[2]))"
    path = os.pathsep.join([str(root), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, str(tmp_path / "killed"), "13"]  # inside the third epoch
    assert subprocess.run(command, env=environment, capture_output=True).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model.keras").exists()
    resumed = train(tmp_path / "killed")
    assert int(resumed.steps) == int(whole.steps) == EPOCHS * STEPS
    assert_equal(values(resumed.variables), values(whole.variables))
    assert_equal(values(resumed.optimizer.variables), values(whole.optimizer.variables))


def test_the_batch_of_the_first_step_is_the_first():
    x, y = ({name: tf.constant(value) for name, value in part.items()} for part in make_data([2] * 4 + [1] * 4))
    sampler = StreamSampler(["strong"] * 4 + ["weak"] * 4, counts={"strong": 2, "weak": 2}, seed=3)

    def load(indices):
        return tuple({name: tf.gather(value, indices) for name, value in part.items()} for part in (x, y))

    def losses(start_step):
        keras.utils.set_random_seed(1)
        model = make_model(student=make_student(dropout=0))
        batches = stream_dataset(sampler, load, steps=4, start_step=model.steps if start_step is None else start_step)
        return model.fit(batches, steps_per_epoch=1, epochs=3, shuffle=False, verbose=0).history["loss"]

    # The variable is read while the first step is under way, which counts itself only when its batch has come.
    for _ in range(3):
        assert losses(None) == losses(0) != losses(1)


def test_the_weight_of_the_consistency_terms_rises():
    x, y = make_data()
    whole = make_model(student=make_student(dropout=0), decay=0.0)
    rising = make_model(student=make_student(dropout=0), decay=0.0, ramp_steps=4)
    for step in range(6):
        for model in (whole, rising):
            model.student.set_weights([np.full(w.shape, 0.1) for w in model.student.get_weights()])
            model.teacher.set_weights([np.full(w.shape, 0.2) for w in model.teacher.get_weights()])
        logs = [model.train_on_batch(x, y, return_dict=True) for model in (whole, rising)]
        for model in (whole, rising):
            model.reset_metrics()
        known = logs[0]["weak_bce"] + logs[0]["strong_bce"]
        consistency = logs[0]["loss"] - known
        assert consistency > 0
        share = np.exp(-5 * (1 - min(step / 4, 1)) ** 2)
        np.testing.assert_allclose(logs[1]["loss"] - known, share * consistency, rtol=1e-3, atol=1e-6)


def test_the_moving_average_begins_as_a_plain_one():
    x, y = make_data()
    model = make_model(decay=0.9, warm_up=True)
    for step in range(12):
        before = [np.array(w) for w in model.teacher.weights]
        model.train_on_batch(x, y)
        share = max(1 - 0.9, 1 / (step + 2))
        for student, teacher, old in zip(model.student.weights, model.teacher.weights, before, strict=True):
            if student.trainable:
                np.testing.assert_allclose(teacher, old - share * (old - np.array(student)), rtol=1e-4, atol=1e-6)


def test_strong_clips_are_half_of_the_clips_loss_where_there_are_weak_ones():
    for supervision in ((2, 1, 0, 2), (2, 2, 0, 2), (1, 1, 0, 0)):
        x, y = make_data(supervision)
        model = make_model(student=make_student(dropout=0), consistency_weight=0.0, strong_clips=True)
        logs = model.test_on_batch(x, y, return_dict=True)
        found = model.predict(x, verbose=0)["clip"]
        loss = -(y["clip"] * np.log(found) + (1 - y["clip"]) * np.log(1 - found)).mean(axis=1)
        kinds = [loss[np.array(supervision) == code].mean() for code in (1, 2) if code in supervision]
        strong = logs["strong_bce"] if 2 in supervision else 0.0
        np.testing.assert_allclose(logs["loss"], np.mean(kinds) + strong, rtol=1e-5)


def test_the_teacher_alone_hears_noise():
    x, y = make_data()
    terms = {}
    for noise in (None, 0.0):
        keras.utils.set_random_seed(0)
        model = make_model(student=make_student(dropout=0), teacher_noise=noise)
        logs = model.train_on_batch(x, y, return_dict=True)
        terms[noise] = {name: logs[name] for name in TERMS}
        assert (noise is None) == (model.noisy_levels is None)
    assert terms[None]["frame_consistency"] == 0 < terms[0.0]["frame_consistency"]
    assert terms[None]["strong_bce"] == terms[0.0]["strong_bce"]
    again = type(model).from_config(model.get_config())
    assert (again.teacher_noise, again.ramp_steps, again.warm_up, again.strong_clips) == (0.0, None, False, False)


def test_noise_goes_by_the_sound_and_not_by_its_padding():
    keras.utils.set_random_seed(0)
    small = {"filters": (2, 4), "pooling": ((2, 2), (2, 4)), "blocks": 1, "num_heads": 1, "key_dim": 2, "hidden_dim": 4}
    student = MultiEncoder(classes=2, bands=8, max_frames=16, dim=4, dropout=0.0, **small)
    random, mask, terms = np.random.default_rng(0), np.arange(16) < [[16], [8]], []
    sound = random.uniform(-60, -40, (2, 16, 8)).astype("float32")
    y = {"supervision": np.zeros(2, "int32"), "clip": np.zeros((2, 2)), "frame": np.zeros((2, 4, 2))}
    for padding in (-60.0, 0.0, np.nan):
        model = MeanTeacher(student, teacher_noise=30.0)
        model.noisy_levels.seed_generator.state.assign([1, 0])
        found = student({"audio": sound, "audio_mask": mask})
        heard = np.where(mask[..., None], sound, np.float32(padding))
        x = {"audio": tf.constant(heard), "audio_mask": tf.constant(mask)}
        terms.append(float(model.compute_loss(x, y, found)))
    assert terms[0] == terms[1] == terms[2] > 0


@pytest.mark.parametrize("before", [True, False])
def test_batch_normalisation_that_is_frozen_in_the_student_is_frozen_in_the_teacher(before):
    student = make_student(dropout=0.0)
    (norm,) = (layer for layer in student.layers if isinstance(layer, keras.layers.BatchNormalization))
    if before:
        norm.trainable = False
    model = MeanTeacher(student)
    norm.trainable = False
    model.compile(keras.optimizers.SGD(0.1))
    # The same weights and no noise: before the first update both say the same.
    history = model.fit(*make_data(), batch_size=8, epochs=1, verbose=0).history
    assert history["clip_consistency"] == history["frame_consistency"] == [0.0]
    norm.trainable = True
    model.compile(keras.optimizers.SGD(0.1))
    assert all(layer.trainable for layer in model.teacher._flatten_layers())
    assert not model.teacher.trainable_weights


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"class_weight": {0: 1.0}}, "MeanTeacher takes no class_weight"),
        ({"y": None}, "needs targets y, a dict of supervision, clip and frame"),
        ({"y": np.zeros((8, 3))}, "needs targets y, a dict of supervision, clip and frame"),
    ],
)
def test_what_fit_cannot_use_is_named(arguments, words):
    x, y = make_data()
    with pytest.raises(ValueError, match=words):
        make_model().fit(x, **{"y": y, "batch_size": 8, "verbose": 0, **arguments})
