"""RectifiedAdam against a stored trajectory of torch.optim.RAdam.

`tests/data/rectified_adam/trajectory.npz` was made once with PyTorch 2.13 on a CPU. A float32 parameter of shape
(3, 4), drawn from `numpy.random.default_rng(7)`, was given 200 gradients `standard_normal * 10 ** uniform(-4, 1)` (one
exponent per element; element (0, 0) is always 0). The optimizers were `torch.optim.RAdam(lr=1e-3)` alone ("constant"),
with `LambdaLR(lambda step: 0.1 ** (step / 10000))` ("scheduled") and with
`weight_decay=0.9765625, decoupled_weight_decay=True` ("decayed": rate x decay is nearly a power of two, which float32
holds well). Each array holds the parameter after every step.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.training.rectified_adam import RectifiedAdam

REFERENCE = np.load(Path(__file__).parents[1] / "data" / "rectified_adam" / "trajectory.npz")
# 200 steps round a parameter of up to 2 once each, PyTorch's and ours: half a unit in the last place, 2**-24 of it.
ROUNDING = 200 * 2 * 2.0**-24
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(1e-3, 10000, 0.1)


def trajectory(optimizer, *, dtype="float32", start=None, gradients=REFERENCE["gradients"]):
    variable = keras.Variable(REFERENCE["start"] if start is None else start, dtype=dtype)
    optimizer.build([variable])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient])

    path = []
    for gradient in gradients:
        step(tf.constant(gradient, dtype))
        path.append(keras.ops.convert_to_numpy(variable))
    return np.stack(path)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("constant", lambda: RectifiedAdam(1e-3)),
        ("scheduled", lambda: RectifiedAdam(SCHEDULE)),
        ("decayed", lambda: RectifiedAdam(1e-3, weight_decay=0.9765625)),
    ],
)
def test_is_torch_radam_over_200_steps(name, optimizer):
    np.testing.assert_allclose(trajectory(optimizer()), REFERENCE[name], rtol=0, atol=ROUNDING)


def test_the_operations_of_keras_give_the_same_as_the_fused_one():
    # float64 variables take the path that other backends take
    np.testing.assert_allclose(
        trajectory(RectifiedAdam(1e-3), dtype="float64"), REFERENCE["constant"], rtol=0, atol=ROUNDING
    )


def test_the_reference_tells_rectified_from_plain_adam():
    plain = trajectory(keras.optimizers.Adam(1e-3, epsilon=1e-8))
    assert np.abs(plain - REFERENCE["constant"]).max() > 1e-2


def test_the_first_five_steps_are_momentum():
    gradients = np.full((6, 1), 3.0, "float32")
    path = trajectory(RectifiedAdam(0.1), start=np.zeros(1, "float32"), gradients=gradients)[:, 0]
    steps = np.diff(path, prepend=0)
    np.testing.assert_allclose(steps[:5], -0.3, rtol=1e-5)
    assert abs(steps[5]) < 0.01  # 0.1 x the rectification term of step 6, whatever the size of the gradient


def test_rates_follow_the_schedule_of_the_paper():
    optimizer = RectifiedAdam(SCHEDULE)
    for step in (0, 1, 10000, 25000):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(1e-3 * 0.1 ** (step / 10000), rel=1e-5)


def test_every_value_survives_saving(tmp_path):
    optimizer = RectifiedAdam(SCHEDULE, beta_1=0.8, beta_2=0.99, epsilon=1e-6, weight_decay=0.1)
    again = RectifiedAdam.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    for name in ("beta_1", "beta_2", "epsilon"):
        changed = RectifiedAdam(1e-3, **{name: {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1.0}[name]})
        assert np.abs(trajectory(changed) - REFERENCE["constant"]).max() > 1e-3


def test_a_loaded_model_goes_on_as_if_it_had_not_stopped(tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(RectifiedAdam(1e-2), "mse")
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    for _ in range(7):
        model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for _ in range(3):
        model.train_on_batch(x, y)
        again.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradients_of_an_embedding_are_understood():
    model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(5, 3)])
    model.compile(RectifiedAdam(1e-2), "mse")
    before = model.get_weights()[0]
    model.train_on_batch(np.array([[1, 3]]), np.ones((1, 2, 3), "float32"))
    changed = np.any(model.get_weights()[0] != before, axis=1)
    np.testing.assert_array_equal(changed, [False, True, False, True, False])


def test_mixed_float16_steps_are_skipped_and_counted_by_the_loss_scale():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_float16")])
    optimizer = keras.optimizers.LossScaleOptimizer(RectifiedAdam(1e-2), initial_scale=2.0**40)
    model.compile(optimizer, "mse", jit_compile=False)
    before = model.get_weights()[0]
    model.train_on_batch(np.ones((4, 3), "float32"), np.zeros((4, 2), "float32"))
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert int(optimizer.iterations) == 0
    optimizer.dynamic_scale.assign(2.0**10)
    model.train_on_batch(np.ones((4, 3), "float32"), np.zeros((4, 2), "float32"))
    assert int(optimizer.iterations) == 1
    assert np.abs(model.get_weights()[0] - before).max() > 0


@pytest.mark.parametrize("decays", [{"beta_1": 0.0}, {"beta_2": 0.0}])
def test_decays_may_be_0(decays):
    torch = pytest.importorskip("torch")
    start, gradients = np.linspace(-1, 1, 5), np.random.default_rng(0).normal(size=(12, 5))
    ours = keras.Variable(start, dtype="float32")
    optimizer = RectifiedAdam(0.01, **decays)
    theirs = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    betas = (decays.get("beta_1", 0.9), decays.get("beta_2", 0.999))
    reference = torch.optim.RAdam([theirs], lr=0.01, betas=betas)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, "float32")], [ours])
        theirs.grad = torch.tensor(gradient, dtype=torch.float32)
        reference.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_decays_outside_0_and_1_are_refused():
    with pytest.raises(ValueError, match=r"beta_2 must be in \[0, 1\), not 1.0"):
        RectifiedAdam(beta_2=1.0)
