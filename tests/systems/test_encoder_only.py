"""Conformer and transformer of Miyazaki et al. (2020)."""

import keras
import numpy as np
import pytest
from plain_formulas import (
    attend,
    double,
    frontend,
    layer_norm,
    normalize,
    shaken,
    sigmoid,
    sinusoids,
    two_maps,
)

from avkeras.systems import find_system
from avkeras.systems.encoder_only import POOLING

SMALL = {"filters": 2, "dim": 8, "heads": 2, "hidden_dim": 6, "blocks": 2}
MAPS = (16, 32, 64, 128, 128, 128, 128)
INPUT = sum(9 * a * b + b for a, b in zip((1, *MAPS), MAPS, strict=False)) + sum(2 * one for one in MAPS)
INPUT += 128 + 128 * 144 + 144 + 2 * 144
ATTENTION = 4 * (144 * 144 + 144)
FORWARD = 144 * 576 + 576 + 576 * 144 + 144


def swish(x):
    return x * sigmoid(x)


def conformer(x, block):
    """x + half a feed-forward, + attention, + convolution, + half a feed-forward, normalised."""
    x = x + 0.5 * two_maps(normed(x, block.first_feed_forward_norm), block.first_feed_forward, swish)
    y, layer = normed(x, block.self_attention_norm), block.self_attention
    names = {weight.name: np.asarray(weight, np.float64) for weight in layer.weights}
    steps, width = x.shape[1], layer.key_dim
    table = np.einsum("hkd,rd->hrk", names["distance_kernel"], sinusoids(np.arange(-steps + 1, steps), x.shape[2]))
    query = np.einsum("btd,hdk->bhtk", y, names["query_kernel"]) + names["distance_bias"][:, None]
    places = np.arange(steps)[:, None] - np.arange(steps) + steps - 1
    distances = np.einsum("bhik,hijk->bhij", query, table[:, places]) / np.sqrt(width)
    x = x + attend(y, layer, distances)
    module = block.convolution
    kernel, bias = module.gated_map.get_weights()
    y = normed(x, block.convolution_norm) @ kernel + bias
    half = y.shape[-1] // 2
    y = y[..., :half] * sigmoid(y[..., half:])
    (taps,) = module.depthwise.get_weights()
    y = np.pad(y, ((0, 0), (3, 3), (0, 0)))
    y = sum(y[:, tap : tap + steps] * taps[tap, :, 0] for tap in range(7))
    kernel, bias = module.output_map.get_weights()
    x = x + swish(normalize(y, module.batch_norm.get_weights(), 1e-5)) @ kernel + bias
    x = x + 0.5 * two_maps(normed(x, block.second_feed_forward_norm), block.second_feed_forward, swish)
    return normed(x, block.output_norm)


def transformer(x, block):
    x = x + attend(normed(x, block.self_attention_norm), block.self_attention)
    return x + two_maps(normed(x, block.feed_forward_norm), block.feed_forward, lambda y: np.maximum(y, 0))


def normed(x, layer):
    return layer_norm(x, *layer.get_weights(), epsilon=1e-5)


def by_hand(model, levels, name):
    weights = double(model)
    mean, deviation = weights["standardization"]
    x = frontend((levels - mean) / deviation, model.get_layer("frontend"), POOLING, lambda z, _: np.maximum(z, 0))
    token = np.broadcast_to(weights["class_token"][0], (len(x), 1, x.shape[2]))
    x = np.concatenate([token, x], axis=1)
    kernel, bias = weights["input_map"]
    x = np.maximum(normed(x @ kernel + bias, model.get_layer("input_norm")), 0) * np.sqrt(8)
    x = x + sinusoids(np.arange(x.shape[1]), 8)
    for number in (1, 2):
        x = (conformer if name == "conformer_encoder" else transformer)(x, model.get_layer(f"block_{number}"))
    if name == "transformer_encoder":
        x = normed(x, model.get_layer("final_norm"))
    kernel, bias = weights["probabilities"]
    found = sigmoid(x @ kernel + bias)
    return found[:, 0], found[:, 1:]


@pytest.mark.parametrize("name", ["conformer_encoder", "transformer_encoder"])
def test_its_size_is_that_of_the_specification(name):
    system = find_system(name)
    model = system.build(classes=10, **system.options)
    if name == "conformer_encoder":
        convolution = 144 * 288 + 288 + 7 * 144 + 2 * 144 + 144 * 144 + 144
        # Map of the sinusoids, and the bias v; biases of keys and values change nothing and are counted.
        block = 2 * FORWARD + ATTENTION + 144 * 144 + 144 + convolution + 5 * 2 * 144
        size = INPUT + 3 * block + 144 * 10 + 10
    else:
        size = INPUT + 3 * (FORWARD + ATTENTION + 2 * 2 * 144) + 2 * 144 + 144 * 10 + 10
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == size == system.parameters
    assert model.output["frame"].shape == (None, 62, 10)
    assert model.output["clip"].shape == (None, 10)
    assert model.get_layer("class_token").output[0].shape == (None, 63, 128)


@pytest.mark.parametrize("name", ["conformer_encoder", "transformer_encoder"])
def test_its_answer_is_that_of_the_formula(name):
    model = shaken(find_system(name).build(classes=4, **SMALL))
    levels = np.random.default_rng(1).normal(-40, 20, (2, 496, 64)).astype("float32")
    mask = np.arange(496) < np.array([[496], [240]])
    found = model.predict({"audio": np.where(mask[..., None], levels, np.nan), "audio_mask": mask}, verbose=0)
    for place, frames in enumerate((496, 240)):
        clip, vectors = by_hand(model, levels[place : place + 1, :frames].astype("float64"), name)
        np.testing.assert_allclose(found["clip"][place], clip[0], atol=3e-5)
        np.testing.assert_allclose(found["frame"][place, : frames // 8], vectors[0], atol=3e-5)
        assert not found["frame"][place, frames // 8 :].any()


def test_the_codes_shift_is_another_model_with_the_same_weights():
    system = find_system("conformer_encoder")
    models = []
    for code in (False, True):
        keras.utils.set_random_seed(0)
        models.append(shaken(system.build(classes=4, **SMALL, published_code=code)))
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    levels = np.random.default_rng(1).normal(-40, 20, (1, 496, 64)).astype("float32")
    first, second = (model.predict({"audio": levels}, verbose=0)["frame"] for model in models)
    assert np.abs(first - second).max() > 1e-3


def test_the_optimizer_is_the_published_one():
    optimizer = find_system("conformer_encoder").optimizer(learning_rate=1e-3, epochs=120, steps_per_epoch=250)
    config = optimizer.get_config()
    wanted = {"beta_1": 0.9, "beta_2": 0.98, "epsilon": 1e-9, "weight_decay": 1e-6, "global_clipnorm": 5.0}
    assert {name: config[name] for name in wanted} == wanted
    rates = []
    for step in (0, 9_999, 10_000, 20_000):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-5], rtol=1e-5)
    teacher = find_system("conformer_encoder").teacher(epochs=120, steps_per_epoch=250)
    assert teacher == {"ramp_steps": 10_000, "warm_up": True, "strong_clips": True}
