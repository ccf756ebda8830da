"""What is computed otherwise than the formula says, for speed: each form stands beside the plain one that it equals.

Layers say what they compute; how it is done fast stands here, and in `loops`, and nowhere else. Reordered products
serve every backend; what needs an operation of TensorFlow is used there only, what needs one of PyTorch stands in
`pytorch_kernels`, and elsewhere the plain form is used.
"""

import math

import keras
from keras import ops

from avkeras.layers import pytorch_kernels


def on_tensorflow() -> bool:
    """Returns whether the operations of TensorFlow are at hand."""
    return keras.backend.backend() == "tensorflow"


def on_pytorch() -> bool:
    """Returns whether the operations of PyTorch are at hand."""
    return keras.backend.backend() == "torch"


def checked_length(inputs, most: int, message: str):
    """Returns `inputs`; where the length of axis 1 is known at run time only, TensorFlow refuses longer ones then."""
    if inputs.shape[1] is not None or not on_tensorflow():
        return ops.convert_to_tensor(inputs)
    import tensorflow as tf

    with tf.control_dependencies([tf.debugging.assert_less_equal(tf.shape(inputs)[1], most, message)]):
        return tf.identity(inputs)


# --- maps of frames


def clean(frames, padding_mask):
    """Gives `plain_clean`; TensorFlow and PyTorch copy no batch that has no padding."""
    if not (on_tensorflow() or (on_pytorch() and pytorch_kernels.runs_at_once())):
        return plain_clean(frames, padding_mask)
    return ops.cond(ops.all(padding_mask), lambda: frames, lambda: plain_clean(frames, padding_mask))


def plain_clean(frames, padding_mask):
    """Sets padded frames of `(batch, frames, dim)` to 0, whatever they hold."""
    return ops.where(padding_mask[..., None], frames, ops.zeros_like(frames))


def linear(frames, kernel):
    """Maps the last axis of frames by `kernel` `(dim, width)`, as one product of two matrices.

    `ops.matmul` gives the same by a dozen more operations of TensorFlow where sizes are known at run time only.
    """
    flat = ops.matmul(ops.reshape(frames, (-1, frames.shape[-1])), kernel)
    return ops.reshape(flat, (*_sizes(frames)[:-1], kernel.shape[-1]))


def times_transposed(one, other):
    """Multiplies by the transpose of the last two axes; TensorFlow's gradient then has no transpose of its own."""
    if not on_tensorflow():
        return ops.matmul(one, ops.swapaxes(other, -1, -2))
    import tensorflow as tf

    return tf.matmul(one, other, transpose_b=True)


def linear_in_halves(frames, kernel):
    """Gives `linear`; the kernel's gradient is the sum of two halves of the frames, for two threads of TensorFlow.

    The map of wide inputs is the first of a model, so its gradient is the last: nothing else is left to run beside it.
    """
    if not on_tensorflow():
        return linear(frames, kernel)
    import tensorflow as tf

    @ops.custom_gradient
    def run(flat, kernel):
        def gradient(upstream):
            half = ops.shape(flat)[0] // 2
            pairs = ((flat[:half], upstream[:half]), (flat[half:], upstream[half:]))
            first, second = (ops.matmul(ops.transpose(each), other) for each, other in pairs)
            return ops.matmul(upstream, ops.transpose(kernel)), first + second

        return ops.matmul(flat, kernel), gradient

    flat = run(ops.reshape(frames, (-1, frames.shape[-1])), tf.convert_to_tensor(kernel))
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
    folded = ops.concatenate([times_transposed(key, query) for key, query in pairs], axis=1)
    folded = ops.reshape(linear(value, ops.cast(folded, value.dtype)), (batch, keys * heads, width))
    return ops.reshape(times_transposed(query, folded), (batch, queries, keys, heads))


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


# --- convolutional front end


def average_pool(x, pool):
    """Averages every `pool` frames and bands of `(batch, frames, bands, channels)`; Keras copies for PyTorch first."""
    if on_pytorch():
        return pytorch_kernels.average_pool(x, pool)
    return ops.average_pool(x, pool, pool, data_format="channels_last")


# --- batch normalisation


def plain_batch_norm(inputs, gamma, beta, epsilon):
    """Normalises over all axes but the last; returns the output, and mean and variance per channel."""
    wide = ops.cast(inputs, gamma.dtype)
    mean, variance = ops.moments(wide, axes=list(range(len(inputs.shape) - 1)))
    scale = gamma * ops.rsqrt(variance + epsilon)
    return ops.cast(wide * scale + (beta - mean * scale), inputs.dtype), mean, variance


def batch_norm(inputs, gamma, beta, epsilon):
    """Gives `plain_batch_norm`, on TensorFlow and PyTorch in two passes over the data rather than some ten."""
    if on_pytorch() and math.prod(inputs.shape[:-1]) > 1:  # PyTorch refuses one value per channel
        return pytorch_kernels.batch_norm(inputs, gamma, beta, epsilon)
    if not on_tensorflow() or keras.backend.standardize_dtype(gamma.dtype) != "float32":
        return plain_batch_norm(inputs, gamma, beta, epsilon)
    import tensorflow as tf

    flat = ops.reshape(inputs, (1, 1, -1, inputs.shape[-1])) if len(inputs.shape) != 4 else inputs
    gamma, beta = ops.convert_to_tensor(gamma), ops.convert_to_tensor(beta)
    output, mean, variance = tf.compat.v1.nn.fused_batch_norm(flat, gamma, beta, epsilon=epsilon, is_training=True)
    count = ops.cast(ops.prod(ops.shape(flat)[:-1]), variance.dtype)
    biased = variance * ((count - 1) / count)  # the operation gives the sample variance
    return ops.reshape(output, ops.shape(inputs)), mean, biased


# --- layer normalisation


def plain_layer_norm(inputs, gamma, beta, epsilon):
    """Normalises the last axis, in float32 at least."""
    return ops.cast(ops.layer_normalization(inputs, gamma, beta, axis=-1, epsilon=epsilon), inputs.dtype)


def layer_norm(inputs, gamma, beta, epsilon):
    """Gives `plain_layer_norm`, on TensorFlow with a gradient of half the passes over the data.

    With h = (x - mean) r, r the reciprocal deviation, the gradient of x is r (g dy - mean(g dy) - h mean(g dy h)), of
    which the means are products of matrices.
    """
    if not on_tensorflow():
        return plain_layer_norm(inputs, gamma, beta, epsilon)
    import tensorflow as tf

    dim, dtype = inputs.shape[-1], keras.backend.result_type(inputs.dtype, "float32")

    @ops.custom_gradient
    def run(x, gamma, beta):
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        scale = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
        normal = centred * scale

        def gradient(upstream):
            along = upstream * normal
            means = [linear(each, ops.reshape(gamma / dim, (dim, 1))) for each in (upstream, along)]
            flat = [ops.reshape(each, (-1, dim)) for each in (upstream, along)]
            to_x = (upstream * gamma - means[0] - normal * means[1]) * scale
            return to_x, ops.sum(flat[1], axis=0), ops.sum(flat[0], axis=0)

        return normal * gamma + beta, gradient

    tensors = (ops.cast(tf.convert_to_tensor(each), dtype) for each in (inputs, gamma, beta))
    return ops.cast(run(*tensors), inputs.dtype)
