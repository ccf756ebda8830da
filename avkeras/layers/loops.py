"""Elementwise work as one loop over the data: dropout by a hash, after swish or a convolution of the front end.

As in `kernels`, each fast form stands beside the plain one that it equals; other backends than TensorFlow use that.
"""

import functools
import math

import keras
from keras import ops

from avkeras.layers import pytorch_kernels
from avkeras.layers.kernels import average_pool, on_pytorch, on_tensorflow

# Odd multipliers and shifts that mix the bits of a 32-bit word.
_MULTIPLIERS = (-1640531527, -2048144789, -1028477387)
_SHIFTS = (15, 13)
_LEVELS = 1 << 32


# --- dropout


def keep_mask(shape, seeds, rate: float):
    """Returns which values dropout keeps, boolean, for seeds of `Dropout.draw_seeds`: one hashed word per value."""
    word = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
    return hash_words(word, seeds) >= round(rate * _LEVELS) - _LEVELS // 2


def keep_scale(rate: float) -> float:
    """Returns what the values that dropout keeps are multiplied by."""
    return _LEVELS / (_LEVELS - round(rate * _LEVELS))


def dropped(x, seeds, rate: float):
    """Sets to 0 what `keep_mask` does not keep and scales the rest; PyTorch draws numbers sooner than it hashes."""
    if on_pytorch():
        return x * pytorch_kernels.noise(x, seeds, rate)
    return ops.where(keep_mask(ops.shape(x), seeds, rate), x * keep_scale(rate), ops.zeros_like(x))


def hash_words(word, seeds):
    """Mixes the bits of int32 words with two seeds."""
    first, second = ops.unstack(seeds, 2)
    word = ops.bitwise_xor(word, first) * _MULTIPLIERS[0] + second
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS[1:], strict=True):
        word = ops.bitwise_xor(word, ops.right_shift(word, shift)) * multiplier
    return word


# --- swish and dropout


def plain_swish_and_drop(x, seeds, *, rate):
    """Swish, then dropout by `keep_mask`."""
    return dropped(ops.silu(x), seeds, rate)


def swish_and_drop(x, seeds, *, rate):
    """Gives `plain_swish_and_drop`; in a graph of TensorFlow it is one loop over the data there and one back."""
    if not on_tensorflow():
        return plain_swish_and_drop(x, seeds, rate=rate)

    @ops.custom_gradient
    def run(x):
        def gradient(upstream):
            return one_loop(_drop_and_differentiate, x, upstream, seeds, rate=rate)

        return one_loop(_swish_and_drop, x, seeds, rate=rate), gradient

    return run(x)


def _swish_and_drop(x, seeds, *, rate):
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    return ops.cast(dropped(wide * ops.sigmoid(wide), seeds, rate), x.dtype)


def _drop_and_differentiate(x, upstream, seeds, *, rate):
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    share = ops.sigmoid(wide)
    upstream = dropped(ops.cast(upstream, wide.dtype), seeds, rate)
    return ops.cast(upstream * (share * (1 + wide * (1 - share))), x.dtype)


# --- what follows a convolution of the front end


def plain_drop_and_average(x, padding_mask, seeds, *, rate, pool):
    """ReLU, dropout and the average of the real ones of every `pool` frames and bands, of which padded ones are 0."""
    x = dropped(x, seeds, rate) if rate else x
    return average(silence(ops.relu(x), padding_mask), padding_mask, pool)


def drop_and_average(x, padding_mask, seeds, *, rate, pool):
    """Gives `plain_drop_and_average`; in a graph of TensorFlow it is one loop over the data there and one back."""
    if not on_tensorflow():
        return plain_drop_and_average(x, padding_mask, seeds, rate=rate, pool=pool)
    wide = keras.backend.result_type(x.dtype, "float32")
    frames = _sum_neighbours(ops.cast(padding_mask, wide), pool[0], axis=1)
    bands = _sum_neighbours(ops.ones((ops.shape(x)[2],), wide), pool[1], axis=0)
    scale = keep_scale(rate) / (ops.maximum(frames, 1.0)[..., None] * bands)
    rest = (padding_mask, scale, seeds)

    @ops.custom_gradient
    def run(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return one_loop(_backward, x, upstream, *rest, rate=rate, pool=pool)

        return one_loop(_forward, x, *rest, rate=rate, pool=pool), gradient

    return run(x), frames > 0


def silence(x, padding_mask):
    """Sets padded frames of `(batch, frames, bands, channels)` to 0; PyTorch copies no batch that has none."""

    def silenced():
        return ops.where(padding_mask[:, :, None, None], x, ops.zeros_like(x))

    if on_pytorch() and pytorch_kernels.runs_at_once():
        return ops.cond(ops.all(padding_mask), lambda: x, silenced)
    return silenced()


def average(x, padding_mask, pool):
    """Averages the real ones of every `pool` frames and bands; padded frames are 0.

    The last average may be of fewer, as in `drop_and_average`; the pooling of Keras would leave out some of the first.
    """
    bands = ops.shape(x)[2]
    x = _filled(_filled(x, pool[0], axis=1), pool[1], axis=2)
    x = average_pool(x, pool)
    share = 1.0
    if bands % pool[1]:
        share = ops.reshape(_sum_neighbours(ops.ones((bands,)), pool[1], axis=0) / pool[1], (1, 1, -1, 1))
    if pool[0] > 1:
        real = _sum_neighbours(ops.cast(padding_mask, "float32"), pool[0], axis=1) / pool[0]
        padding_mask = real > 0
        share = share * ops.where(padding_mask, real, 1.0)[..., None, None]
    return (x if isinstance(share, float) else x * ops.cast(1 / share, x.dtype)), padding_mask


def _forward(x, padding_mask, scale, seeds, *, rate, pool):
    wide = keras.backend.result_type(x.dtype, "float32")
    kept = ops.where(_passes(x, padding_mask, seeds, rate), ops.cast(x, wide), ops.zeros((), wide))
    total = _sum_neighbours(_sum_neighbours(kept, pool[0], axis=1), pool[1], axis=2)
    return ops.cast(total * scale[..., None], x.dtype)


def _backward(x, upstream, padding_mask, scale, seeds, *, rate, pool):
    wide = keras.backend.result_type(x.dtype, "float32")
    gradient = ops.repeat(ops.repeat(ops.cast(upstream, wide) * scale[..., None], pool[0], axis=1), pool[1], axis=2)
    gradient = gradient[:, : ops.shape(x)[1], : ops.shape(x)[2]]
    return ops.cast(ops.where(_passes(x, padding_mask, seeds, rate), gradient, ops.zeros((), wide)), x.dtype)


def _passes(x, padding_mask, seeds, rate):
    """Returns which values neither the mask nor ReLU nor dropout sets to 0."""
    passes = ops.logical_and(x > 0, padding_mask[:, :, None, None])
    return ops.logical_and(passes, keep_mask(ops.shape(x), seeds, rate)) if rate else passes


def _sum_neighbours(x, length, *, axis):
    """Sums every `length` neighbours along `axis`; the last sum may be of fewer."""
    x = _filled(x, length, axis=axis)
    parts = [x[(slice(None),) * axis + (slice(start, None, length),)] for start in range(length)]
    return functools.reduce(ops.add, parts)


def _filled(x, length, *, axis):
    """Puts zeros at the end of `axis` until it is a multiple of `length`."""
    shape = list(ops.shape(x))
    missing = -shape[axis] % length
    if isinstance(missing, int) and missing == 0:
        return x
    shape[axis] = missing
    return ops.concatenate([x, ops.zeros(shape, x.dtype)], axis=axis)


def one_loop(function, *tensors, **values):
    """Runs a chain of elementwise operations, on TensorFlow in a graph as one loop over the data.

    TensorFlow makes one pass over the memory per operation, and memory is what a CPU has least of. There the chain is
    compiled by XLA, once per function, values and shapes, in a fraction of a second. Use it in training only: an
    exported model should need no compiler.

    Args:
        function: `function(*tensors, **values)`, a plain function of a module, in `keras.ops` alone, without variables.
        *tensors: its tensors.
        **values: hashable values that it is compiled for.

    Returns:
        What `function` returns.

    Example:
        >>> one_loop(ops.maximum, ops.ones((2,)), ops.zeros((2,))).numpy().tolist()
        [1.0, 1.0]
    """
    if not on_tensorflow():
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
