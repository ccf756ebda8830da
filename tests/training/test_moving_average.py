import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.training.moving_average import move


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("compiled", [False, True])
def test_an_average_moves_by_its_share(dtype, compiled):
    """Half precision keeps three digits, float32 seven."""
    start, goal = np.array([1.0, -2.0, 0.5]), np.array([3.0, -2.0, 0.0])
    average, value = keras.Variable(start, dtype=dtype), keras.Variable(goal, dtype=dtype)

    def step():
        move(average, value, 0.3)

    for _ in range(2):
        (tf.function(step) if compiled else step)()
    tolerance = {"float16": 4e-3, "float32": 1e-6, "float64": 1e-7}[dtype]  # 0.3 may be rounded to float32
    np.testing.assert_allclose(average, goal + 0.49 * (start - goal), rtol=tolerance, atol=tolerance)


def test_a_step_of_a_replica_moves_it_too():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        average, value = keras.Variable([1.0]), keras.Variable([2.0])
        move(average, value, 0.5)
    assert average.numpy().tolist() == [1.5]
