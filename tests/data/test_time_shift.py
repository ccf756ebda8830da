import numpy as np
import pytest
import tensorflow as tf

from avkeras.data.time_shift import time_shift

RANDOM = np.random.default_rng(0)
AUDIO = RANDOM.normal(size=(200, 40, 2)).astype("float32")
TARGETS = RANDOM.integers(0, 2, (200, 5, 3)).astype("float32")
MASK = np.ones((200, 40), bool)
MASK[:50, 30:] = False


def shifted(**options):
    x, y = {"audio": tf.constant(AUDIO), "audio_mask": tf.constant(MASK)}, {"frame": tf.constant(TARGETS)}
    x, y = time_shift(x, {**y, "clip": y["frame"][:, 0]}, **options)
    return {name: value.numpy() for name, value in (x | y).items()}


def test_sound_and_targets_move_together_by_whole_vectors():
    found = shifted(seed=(1, 2), deviation=12.0)
    moved = 0
    for clip in range(200):
        shifts = [s for s in range(5) if np.array_equal(found["audio"][clip], np.roll(AUDIO[clip], 8 * s, axis=0))]
        assert len(shifts) == 1
        np.testing.assert_array_equal(found["frame"][clip], np.roll(TARGETS[clip], shifts[0], axis=0))
        moved += shifts[0] != 0
        assert clip >= 50 or shifts == [0]  # padded clips stay
    assert 30 < moved < 75  # half of 150, some of them by less than half a vector
    np.testing.assert_array_equal(found["clip"], TARGETS[:, 0])
    np.testing.assert_array_equal(found["audio_mask"], MASK)


def test_a_seed_says_how():
    first, again, other = (shifted(seed=(1, step), deviation=30.0)["audio"] for step in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(shifted(seed=(1, 4), rate=0.0)["audio"], AUDIO)


def test_what_would_fall_out_of_step_is_refused():
    x = {"audio": tf.constant(AUDIO), "vgg16": tf.constant(AUDIO)}
    with pytest.raises(ValueError, match="'vgg16' would no longer be in step"):
        time_shift(x, {"frame": tf.constant(TARGETS)}, seed=(1, 2))
