"""tf.data without its tuning thread."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def without_tuning(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Returns a data set whose iterators start no thread that tunes them.

    Dropping an iterator waits for that thread, which looks up at 10, 30, 70, ... ms only, each time after twice as
    long: a `fit` of 2.6 s returns after 5.1 s.

    Example:
        >>> import tensorflow as tf
        >>> without_tuning(tf.data.Dataset.range(3)).options().autotune.enabled
        False
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
