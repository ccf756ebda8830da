import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.attention_pooling import AttentionPooling

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.uniform(size=(3, 5, 4)).astype("float32")
SCORES = RANDOM.normal(0, 2, (3, 5, 4)).astype("float32")
MASK = np.arange(5) < np.array([[5], [3], [0]])


def weights_of(weighting):
    if weighting == "softmax":
        return np.exp(SCORES) / np.exp(SCORES).sum(axis=-1, keepdims=True)
    return 1 / (1 + np.exp(-SCORES)) if weighting == "sigmoid" else np.exp(SCORES)


def test_harness():
    inputs = {"inputs": FRAMES, "scores": SCORES, "padding_mask": MASK}
    check_layer(AttentionPooling, {}, inputs, alternatives={"weighting": "exp"})


@pytest.mark.parametrize("weighting", ["softmax", "sigmoid", "exp"])
def test_frames_are_weighted_class_by_class(weighting):
    weights = weights_of(weighting)
    layer = AttentionPooling(weighting=weighting)
    wanted = (FRAMES * weights).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(layer(FRAMES, SCORES), wanted, rtol=2e-5)
    soiled = np.where(MASK[..., None], FRAMES, np.nan), np.where(MASK[..., None], SCORES, np.nan)
    pooled = layer(*soiled, MASK).numpy()
    np.testing.assert_allclose(pooled[0], wanted[0], rtol=2e-5)
    np.testing.assert_allclose(pooled[1], layer(FRAMES[1:2, :3], SCORES[1:2, :3])[0], rtol=2e-5)
    assert not pooled[2].any()


def test_weights_never_vanish_and_never_overflow():
    extreme = np.array([[[1000.0, -1000.0]] * 2], "float32")
    for weighting in ("softmax", "sigmoid", "exp"):
        layer = AttentionPooling(weighting=weighting)
        for scores in (extreme, -extreme):
            np.testing.assert_allclose(layer(FRAMES[:1, :2, :2], scores), FRAMES[:1, :2, :2].mean(axis=1), rtol=1e-5)


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match="weighting must be one of softmax, sigmoid, exp, not 'max'"):
        AttentionPooling(weighting="max")


def test_half_precision_holds_the_sums_of_many_frames():
    frames, scores = np.full((1, 10, 1), 0.5), np.full((1, 10, 1), 9.0)
    pooled = AttentionPooling(weighting="exp", dtype="mixed_float16")(frames, scores)
    assert (pooled.dtype.name, float(pooled[0, 0])) == ("float16", 0.5)
