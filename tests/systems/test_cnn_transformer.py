"""The two systems of Kong et al. (2020), which differ in the middle alone."""

import numpy as np
import pytest
from plain_formulas import (
    attend,
    both_ways,
    convolve,
    double,
    layer_norm,
    normalize,
    pool,
    shaken,
    sigmoid,
    sinusoids,
    weighted_mean,
)

from avkeras.systems import find_system

TRUNK = 9 * (64 + 64**2 + 64 * 128 + 128**2 + 128 * 256 + 256**2 + 256 * 512 + 512**2)
NORMS = 2 * 64 + 2 * 2 * (64 + 128 + 256 + 512)
HEADS = 2 * (512 * 17 + 17)
ATTENTION = 4 * (512 * 512 + 512)
SIZES = {
    ("cnn_gru", False): 2 * 3 * (512 * 256 + 256 * 256 + 2 * 256),
    ("cnn_transformer", True): ATTENTION,
    ("cnn_transformer", False): ATTENTION + 2 * (512 * 512 + 512) + 2 * 2 * 512,
}


def by_hand(model, levels, *, name, published_code, head):
    weights = double(model)
    x = normalize(levels, weights["band_norm"], 1e-5)[..., None]
    for block in range(1, 5):
        for number in (1, 2):
            x = convolve(x, weights[f"convolution_{block}_{number}"][0])
            x = np.maximum(normalize(x, weights[f"norm_{block}_{number}"], 1e-5), 0)
        if block < 4:
            x = pool(x, (2, 2), np.mean)
    x = x.mean(axis=2)
    if name == "cnn_gru":
        x = both_ways(x, model.get_layer("recurrent"), reset_after=True)
    elif published_code:
        x = np.maximum(attend(x, model.get_layer("attention_heads")), 0)
    else:
        x = x + sinusoids(np.arange(x.shape[1]), x.shape[2])
        block = model.get_layer("transformer")
        x = layer_norm(x + attend(x, block.self_attention), *block.self_attention_norm.get_weights())
        (kernel, bias), (other, offset) = (
            part.get_weights() for part in (block.feed_forward.hidden_map, block.feed_forward.output_map)
        )
        x = layer_norm(x + np.maximum(x @ kernel + bias, 0) @ other + offset, *block.feed_forward_norm.get_weights())
    kernel, bias = weights["step_probabilities"]
    steps = sigmoid(x @ kernel + bias)
    if head != "att":
        return steps.max(axis=1) if head == "max" else steps.mean(axis=1)
    kernel, bias = weights["attention"]
    return weighted_mean(steps, np.exp(np.clip(x @ kernel + bias, -10, 10)) + 1e-6)


def options(name, published_code):
    return {} if name == "cnn_gru" else {"published_code": published_code}


@pytest.mark.parametrize(("name", "published_code"), list(SIZES))
def test_its_size_is_that_of_the_published_model(name, published_code):
    system = find_system(name)
    model = system.build(classes=17, **system.options | options(name, published_code))
    size = TRUNK + NORMS + HEADS + SIZES[name, published_code]
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == size
    assert published_code or system.parameters == size
    assert model.get_layer("steps").output.shape == (None, 125, 512)
    assert model.output.shape == (None, 17)


@pytest.mark.parametrize(
    ("name", "published_code", "head"),
    [*((*case, "att") for case in SIZES), ("cnn_gru", False, "max"), ("cnn_gru", False, "avg")],
)
def test_its_answer_is_that_of_the_formula(name, published_code, head):
    model = shaken(find_system(name).build(classes=5, filters=2, head=head, **options(name, published_code)))
    levels = np.random.default_rng(1).normal(-30, 15, (2, 1001, 64)).astype("float32")
    wanted = by_hand(model, levels.astype("float64"), name=name, published_code=published_code, head=head)
    np.testing.assert_allclose(model.predict({"audio": levels}, verbose=0), wanted, atol=3e-5)


def test_pairs_are_mixed_in_training_and_the_answering_model_has_the_same_weights(tmp_path):
    system = find_system("cnn_gru")
    trained = shaken(system.build(classes=3, filters=2, training=True))
    answering = system.build(classes=3, filters=2)
    trained.save_weights(tmp_path / "w.weights.h5")
    answering.load_weights(tmp_path / "w.weights.h5")
    levels = np.random.default_rng(1).normal(size=(4, 1001, 64)).astype("float32")
    np.testing.assert_array_equal(trained({"audio": levels}), answering({"audio": levels}))
    ratios = np.array([0.25, 1.0], "float32")
    mixed = trained({"audio": levels, "mixup_ratios": ratios})
    # The normalisation of the bands comes before the mixing, and is affine.
    by_hand = np.stack([0.25 * levels[0] + 0.75 * levels[1], levels[2]])
    np.testing.assert_allclose(mixed, answering({"audio": by_hand}), atol=1e-5)


def test_its_rate_falls_for_the_last_two_sevenths():
    optimizer = find_system("cnn_gru").optimizer(learning_rate=1e-3, epochs=70, steps_per_epoch=1000)
    assert optimizer.amsgrad
    rates = []
    for step in (0, 50_000, 50_001, 69_999):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4], rtol=1e-6)
