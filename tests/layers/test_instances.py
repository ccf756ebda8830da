import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.instances import InstancePooling, SplitRegions

RANDOM = np.random.default_rng(0)
SCORES = {
    "inputs": RANDOM.normal(size=(3, 6, 4)).astype("float32"),
    "places": RANDOM.normal(size=(3, 6, 4)).astype("float32"),
    "padding_mask": np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]], bool),
}
FRAMES = {
    "inputs": RANDOM.normal(size=(2, 3, 12)).astype("float32"),
    "padding_mask": np.array([[1, 0, 1], [0, 0, 0]], bool),
}


def test_harness():
    check_layer(InstancePooling, {}, SCORES, alternatives={"epsilon": 0.5})
    check_layer(SplitRegions, {"regions": 3}, FRAMES, alternatives={"regions": 4}, call=split)


def split(layer, inputs, training=False):
    """Calls the layer; its mask is no number that a loss could be of."""
    return layer(**inputs)[0]


def test_scores_are_weighed_by_places_over_the_real_instances():
    found = InstancePooling(epsilon=0.0)(**SCORES).numpy()
    for clip in (0, 1):
        real = SCORES["padding_mask"][clip]
        scores, places = (SCORES[name][clip, real].astype("float64") for name in ("inputs", "places"))
        shares = np.exp(places) / np.exp(places).sum(axis=0)
        total = (scores * shares).sum(axis=0)
        np.testing.assert_allclose(found[clip], total / np.linalg.norm(total), rtol=1e-5)
    assert not InstancePooling()(**SCORES)[2].numpy().any()


def test_absent_clips_and_padding_get_no_gradient():
    inputs, places = (tf.constant(SCORES[name]) for name in ("inputs", "places"))
    with tf.GradientTape() as tape:
        tape.watch((inputs, places))
        loss = tf.reduce_sum(InstancePooling()(inputs, places, SCORES["padding_mask"])[:, 0])
    for gradient in tape.gradient(loss, (inputs, places)):
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal((gradient.numpy() != 0).any(axis=2), SCORES["padding_mask"])


def test_regions_become_instances_one_after_the_other():
    instances, mask = SplitRegions(regions=3)(**FRAMES)
    for frame in range(3):
        for region in range(3):
            np.testing.assert_array_equal(
                instances[:, 3 * frame + region], FRAMES["inputs"][:, frame, 4 * region : 4 * region + 4]
            )
    np.testing.assert_array_equal(mask, np.repeat(FRAMES["padding_mask"], 3, axis=1))
    with pytest.raises(ValueError, match="12 values are not those of 5 regions"):
        SplitRegions(regions=5)(**FRAMES)


def test_half_precision_holds_the_squares_of_large_scores():
    pooled = InstancePooling(dtype="mixed_float16")(np.full((1, 1000, 2), 300.0), np.full((1, 1000, 2), 9.0))
    assert pooled.dtype == tf.float16
    np.testing.assert_allclose(pooled, np.full((1, 2), np.sqrt(0.5)), rtol=1e-3)
