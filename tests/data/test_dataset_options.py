import tensorflow as tf

from avkeras.data.dataset_options import as_written


def test_nothing_is_tuned_or_rewritten():
    """Whatever is done to the data set later; the thread that tunes is what dropping an iterator would wait for."""
    inner = tf.data.Dataset.range(9).map(lambda number: number, num_parallel_calls=2).prefetch(2)
    assert inner.options().autotune.enabled is not False
    for dataset in (as_written(inner), as_written(inner).batch(2), as_written(inner).map(lambda n: n).repeat()):
        assert dataset.options().autotune.enabled is False
        assert dataset.options().experimental_optimization.apply_default_optimizations is False
