import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.positions import LearnedPositions

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")


def test_harness():
    check_layer(LearnedPositions, {"max_length": 8}, INPUTS, alternatives={"max_length": 9, "initializer": "ones"})


def test_adds_the_first_encodings():
    layer = LearnedPositions(max_length=8)
    np.testing.assert_allclose(layer(INPUTS), INPUTS + layer.encodings.numpy()[:5], rtol=1e-6)


def test_refuses_more_frames_than_it_has_encodings():
    with pytest.raises(ValueError, match="5 frames, but max_length is 4"):
        LearnedPositions(max_length=4)(INPUTS)
