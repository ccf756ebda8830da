import numpy as np
from layer_harness import check_layer

from avkeras.layers.noisy_levels import NoisyLevels

LEVELS = np.random.default_rng(0).uniform(-60, 0, (2, 400, 3)).astype("float32")


def test_harness():
    alternatives = {"snr": 10.0, "top_db": 20.0, "seed": 9}
    check_layer(NoisyLevels, {"seed": 3}, LEVELS[:, :20], alternatives=alternatives)


def test_the_noise_has_its_share_of_each_bands_power():
    layer = NoisyLevels(snr=20.0, top_db=200.0, seed=1)
    np.testing.assert_array_equal(layer(LEVELS), LEVELS)
    loud = np.broadcast_to(np.array([0.0, -20.0, -40.0], "float32"), (4, 2000, 3))
    noisy = 10 ** (np.asarray(layer(loud, training=True)) / 20)
    clean = 10 ** (loud / 20)
    power = ((noisy - clean) ** 2).mean(axis=(0, 1))
    np.testing.assert_allclose(power / (clean**2).mean(axis=(0, 1)), 0.01, rtol=0.1)


def test_the_range_of_levels_is_kept():
    noisy = np.asarray(NoisyLevels(snr=5.0, top_db=30.0, seed=1)(LEVELS, training=True))
    assert np.all(np.ptp(noisy, axis=(1, 2)) <= 30 + 1e-4)


def test_padding_has_no_power_and_stays():
    quiet, mask = np.full((2, 4000, 3), -60.0, "float32"), np.ones((2, 4000), bool)
    mask[:, 2000:] = False
    quiet[0, 2000:], quiet[1, 2000:] = 0.0, np.nan  # 0 dB would be loud
    noisy = np.asarray(NoisyLevels(snr=20.0, top_db=200.0, seed=1)(quiet, padding_mask=mask, training=True))
    np.testing.assert_array_equal(noisy[:, 2000:], quiet[:, 2000:])
    power = np.square(10 ** (noisy[:, :2000] / 20) - 1e-3).mean(axis=(1, 2)) / 1e-6
    np.testing.assert_allclose(power, 0.01, rtol=0.1)  # of 6000 draws, with a deviation of 2 %
