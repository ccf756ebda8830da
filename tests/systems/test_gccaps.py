import numpy as np
from plain_formulas import convolve, double, normalize, pool, shaken, sigmoid, softmax, weighted_mean

from avkeras.systems import find_system

SMALL = {"filters": 3, "capsules": 2, "capsule_dim": 4, "class_dim": 5}


def squash(s):
    squares = (s**2).sum(axis=-1, keepdims=True)
    return squares / (1 + squares) * s / np.sqrt(squares + 1e-7)


def by_hand(weights, levels, *, rounds=3):
    mean, deviation = weights["standardization"]
    x = ((levels - mean) / deviation)[..., None]
    for block in (1, 2, 3):
        for number in (1, 2):
            kernel, bias, *norm = weights[f"gated_{block}_{number}"]
            x = convolve(x, kernel, bias)
            half = x.shape[-1] // 2
            x = normalize(x[..., :half] * sigmoid(x[..., half:]), norm)
        x = pool(x, (2, 2))
    x = np.maximum(convolve(x, *weights["primary"], strides=(1, 2)), 0)
    primary = normalize(squash(x.reshape(len(x), 30, -1, 4)), weights["primary_norm"])
    (maps,) = weights["class_capsules"]
    votes = np.einsum("jidk,btik->btjid", maps, primary)
    agreement = np.zeros(votes.shape[:-1])
    for _ in range(rounds):
        shares = softmax(agreement, axis=2)  # over the classes
        capsules = squash((shares[..., None] * votes).sum(axis=3))
        agreement = agreement + (capsules[:, :, :, None] * votes).sum(axis=-1)
    steps = np.sqrt((capsules**2).sum(axis=-1) + 1e-7)
    kernel, bias = weights["attention"]
    return weighted_mean(steps, sigmoid(primary.reshape(len(x), 30, -1) @ kernel + bias))


def test_its_size_is_that_of_the_published_model():
    system = find_system("gccaps")
    model = system.build(classes=17, **system.options)
    blocks = (9 * 1 * 128 + 128 + 128) + 5 * (9 * 64 * 128 + 128 + 128)
    primary = 9 * 64 * 64 + 64 + 2 * 4
    classes, attention = 17 * 64 * 8 * 4, 256 * 17 + 17
    assert blocks + primary + classes + attention == system.parameters
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == system.parameters
    shapes = {name: model.get_layer(name).output.shape[1:] for name in ("pool_3", "primary", "primary_capsules")}
    assert shapes == {"pool_3": (30, 8, 64), "primary": (30, 4, 64), "primary_capsules": (30, 64, 4)}
    assert model.get_layer("class_capsules").output.shape[1:] == (30, 17, 8)
    assert model.output.shape == (None, 17)


def test_its_answer_is_that_of_the_formula():
    system = find_system("gccaps")
    for rounds in (1, 3):
        model = shaken(system.build(classes=6, **system.options | SMALL | {"rounds": rounds}))
        model.get_layer("class_capsules").kernel.assign(np.random.default_rng(2).normal(0, 0.7, (6, 8, 5, 4)))
        levels = np.random.default_rng(1).normal(-40, 20, (2, 240, 64)).astype("float32")
        wanted = by_hand(double(model), levels.astype("float64"), rounds=rounds)
        assert np.ptp(wanted) > 0.1
        np.testing.assert_allclose(model.predict({"audio": levels}, verbose=0), wanted, atol=2e-5)


def test_what_is_masked_counts_as_zero_levels():
    system = find_system("gccaps")
    model = system.build(classes=6, **system.options | SMALL)
    levels = np.random.default_rng(1).normal(-40, 20, (1, 240, 64)).astype("float32")
    mask = np.arange(240)[None] < 100
    soiled = np.where(mask[..., None], levels, np.nan)
    padded = np.where(mask[..., None], levels, 0)
    np.testing.assert_array_equal(model({"audio": soiled, "audio_mask": mask}), model({"audio": padded}))


def test_its_rate_falls_before_every_second_epoch():
    optimizer = find_system("gccaps").optimizer(learning_rate=1e-3, epochs=30, steps_per_epoch=10)
    rates = [float(optimizer.learning_rate)]
    for step in (19, 20, 39, 40, 299):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [9e-4, 9e-4, 8.1e-4, 8.1e-4, 7.29e-4, 1e-3 * 0.9**15], rtol=1e-6)
