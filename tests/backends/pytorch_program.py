"""What PyTorch computes otherwise than the formula says, beside its plain form, for `test_pytorch_forms.py`.

`KERAS_BACKEND=torch python pytorch_program.py`: exits with 1 at the first difference.
"""

import keras
import numpy as np
import torch
from keras import ops

from avkeras.layers import kernels, loops
from avkeras.layers.dropout import Dropout
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.training.adam import Adam
from avkeras.training.moving_average import move, move_all
from avkeras.training.rectified_adam import RectifiedAdam

RANDOM = np.random.default_rng(0)
STEPS = 12  # the rectified ones begin with the sixth


def draw(*shape):
    return torch.tensor(RANDOM.normal(size=shape).astype("float32"))


def with_gradient(function, x):
    """The outputs of a function, and the gradient of a sum of the first one's values, each weighted otherwise."""
    x = x.clone().requires_grad_()
    found = function(x)
    found = found if isinstance(found, tuple) else (found,)
    (found[0] * torch.arange(found[0].numel()).reshape(found[0].shape).sin()).sum().backward()
    return [*(each.detach().numpy() for each in found), x.grad.numpy()]


def check_forms(fast, plain, x):
    for one, other in zip(with_gradient(fast, x), with_gradient(plain, x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)  # sums of some hundred float32 values


def check_batch_norm():
    gamma, beta = draw(6), draw(6)
    for shape in ((5, 7, 6), (2, 9, 4, 6), (1, 1, 6)):
        x = 3 * draw(*shape) + 2
        check_forms(
            lambda x: kernels.batch_norm(x, gamma, beta, 1e-3),
            lambda x: kernels.plain_batch_norm(x, gamma, beta, 1e-3),
            x,
        )
    half = kernels.batch_norm(draw(5, 7, 6).to(torch.bfloat16), gamma, beta, 1e-3)
    assert [each.dtype for each in half] == [torch.bfloat16, torch.float32, torch.float32]


def check_average_pool():
    for pool in ((2, 2), (1, 2), (1, 1)):
        check_forms(
            lambda x, pool=pool: kernels.average_pool(x, pool),
            lambda x, pool=pool: ops.average_pool(x, pool, pool, data_format="channels_last"),
            draw(3, 8, 4, 5),
        )


def check_padding():
    x, mask = draw(3, 8, 4, 5), torch.arange(8) < torch.tensor([[8], [3], [0]])
    expected = np.where(mask[:, :, None, None], x, 0)
    np.testing.assert_array_equal(loops.silence(x, mask), expected)
    np.testing.assert_array_equal(loops.silence(x, torch.ones_like(mask)), x)
    np.testing.assert_array_equal(kernels.clean(x[:, :, 0], mask), expected[:, :, 0])
    np.testing.assert_array_equal(kernels.clean(x[:, :, 0], torch.ones_like(mask)), x[:, :, 0])


def check_export():
    dims = {"audio": 6, "video": 7}
    small = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8}
    model = AudiovisualTransformer(classes=3, dims=dims, **small)
    clips = {name: draw(2, 5, dim) for name, dim in dims.items()}
    clips["video_mask"] = torch.arange(5) < torch.tensor([[5], [2]])
    exported = torch.export.export(model.eval(), (clips,), strict=False).module()
    np.testing.assert_allclose(exported(clips).detach(), model(clips).detach(), rtol=1e-5, atol=1e-6)


def check_dropout():
    size = 1 << 18
    for rate in (0.01, 0.1, 0.5, 0.9):
        layer = Dropout(rate, seed=3)
        masks = [layer(torch.ones(size), training=True).numpy() for _ in range(4)]
        again = Dropout(rate, seed=3)
        for mask in masks:
            np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-4)
            np.testing.assert_array_equal(again(torch.ones(size), training=True), mask)
        dropped = np.mean([mask == 0 for mask in masks])
        assert abs(dropped - rate) < 5 * np.sqrt(rate * (1 - rate) / (4 * size)), (rate, dropped)
        for lag in (1, 2, 3, 4, 128, size // 4, size // 2):
            along = np.corrcoef(masks[0][:-lag], masks[0][lag:])[0, 1]
            assert abs(along) * np.sqrt(size - lag) < 5, (rate, lag, along)
        across = np.corrcoef(masks)[np.triu_indices(4, 1)]
        assert np.abs(across).max() * np.sqrt(size) < 5, across
    for shape in ((), (1,), (3, 5, 7), (2, 0, 4)):
        assert tuple(Dropout(0.5)(torch.ones(shape), training=True).shape) == shape
    x = draw(50, 31).requires_grad_()
    output = Dropout(0.3, seed=0)(x, training=True)
    output.sum().backward()
    np.testing.assert_allclose(x.grad, (output / x).detach(), rtol=1e-5)


def trained(optimizer, variables):
    gradients = np.random.default_rng(1)
    for _ in range(STEPS):
        given = [torch.tensor(gradients.normal(size=tuple(variable.shape)).astype("float32")) for variable in variables]
        optimizer.apply(given, variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def check_optimizers():
    start = [RANDOM.normal(size=shape).astype("float32") for shape in ((), (3,), (4, 5))]

    def variables():
        return [keras.Variable(value) for value in start]

    for options in ({}, {"amsgrad": True}, {"weight_decay": 0.01, "clipnorm": 1.0}):
        found, expected = (trained(kind(1e-2, **options), variables()) for kind in (Adam, keras.optimizers.Adam))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    weights = [torch.tensor(value, requires_grad=True) for value in start]
    reference, gradients = torch.optim.RAdam(weights, lr=1e-2), np.random.default_rng(1)
    for _ in range(STEPS):
        for weight in weights:
            weight.grad = torch.tensor(gradients.normal(size=tuple(weight.shape)).astype("float32"))
        reference.step()
    for one, other in zip(trained(RectifiedAdam(1e-2), variables()), weights, strict=True):
        np.testing.assert_allclose(one, other.detach(), rtol=1e-5, atol=1e-6)


def check_moving_average():
    values = [keras.Variable(draw(*shape)) for shape in ((), (3,), (4, 5))]
    together, alone = ([keras.Variable(draw(*value.shape) * 0 + 2) for value in values] for _ in range(2))
    for share in (0.25, torch.tensor(0.001)):
        move_all(together, values, share)
        for average, value in zip(alone, values, strict=True):
            move(average, value, share)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)
    move_all([], [], 0.5)


if __name__ == "__main__":
    for name, check in list(globals().items()):
        if name.startswith("check_") and name != "check_forms":
            check()
