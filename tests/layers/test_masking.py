import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.masking import Aggregation, CleanInput, StandIn

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.normal(size=(3, 4, 6)).astype("float32")
MASK = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
OTHER_MASK = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]], bool)


def test_clean_input_harness():
    other = {"least_frames": FRAMES.shape[1] + 1}
    check_layer(CleanInput, {}, {"inputs": FRAMES, "padding_mask": MASK}, alternatives=other)
    check_layer(CleanInput, {}, FRAMES, alternatives=other)


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e30])
def test_clean_input_keeps_junk_from_output_and_gradient(junk):
    soiled = np.where(MASK[..., None], FRAMES, np.float32(junk))
    inputs = tf.constant(soiled)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        clean, mask, present = CleanInput()(inputs, MASK)
        loss = tf.reduce_sum(clean**2)
    gradient = tape.gradient(loss, inputs).numpy()
    np.testing.assert_array_equal(clean, np.where(MASK[..., None], FRAMES, 0))
    np.testing.assert_array_equal(gradient, np.where(MASK[..., None], 2 * FRAMES, 0))
    np.testing.assert_array_equal(mask, MASK)
    np.testing.assert_array_equal(present, [True, False, True])


def test_clean_input_without_a_mask_takes_all_frames():
    clean, mask, present = CleanInput()(FRAMES)
    np.testing.assert_array_equal(clean, FRAMES)
    assert np.all(mask)
    assert np.all(present)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_clean_input_takes_masks_of_numbers(dtype):
    clean, mask, _ = CleanInput()(FRAMES, MASK.astype(dtype))
    np.testing.assert_array_equal(mask, MASK)
    np.testing.assert_array_equal(clean, np.where(MASK[..., None], FRAMES, 0))


def stand_in_inputs():
    return {"inputs": FRAMES, "padding_mask": MASK, "present": MASK.any(axis=1), "other_mask": OTHER_MASK}


def test_stand_in_harness():
    check_layer(StandIn, {}, stand_in_inputs(), alternatives={"initializer": "ones"})


def test_stand_in_fills_only_absent_sequences_to_the_length_of_the_other():
    layer = StandIn()
    filled, mask = layer(**stand_in_inputs())
    np.testing.assert_array_equal(filled[1], np.tile(layer.vector, (4, 1)))
    np.testing.assert_array_equal(filled.numpy()[[0, 2]], FRAMES[[0, 2]])
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]])


def test_stand_in_gradient_comes_only_from_absent_sequences():
    layer = StandIn()
    inputs = {name: tf.constant(value) for name, value in stand_in_inputs().items()}
    weights = RANDOM.normal(size=FRAMES.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs["inputs"])
        loss = tf.reduce_sum(layer(**inputs)[0] * weights)
    to_inputs, to_vector = tape.gradient(loss, [inputs["inputs"], layer.vector.value])
    np.testing.assert_array_equal(to_inputs, weights * MASK.any(axis=1)[:, None, None])
    np.testing.assert_allclose(to_vector, weights[1].sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("method", ["mean", "max"])
def test_aggregation_harness(method):
    probabilities = RANDOM.uniform(size=(3, 4, 6)).astype("float32")
    alternatives = {"method": "max" if method == "mean" else "mean"}
    check_layer(
        Aggregation, {"method": method}, {"inputs": probabilities, "padding_mask": MASK}, alternatives=alternatives
    )
    check_layer(Aggregation, {"method": method}, probabilities, alternatives=alternatives)


@pytest.mark.parametrize("method", ["mean", "max"])
def test_aggregation_pools_the_real_frames_only(method):
    probabilities = tf.constant(np.where(MASK[..., None], RANDOM.uniform(size=(3, 4, 6)), np.nan).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        pooled = Aggregation(method=method)(probabilities, MASK)
        loss = tf.reduce_sum(pooled)
    pool = np.mean if method == "mean" else np.max
    np.testing.assert_allclose(pooled[0], pool(probabilities[0, :3], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(pooled[1], np.zeros(6))
    np.testing.assert_allclose(pooled[2], pool(probabilities[2], axis=0), rtol=1e-6)
    gradient = tape.gradient(loss, probabilities).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[~MASK] == 0).all()
    np.testing.assert_allclose(gradient.sum(axis=1), [[1] * 6, [0] * 6, [1] * 6], rtol=1e-6)


def test_aggregation_refuses_an_unknown_method():
    with pytest.raises(ValueError, match="method must be 'mean' or 'max', not 'median'"):
        Aggregation(method="median")


def test_mask_layers_pass_float16_through():
    clean, _, _ = CleanInput(dtype="mixed_float16")(FRAMES, MASK)
    assert keras.backend.standardize_dtype(clean.dtype) == "float16"
