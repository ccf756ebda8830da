"""What is computed otherwise than the formula says, for speed: each form stands beside the plain one that it equals.

Layers say what they compute; how it is done fast stands here and nowhere else. Reordered products serve every backend;
what needs an operation or the compiler of TensorFlow is used there only, and the plain form elsewhere.
"""

import functools
import math

import keras
from keras import ops

# Odd multipliers and shifts that mix the bits of a 32-bit word.
_MULTIPLIERS = (-1640531527, -2048144789, -1028477387)
_SHIFTS = (15, 13)
LEVELS = 1 << 32


def on_tensorflow() -> bool:
    """Returns whether the operations of TensorFlow are at hand."""
    return keras.backend.backend() == "tensorflow"


def checked_length(inputs, most: int, message: str):
    """Returns `inputs`; where the length of axis 1 is known at run time only, TensorFlow refuses longer ones then."""
    if inputs.shape[1] is not None or not on_tensorflow():
        return ops.convert_to_tensor(inputs)
    import tensorflow as tf

    with tf.control_dependencies([tf.debugging.assert_less_equal(tf.shape(inputs)[1], most, message)]):
        return tf.identity(inputs)


# --- maps of frames


def linear(frames, kernel):
    """Maps the last axis of frames by `kernel` `(dim, width)`, as one product of two matrices.

    `ops.matmul` gives the same by a dozen more operations of TensorFlow where sizes are known at run time only.
    """
    flat = ops.matmul(ops.reshape(frames, (-1, frames.shape[-1])), kernel)
    return ops.reshape(flat, (*_sizes(frames)[:-1], kernel.shape[-1]))


def _sizes(tensor):
    """Returns the shape for `ops.reshape`; a single size that is not known stays open, so that nothing must find it."""
    sizes = tuple(tensor.shape)
    return ops.shape(tensor) if sizes.count(None) > 1 else tuple(-1 if size is None else size for size in sizes)


# --- attention


def plain_scores(query, value, query_map, key_map, scale):
    """Scores `(batch, queries, keys, heads)` of the queries against the keys of every head (2022, equation 1).

    Args:
        query: `(batch, queries, dim)`.
        value: `(batch, keys, dim)`.
        query_map: kernel `(heads, dim, width)` and bias `(heads, width)` of the queries.
        key_map: those of the keys.
        scale: of the scores.
    """
    queries, keys = _per_head(query, query_map), _per_head(value, key_map)
    return ops.einsum("bqhw,bkhw->bqkh", queries * scale, keys)


def folded_scores(query, value, query_map, key_map, scale):
    """Gives `plain_scores` with half the work once a batch holds more frames than a head is wide.

    With [x 1] for a frame with a 1 behind it and [W; b] for a kernel with its bias below it, a score is
    [x 1] [W_q; b_q] [W_k; b_k]^T [c 1]^T: the middle two make one square map per head, and no frames are transposed.
    """
    itself = value is query
    query = with_one(query)
    value = query if itself else with_one(value)
    (batch, queries, width), keys, heads = ops.shape(query), ops.shape(value)[1], query_map[0].shape[0]
    # A product per head, side by side: nothing to transpose, and small ones run at the same time.
    pairs = zip(_heads(*key_map), _heads(*(part * scale for part in query_map)), strict=True)
    folded = ops.concatenate([ops.matmul(key, ops.transpose(query)) for key, query in pairs], axis=1)
    folded = ops.reshape(linear(value, ops.cast(folded, value.dtype)), (batch, keys * heads, width))
    return ops.reshape(ops.matmul(query, ops.transpose(folded, (0, 2, 1))), (batch, queries, keys, heads))


def plain_output(weights, value, value_map, output_kernel):
    """Returns the heads' weighted values through the output map, `(batch, queries, output_dim)`, without its bias.

    Args:
        weights: `(batch, queries, heads, keys)`.
        value: `(batch, keys, dim)`.
        value_map: kernel `(heads, dim, width)` and bias `(heads, width)`.
        output_kernel: `(heads, width, output_dim)`.
    """
    values = ops.einsum("bqhk,bkhw->bqhw", weights, _per_head(value, value_map))
    heads, width, dim = output_kernel.shape
    values = ops.reshape(values, (*_sizes(values)[:-2], heads * width))
    return linear(values, ops.cast(ops.reshape(output_kernel, (heads * width, dim)), values.dtype))


def folded_output(weights, value, value_map, output_kernel):
    """Gives `plain_output`: value and output map of a head make one map, and a sum over heads one over all keys."""
    value = with_one(value)
    (batch, queries, heads, keys), dim = ops.shape(weights), output_kernel.shape[-1]
    outputs = ops.unstack(ops.convert_to_tensor(output_kernel), output_kernel.shape[0])
    pairs = zip(_heads(*value_map), outputs, strict=True)
    folded = ops.concatenate([ops.matmul(kernel, output) for kernel, output in pairs], axis=1)
    folded = ops.reshape(linear(value, ops.cast(folded, value.dtype)), (batch, keys * heads, dim))
    weights = ops.reshape(ops.transpose(weights, (0, 1, 3, 2)), (batch, queries, keys * heads))
    return ops.matmul(weights, folded)


def with_one(frames):
    """Puts a 1 behind every frame."""
    return ops.concatenate([frames, ops.ones_like(frames[..., :1])], axis=-1)


def _heads(kernel, bias):
    """Returns the map of each head with its bias below it."""
    return ops.unstack(ops.concatenate([kernel, ops.expand_dims(bias, 1)], axis=1), kernel.shape[0])


def _per_head(frames, head_map):
    """Maps frames by every head, `(batch, frames, heads, width)`.

    As one product: TensorFlow's oneDNN writes beyond its memory in `matmul(frames[:, None], kernel)` with one head.
    """
    kernel, bias = (ops.cast(part, frames.dtype) for part in head_map)
    heads, dim, width = kernel.shape
    mapped = linear(frames, ops.reshape(ops.transpose(kernel, (1, 0, 2)), (dim, heads * width)))
    return ops.reshape(mapped, (*_sizes(mapped)[:-1], heads, width)) + bias


# --- batch normalisation


def plain_batch_norm(inputs, gamma, beta, epsilon):
    """Normalises over all axes but the last; returns the output, and mean and variance per channel."""
    wide = ops.cast(inputs, gamma.dtype)
    mean, variance = ops.moments(wide, axes=list(range(len(inputs.shape) - 1)))
    scale = gamma * ops.rsqrt(variance + epsilon)
    return ops.cast(wide * scale + (beta - mean * scale), inputs.dtype), mean, variance


def batch_norm(inputs, gamma, beta, epsilon):
    """Gives `plain_batch_norm`, on TensorFlow in two passes over the data rather than some ten."""
    if not on_tensorflow() or keras.backend.standardize_dtype(gamma.dtype) != "float32":
        return plain_batch_norm(inputs, gamma, beta, epsilon)
    import tensorflow as tf

    flat = ops.reshape(inputs, (1, 1, -1, inputs.shape[-1])) if len(inputs.shape) != 4 else inputs
    gamma, beta = ops.convert_to_tensor(gamma), ops.convert_to_tensor(beta)
    output, mean, variance = tf.compat.v1.nn.fused_batch_norm(flat, gamma, beta, epsilon=epsilon, is_training=True)
    count = ops.cast(ops.prod(ops.shape(flat)[:-1]), variance.dtype)
    biased = variance * ((count - 1) / count)  # the operation gives the sample variance
    return ops.reshape(output, ops.shape(inputs)), mean, biased


# --- dropout


def keep_mask(shape, seeds, rate: float):
    """Returns which values dropout keeps, boolean, for seeds of `Dropout.draw_seeds`: one hashed word per value."""
    word = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
    return hash_words(word, seeds) >= round(rate * LEVELS) - LEVELS // 2


def keep_scale(rate: float) -> float:
    """Returns what the values that dropout keeps are multiplied by."""
    return LEVELS / (LEVELS - round(rate * LEVELS))


def hash_words(word, seeds):
    """Mixes the bits of int32 words with two seeds."""
    first, second = ops.unstack(seeds, 2)
    word = ops.bitwise_xor(word, first) * _MULTIPLIERS[0] + second
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS[1:], strict=True):
        word = ops.bitwise_xor(word, ops.right_shift(word, shift)) * multiplier
    return word


# --- what follows a convolution of the front end


def plain_drop_and_average(x, padding_mask, seeds, *, rate, pool):
    """ReLU, dropout and the average of the real ones of every `pool` frames and bands, of which padded ones are 0."""
    if rate:
        kept = keep_mask(ops.shape(x), seeds, rate)
        x = ops.where(kept, x, ops.zeros_like(x)) * ops.cast(keep_scale(rate), x.dtype)
    return average(silence(ops.relu(x), padding_mask), padding_mask, pool)


def drop_and_average(x, padding_mask, seeds, *, rate, pool):
    """Gives `plain_drop_and_average`; in a graph of TensorFlow it is one loop over the data there and one back."""
    if not on_tensorflow():
        return plain_drop_and_average(x, padding_mask, seeds, rate=rate, pool=pool)
    frames = _sum_neighbours(ops.cast(padding_mask, "float32"), pool[0], axis=1)
    bands = _sum_neighbours(ops.ones((ops.shape(x)[2],), "float32"), pool[1], axis=0)
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
    """Sets padded frames of `(batch, frames, bands, channels)` to 0."""
    return ops.where(padding_mask[:, :, None, None], x, ops.zeros_like(x))


def average(x, padding_mask, pool):
    """Averages the real ones of every `pool` frames and bands; padded frames are 0.

    The last average may be of fewer, as in `drop_and_average`; the pooling of Keras would leave out some of the first.
    """
    bands = ops.shape(x)[2]
    x = _filled(_filled(x, pool[0], axis=1), pool[1], axis=2)
    x = ops.average_pool(x, pool, pool, data_format="channels_last")
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
