import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from two_forms import assert_same, draw

from avkeras import layers
from avkeras.layers import kernels


def test_scores_of_folded_maps_are_those_of_the_formula():
    maps = (draw(3, 6, 4), draw(3, 4), draw(3, 5, 4), draw(3, 4))
    fast, plain = (
        lambda q, v, wq, bq, wk, bk, form=form: form(q, v, (wq, bq), (wk, bk), 0.5)
        for form in (kernels.folded_scores, kernels.plain_scores)
    )
    assert_same(fast, plain, draw(2, 7, 6), draw(2, 8, 5), *maps)


def test_outputs_of_folded_maps_are_those_of_the_formula():
    fast, plain = (
        lambda a, v, w, b, o, form=form: form(a, v, (w, b), o) for form in (kernels.folded_output, kernels.plain_output)
    )
    assert_same(fast, plain, draw(2, 7, 3, 8), draw(2, 8, 5), draw(3, 5, 4), draw(3, 4), draw(3, 4, 6))


@pytest.mark.parametrize("known", [(2, 7, 5), (None, 7, 5), (None, None, 5)])
def test_a_linear_map_is_a_product_with_the_last_axis(known):
    frames, kernel = draw(2, 7, 5), draw(5, 3)
    mapped = tf.function(kernels.linear, input_signature=[tf.TensorSpec(known), tf.TensorSpec((5, 3))])
    np.testing.assert_allclose(mapped(frames, kernel), frames @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (4, 9, 3)])
def test_the_fused_batch_normalisation_is_that_of_the_formula(shape):
    fast, plain = (
        lambda x, gamma, beta, form=form: form(x, gamma, beta, 1e-3)
        for form in (kernels.batch_norm, kernels.plain_batch_norm)
    )
    assert_same(fast, plain, 3 + draw(*shape), draw(3), draw(3))


@pytest.mark.parametrize("shape", [(6, 5), (4, 7, 5), (2, 3, 4, 5)])
def test_layer_normalisation_with_fewer_passes_is_that_of_keras(shape):
    fast, plain = (
        lambda x, gamma, beta, form=form: form(x, gamma, beta, 1e-3)
        for form in (kernels.layer_norm, kernels.plain_layer_norm)
    )
    assert_same(fast, plain, 3 + draw(*shape), draw(5), draw(5))


@pytest.mark.parametrize("shape", [(4, 7, 6), (3, 1, 6), (1, 1, 6)])
def test_a_map_with_its_gradient_in_halves_is_the_map(shape):
    assert_same(kernels.linear_in_halves, kernels.linear, draw(*shape), draw(6, 3))


@pytest.mark.parametrize("shape", [(7, 5), (2, 7, 5)])
def test_a_product_with_a_transpose(shape):
    def plain(one, other):
        return ops.matmul(one, ops.swapaxes(other, -1, -2))

    assert_same(kernels.times_transposed, plain, draw(*shape), draw(*shape))


@pytest.mark.parametrize("lengths", [(4, 4), (4, 2), (0, 0)])
def test_frames_are_cleaned_whether_any_is_padded_or_none(lengths):
    mask = tf.constant(np.arange(4) < np.array(lengths)[:, None])
    fast, plain = (lambda x, form=form: form(x, mask) for form in (kernels.clean, kernels.plain_clean))
    frames = np.where(mask[..., None], draw(2, 4, 3), np.nan).astype("float32")
    assert_same(fast, plain, frames)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MultiHeadAttention", {}),
        ("RelativeMultiHeadAttention", {"max_distance": 10}),
        ("SinusoidalRelativeAttention", {"max_distance": 10, "causal_shift": True}),
    ],
)
def test_one_head_is_safe_where_onednn_writes_beyond_its_memory(name, options):
    """A product that broadcasts over one head corrupts the memory of TensorFlow 2.16 to 2.21, or ends the process."""
    layer = getattr(layers, name)(num_heads=1, key_dim=8, output_dim=8, **options)
    frames = draw(40, 10, 8)
    first = np.asarray(layer(frames))
    for _ in range(20):
        np.testing.assert_array_equal(layer(frames), first)
