import numpy as np
import pytest
from plain_formulas import both_ways, convolve, double, normalize, pool, shaken, sigmoid, softmax, weighted_mean

from avkeras.errors import AvkerasError
from avkeras.systems import find_system

SMALL = {"filters": 3, "last_filters": 5, "units": 4}


def by_hand(model, levels, *, head, published_code):
    weights = double(model)
    mean, deviation = weights["standardization"]
    x = ((levels - mean) / deviation)[..., None]
    frames = 2 if head == "mean" else 1
    for number in range(1, 8):
        kernel, *norm = weights[f"gated_{number}"]
        x = normalize(convolve(x, kernel), norm)
        half = x.shape[-1] // 2
        x = x[..., :half] * sigmoid(x[..., half:])
        if number in (2, 4, 6):
            x = pool(x, (frames, 2))
    x = pool(x, (1, 2))
    x = pool(np.maximum(convolve(x, *weights["convolution"]), 0), (1, 4))[:, :, 0]
    linear = both_ways(x, model.get_layer("recurrent_linear"), lambda value: value, reset_after=False)
    x = linear * both_ways(x, model.get_layer("recurrent_sigmoid"), sigmoid, reset_after=False)
    kernel, bias = weights["step_probabilities"]
    steps = sigmoid(x @ kernel + bias)
    if head == "mean":
        return steps.mean(axis=1)
    kernel, bias = weights["attention"]
    return weighted_mean(steps, softmax((steps if published_code else x) @ kernel + bias))  # over the classes


def test_its_size_is_that_of_the_published_model():
    system = find_system("gated_crnn")
    model = system.build(classes=17, **system.options)
    gated = 9 * 1 * 128 + 6 * 9 * 64 * 128 + 7 * 2 * 128
    recurrent = 2 * 2 * 3 * (256 * 128 + 128 * 128 + 128)
    assert gated + 9 * 64 * 256 + 256 + recurrent + 256 * 17 + 17 == system.parameters
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == system.parameters
    assert model.get_layer("pool_6").output.shape == (None, 30, 8, 64)
    assert model.get_layer("recurrent").output.shape == (None, 30, 256)
    attention = system.build(classes=17, **system.options | {"head": "attention"})
    assert attention.get_layer("recurrent").output.shape == (None, 240, 256)
    assert attention.output.shape == model.output.shape == (None, 17)


@pytest.mark.parametrize(("head", "published_code"), [("mean", False), ("attention", False), ("attention", True)])
def test_its_answer_is_that_of_the_formula(head, published_code):
    system = find_system("gated_crnn")
    model = shaken(system.build(classes=6, **SMALL, head=head, published_code=published_code))
    levels = np.random.default_rng(1).normal(-8, 4, (2, 240, 64)).astype("float32")
    wanted = by_hand(model, levels.astype("float64"), head=head, published_code=published_code)
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(model.predict({"audio": levels}, verbose=0), wanted, atol=2e-5)


def test_a_head_that_there_is_not_is_refused():
    with pytest.raises(AvkerasError, match="options: 'head=max': mean or attention is wanted"):
        find_system("gated_crnn").build(classes=2, head="max")
