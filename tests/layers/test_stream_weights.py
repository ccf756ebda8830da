import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.stream_weights import StreamWeights

ENCODERS = ["audio", "openl3", "tce"]
PRESENT = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 1], [0, 0, 0]], bool)


def present_for(config):
    return {"present": PRESENT[:, : len(config["encoders"])]}


def test_harness():
    alternatives = {
        "encoders": ["audio", "openl3"],
        "training_weight": 0.75,
        "random_low": 0.5,
        "inference_weight": 0.75,
        "seed": 2,
    }
    check_layer(StreamWeights, {"encoders": ENCODERS, "seed": 1}, present_for, alternatives=alternatives)


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.75, 0.875, 1])
@pytest.mark.parametrize("training", [False, True])
def test_shares_of_what_is_there(training, weight):
    layer = StreamWeights(
        encoders=ENCODERS, training_weight=weight if training else 0.3, inference_weight=0.3 if training else weight
    )
    weights = layer(PRESENT, training=training).numpy()
    rest = (1 - weight) / 2
    scale = weight + rest
    wanted = [[weight, rest, rest], [1, 0, 0], [weight / scale, 0, rest / scale], [0, 0, 0]]
    np.testing.assert_allclose(weights, wanted, rtol=1e-6)
    assert (weights[~PRESENT] == 0).all()


def test_the_random_weight_is_one_draw_per_batch_within_its_range():
    layer = StreamWeights(encoders=("audio", "openl3"), random_low=0.25, seed=1)
    present = np.ones((50, 2), bool)
    draws = []
    for _ in range(200):
        weights = layer(present, training=True).numpy()
        assert (weights == weights[0]).all()
        draws.append(weights[0, 0])
    assert min(draws) >= 0.25
    assert max(draws) <= 1
    np.testing.assert_allclose(np.quantile(draws, [0.1, 0.5, 0.9]), [0.325, 0.625, 0.925], atol=0.1)
    assert len(set(draws)) == 200


def test_the_weight_of_inference_is_set_after_building():
    layer = StreamWeights(encoders=ENCODERS, inference_weight=0.5)
    layer.build(PRESENT.shape)
    layer.set_inference_weight(1.0)
    np.testing.assert_array_equal(layer(PRESENT[:3]), [[1, 0, 0]] * 3)
    with pytest.raises(ValueError, match=r"weight must be in \(0, 1\], not 1.5"):
        layer.set_inference_weight(1.5)


def test_audio_alone_always_gets_1():
    layer = StreamWeights(encoders=["audio"], training_weight=0.25)
    for training in (False, True):
        np.testing.assert_array_equal(layer(np.ones((2, 1), bool), training=training), [[1], [1]])


@pytest.mark.parametrize("name", ["training_weight", "random_low", "inference_weight"])
def test_refuses_weights_outside_the_range(name):
    for value in (0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\], not {value}"):
            StreamWeights(encoders=ENCODERS, **{name: value})
