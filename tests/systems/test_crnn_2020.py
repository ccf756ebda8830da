"""The baselines of DCASE 2020 and 2021 task 4, which differ in their levels."""

import numpy as np
import pytest
from plain_formulas import both_ways, double, frontend, shaken, sigmoid, softmax, weighted_mean

from avkeras.systems import find_system
from avkeras.systems.crnn_2020 import POOLING

SMALL = {"filters": 2, "units": 3}


def by_hand(model, levels, name):
    weights = double(model)
    if name == "crnn_2020":
        mean, deviation = weights["standardization"]
        x = (levels - mean) / deviation
    else:
        low, high = (function(levels, axis=(1, 2), keepdims=True) for function in (np.min, np.max))
        x = (levels - low) / (high - low)
    layer = model.get_layer("frontend")

    def gate(z, index):
        kernel, bias = layer.gates[index].get_weights()
        return (z @ kernel + bias) * sigmoid(z)

    x = frontend(x, layer, POOLING, gate)
    for number in (1, 2):
        x = both_ways(x, model.get_layer(f"recurrent_{number}"), reset_after=True)
    kernel, bias = weights["frame_probabilities"]
    frames = sigmoid(x @ kernel + bias)
    kernel, bias = weights["attention"]
    return frames, weighted_mean(frames, softmax(x @ kernel + bias))


@pytest.mark.parametrize("name", ["crnn_2020", "crnn_2021"])
def test_its_size_is_that_of_the_published_model(name):
    system = find_system(name)
    model = system.build(classes=10, **system.options)
    maps = (16, 32, 64, 128, 128, 128, 128)
    convolutions = sum(9 * one * other + other for one, other in zip((1, *maps), maps, strict=False))
    norms, gates = sum(2 * one for one in maps), sum(one * one + one for one in maps)
    recurrent = sum(2 * 3 * (width * 128 + 128 * 128 + 2 * 128) for width in (128, 256))
    assert convolutions + norms + gates + recurrent + 2 * (256 * 10 + 10) == system.parameters
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == system.parameters
    assert model.output["frame"].shape == (None, 157, 10)
    assert model.output["clip"].shape == (None, 10)
    assert [norm.momentum for norm in model.get_layer("frontend").norms] == [0.01] * 7


@pytest.mark.parametrize("name", ["crnn_2020", "crnn_2021"])
def test_its_answer_is_that_of_the_formula(name):
    front_end = find_system(name).front_end
    model = shaken(find_system(name).build(classes=4, **SMALL))
    # 600 frames: each vector is of four.
    levels = np.random.default_rng(1).normal(-40, 20, (2, front_end.frames, 128)).astype("float32")
    mask = np.broadcast_to(np.arange(front_end.frames) < 600, (2, front_end.frames))
    found = model.predict({"audio": np.where(mask[..., None], levels, np.nan), "audio_mask": mask}, verbose=0)
    frames, clip = by_hand(model, levels[:, :600].astype("float64"), name)
    np.testing.assert_allclose(found["frame"][:, :150], frames, atol=2e-5)
    np.testing.assert_allclose(found["clip"], clip, atol=2e-5)
    assert not found["frame"][:, 150:].any()


def test_rate_and_teacher_rise_in_a_quarter_of_the_epochs():
    system = find_system("crnn_2020")
    optimizer = system.optimizer(learning_rate=1e-3, epochs=200, steps_per_epoch=100)
    rates = []
    for step in (0, 2500, 5000, 19_999):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [1e-3 * np.exp(-5), 1e-3 * np.exp(-1.25), 1e-3, 1e-3], rtol=1e-5)
    teacher = system.teacher(epochs=200, steps_per_epoch=100)
    assert teacher == {"ramp_steps": 5000, "warm_up": True, "teacher_noise": 30.0}
