import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.nearest_frames import NearestFrames

RANDOM = np.random.default_rng(0)
INPUTS = {
    "inputs": RANDOM.normal(size=(3, 5, 4)).astype("float32"),
    "like": RANDOM.normal(size=(3, 8, 2)).astype("float32"),
    "padding_mask": np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool),
}


def test_harness():
    check_layer(NearestFrames, {}, INPUTS, alternatives={"absent_token": True})


@pytest.mark.parametrize(("frames", "places"), [(5, 8), (8, 5), (1, 3), (64, 64), (11, 64)])
def test_takes_the_real_frame_that_is_nearest_in_time(frames, places):
    values = RANDOM.normal(size=(2, frames, 3)).astype("float32")
    mask = np.ones((2, frames), bool)
    mask[1] = RANDOM.uniform(size=frames) < 0.5
    mask[1, frames // 2] = True
    found = NearestFrames()(values, np.zeros((2, places, 1)), mask).numpy()
    for clip in range(2):
        for place in range(places):
            wanted = min(
                np.flatnonzero(mask[clip]), key=lambda frame: abs((2 * frame + 1) * places - (2 * place + 1) * frames)
            )
            np.testing.assert_array_equal(found[clip, place], values[clip, wanted])


def test_padding_and_absent_sequences_get_no_gradient():
    layer = NearestFrames(absent_token=True)
    values = tf.constant(INPUTS["inputs"])
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = layer(values, INPUTS["like"], INPUTS["padding_mask"])
        loss = tf.reduce_sum(found**2)
    gradient = tape.gradient(loss, values).numpy()
    np.testing.assert_array_equal((gradient != 0).any(axis=2), INPUTS["padding_mask"])
    np.testing.assert_array_equal(found[2], np.broadcast_to(layer.token, (8, 4)))
    assert not NearestFrames()(values, INPUTS["like"], INPUTS["padding_mask"])[2].numpy().any()
