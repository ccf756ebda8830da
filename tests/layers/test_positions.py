import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.positions import SinusoidalPositions


def test_harness():
    inputs = np.random.default_rng(0).normal(size=(2, 7, 16)).astype("float32")
    check_layer(SinusoidalPositions, {"max_wavelength": 1000.0}, inputs, alternatives={"max_wavelength": 100.0})


@pytest.mark.parametrize(("frames", "dim"), [(1, 4), (10, 16), (64, 7)])
def test_formula(frames, dim):
    inputs = np.random.default_rng(0).normal(size=(2, frames, dim)).astype("float32")
    wanted = np.zeros((frames, dim))
    for position in range(frames):
        for column in range(dim):
            angle = position / 10000 ** (2 * (column // 2) / dim)
            wanted[position, column] = np.cos(angle) if column % 2 else np.sin(angle)
    np.testing.assert_allclose(SinusoidalPositions()(inputs), inputs + wanted, atol=1e-5)


def test_every_position_has_an_encoding_of_its_own():
    encodings = SinusoidalPositions()(np.zeros((1, 1000, 16), "float32")).numpy()[0]
    distances = np.linalg.norm(encodings[:, None] - encodings[None], axis=-1) + 10 * np.eye(1000)
    assert distances.min() > 0.01
