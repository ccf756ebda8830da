import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.class_token import ClassToken
from avkeras.layers.length_limit import LengthLimit

FRAMES = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
MASK = np.array([[True] * 3 + [False] * 2, [False] * 5])


def test_class_token_harness():
    for place, other in (("first", "last"), ("last", "first")):
        alternatives = {"initializer": "ones", "place": other}
        check_layer(ClassToken, {"place": place}, {"inputs": FRAMES, "padding_mask": MASK}, alternatives=alternatives)


def test_the_token_comes_first_and_is_real():
    layer = ClassToken()
    sequence, mask = layer(FRAMES, MASK)
    np.testing.assert_array_equal(sequence[:, 0], [layer.token.numpy()] * 2)
    np.testing.assert_array_equal(sequence[:, 1:], FRAMES)
    np.testing.assert_array_equal(mask, [[True] * 4 + [False] * 2, [True] + [False] * 5])


def test_the_last_token_stands_behind_the_last_real_frame():
    layer = ClassToken(place="last")
    mask = np.array([[True, False, True, False, False], [False] * 5])
    sequence, found = layer(FRAMES, mask)
    token = layer.token.numpy()
    np.testing.assert_array_equal(sequence[0], [*FRAMES[0, :3], token, FRAMES[0, 4], np.zeros(6)])
    np.testing.assert_array_equal(sequence[1], [token, *FRAMES[1, 1:], np.zeros(6)])
    np.testing.assert_array_equal(found, [[True, False, True, True, False, False], [True] + [False] * 5])
    sequence, found = layer(FRAMES)
    np.testing.assert_array_equal(sequence[:, 5], [token] * 2)
    assert np.all(found)


def test_refuses_another_place():
    with pytest.raises(ValueError, match="place must be one of first, last, not 'middle'"):
        ClassToken(place="middle")


def test_length_limit_passes_on_what_fits():
    config = {"modality": "audio", "max_frames": 5}
    frames = FRAMES
    layer = LengthLimit(**config)
    np.testing.assert_array_equal(layer(frames), frames)
    assert LengthLimit.from_config(layer.get_config()).get_config() == layer.get_config()


def test_length_limit_refuses_longer_sequences_at_once_and_in_a_graph():
    layer = LengthLimit(modality="audio", max_frames=4)
    message = "audio has .* frames, the model takes at most 4: cut the clip into windows"
    with pytest.raises(ValueError, match=message):
        layer(FRAMES)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 6))])
    np.testing.assert_array_equal(graph(FRAMES[:, :4]), FRAMES[:, :4])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        graph(FRAMES)
