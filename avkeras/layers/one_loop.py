"""Chains of elementwise operations as one loop over the data."""

import functools

import keras


def one_loop(function, *tensors, **values):
    """Runs a chain of elementwise operations as one loop over the data, where that can be had.

    TensorFlow makes one pass over the memory per operation, and memory is what a CPU has least of. In a graph on
    TensorFlow the chain is compiled by XLA, once per function, values and shapes, in a fraction of a second. Eager
    calls and other backends run it operation by operation. Use it in training only: an exported model should need no
    compiler.

    Args:
        function: `function(*tensors, **values)`, a plain function of a module, in `keras.ops` alone, without variables.
        *tensors: its tensors.
        **values: hashable values that it is compiled for.

    Returns:
        What `function` returns.

    Example:
        >>> from keras import ops
        >>> one_loop(ops.maximum, ops.ones((2,)), ops.zeros((2,))).numpy().tolist()
        [1.0, 1.0]
    """
    if keras.backend.backend() != "tensorflow":
        return function(*tensors, **values)
    import tensorflow as tf

    if tf.executing_eagerly():
        return function(*tensors, **values)
    tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
    signature = tuple((tensor.dtype, tensor.shape.rank and tuple(tensor.shape)) for tensor in tensors)
    return _compiled(function, tuple(sorted(values.items())), signature)(*tensors)


@functools.cache
def _compiled(function, values, signature):
    """Returns the compiled function; one per signature, so that nothing is traced anew."""
    import tensorflow as tf

    return tf.function(functools.partial(function, **dict(values)), jit_compile=True, autograph=False)
