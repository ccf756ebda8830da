import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.training.adam import Adam

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(64, 6)).astype("float32")
TARGETS = RANDOM.normal(size=(64, 3)).astype("float32")


def make_model(optimizer, *, dtype="float32"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="tanh", dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.Dense(3, dtype="float32"),
        ]
    )
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def train(model, steps, start=0):
    for step in range(start, start + steps):
        order = np.random.default_rng(step).permutation(64)[:16]
        model.train_on_batch(INPUTS[order], TARGETS[order])
    return model


def rounding(steps):
    """What float32 may lose in so many steps: some eight roundings each, of a variable or mean and of its update."""
    return steps * 8 * 2.0**-24


def assert_equal(first, second, tolerance):
    pairs = list(zip(first.get_weights(), second.get_weights(), strict=True))
    pairs += list(zip(first.optimizer.variables, second.optimizer.variables, strict=True))
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def updated(optimizer, steps=50):
    """Variables and state after given gradients: a model's own would feed each rounding back into the next step."""
    random = np.random.default_rng(1)
    shapes = ((6, 8), (8,))
    variables = [keras.Variable(random.uniform(-1, 1, shape).astype("float32")) for shape in shapes]
    optimizer.build(variables)
    step = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    for _ in range(steps):
        gradients = [random.normal(size=shape) * 10 ** random.uniform(-3, 1, shape) for shape in shapes]
        step([tf.constant(gradient, tf.float32) for gradient in gradients])
    return [keras.ops.convert_to_numpy(variable) for variable in (*variables, *optimizer.variables)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3},
        {"learning_rate": 0.01, "weight_decay": 0.1},
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"use_ema": True, "ema_momentum": 0.9},
        {"gradient_accumulation_steps": 2},
        {"amsgrad": True},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)},
    ],
    ids=lambda options: ",".join(options) or "defaults",
)
def test_equals_keras_over_50_steps(options):
    ours, reference = (updated(kind(**options)) for kind in (Adam, keras.optimizers.Adam))
    start = updated(Adam(**options), steps=0)
    assert np.abs(ours[0] - start[0]).max() > 100 * rounding(50)  # beside which a wrong term would show
    for one, other in zip(ours, reference, strict=True):
        np.testing.assert_allclose(one, other, rtol=rounding(50), atol=rounding(50))


def test_sparse_gradients_are_left_to_keras():
    found = []
    for kind in (Adam, keras.optimizers.Adam):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,), dtype="int32"), keras.layers.Embedding(10, 4)])
        model.compile(kind(0.1), "mse", jit_compile=False)
        for _ in range(5):
            model.train_on_batch(np.array([[1, 1, 7]]), np.ones((1, 3, 4)))
        found.append(model)
    assert_equal(*found, rounding(5))


@pytest.mark.parametrize("compiled", [True, False])
def test_saved_and_loaded_state_goes_on_alike(tmp_path, compiled):
    model = train(make_model(Adam(0.01, beta_1=0.8)), 20)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded.optimizer) is Adam
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_equal(loaded, model, 0)
    loaded.run_eagerly = model.run_eagerly = not compiled
    # The same program twice; threads may still order a sum otherwise, and the steps feed that back.
    assert_equal(train(loaded, 10, 20), train(model, 10, 20), 10 * rounding(10))


def test_float16_loss_scaling():
    """A step whose scaled gradient overflows is left out and halves the scale; the others are Adam's."""
    optimizer = keras.optimizers.LossScaleOptimizer(Adam(0.01), initial_scale=2.0**15)
    model = make_model(optimizer, dtype="mixed_float16")
    before = model.get_weights()
    train(model, 20)
    assert optimizer.inner_optimizer.iterations == 20
    assert optimizer.dynamic_scale == 2.0**15
    reference = train(make_model(keras.optimizers.Adam(0.01)), 20)
    for old, new, wanted in zip(before, model.get_weights(), reference.get_weights(), strict=True):
        assert np.any(old != new)
        np.testing.assert_allclose(new, wanted, atol=0.02)
    stopped = model.trainable_variables[0].numpy()
    model.train_on_batch(INPUTS[:16], np.full((16, 3), 1e30, "float32"))
    np.testing.assert_array_equal(model.trainable_variables[0], stopped)
    assert optimizer.inner_optimizer.iterations == 20
    assert optimizer.dynamic_scale == 2.0**14
    train(model, 1)
    assert optimizer.inner_optimizer.iterations == 21
    assert np.any(model.trainable_variables[0].numpy() != stopped)


def test_bfloat16_moves_as_float32_does():
    """There 0.999 is 1: the fused operation made weights of thousands, and Keras' Adam makes no step at all."""
    ends = []
    for dtype in ("bfloat16", "float32"):
        variable, optimizer = keras.Variable([0.5, -0.5], dtype=dtype), Adam(1e-2)
        optimizer.build([variable])
        for gradient in ([1.0, 2.0], [1.5, 1.0], [2.0, 0.5], [1.0, 1.0]):
            optimizer.apply([tf.constant(gradient, dtype)], [variable])
        ends.append(keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32")))
    # Four steps of 0.01, after each of which a variable of 0.5 is rounded to 2**-9 at most, and the step to 1 %.
    np.testing.assert_allclose(ends[0], ends[1], atol=4 * 2.0**-9)
    assert (np.abs(ends[0] - [0.5, -0.5]) > 0.02).all()


def test_one_fused_operation_per_variable():
    model = make_model(Adam())
    step = tf.function(lambda gradients: model.optimizer.apply(gradients, model.trainable_variables))
    graph = step.get_concrete_function([tf.TensorSpec(v.shape) for v in model.trainable_variables]).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(model.trainable_variables)
