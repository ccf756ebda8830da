import time

import tensorflow as tf

from avkeras.data.untuned import without_tuning


def seconds_to_drop_an_iterator(dataset):
    iterator = iter(dataset)
    step = tf.function(lambda iterator: next(iterator))
    start = time.perf_counter()
    while time.perf_counter() - start < 1.4:
        step(iterator)
    start = time.perf_counter()
    del iterator
    return time.perf_counter() - start


def test_no_iterator_has_a_tuning_thread():
    inner = tf.data.Dataset.range(9).map(lambda number: number, num_parallel_calls=2).prefetch(2)
    assert without_tuning(inner).options().autotune.enabled is False
    assert without_tuning(inner).batch(2).options().autotune.enabled is False


def test_dropping_an_iterator_does_not_wait():
    """With the thread, an iterator that a function used for 1.4 s is gone after 2.55 s."""
    dataset = tf.data.Dataset.range(10**9)
    assert seconds_to_drop_an_iterator(without_tuning(dataset)) < 0.8
