import keras
import numpy as np
from layer_harness import check_layer

from avkeras.layers.pair_mixup import PairMixup
from avkeras.layers.spec_augment import SpecAugment

LEVELS = np.random.default_rng(0).uniform(1, 2, (4, 40, 16)).astype("float32")


def test_harnesses():
    alternatives = {"time_stripes": 5, "time_width": 30, "band_stripes": 5, "band_width": 16, "seed": 9}
    check_layer(SpecAugment, {"seed": 3}, LEVELS, alternatives=alternatives)
    check_layer(PairMixup, {}, {"inputs": LEVELS, "ratios": np.array([0.5, 0.2], "float32")})


def test_stripes_are_whole_and_as_wide_as_drawn():
    layer = SpecAugment(time_stripes=1, time_width=8, band_stripes=1, band_width=4, seed=1)
    wide = np.repeat(LEVELS, 200, axis=0)
    striped = np.asarray(layer(wide, training=True))
    kept = striped != 0
    np.testing.assert_array_equal(striped[kept], wide[kept])
    frames, bands = kept.any(axis=2), kept.any(axis=1)
    np.testing.assert_array_equal(kept, frames[:, :, None] & bands[:, None])
    for rows, width in ((frames, 8), (bands, 4)):
        lost = (~rows).sum(axis=1)
        assert set(lost) == set(range(width))
        # One stripe: what is lost is in one piece.
        assert ((np.diff(np.pad(~rows, ((0, 0), (1, 1))).astype(int), axis=1) == 1).sum(axis=1) == (lost > 0)).all()
        assert abs(lost.mean() - (width - 1) / 2) < 0.3


def test_nothing_is_set_to_0_in_inference_and_a_restored_generator_draws_the_same(tmp_path):
    layer = SpecAugment(seed=1)
    np.testing.assert_array_equal(layer(LEVELS), LEVELS)
    model = keras.Sequential([keras.Input(LEVELS.shape[1:]), layer])
    model(LEVELS, training=True)
    model.save_weights(tmp_path / "w.weights.h5")
    wanted = model(LEVELS, training=True)
    model.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(model(LEVELS, training=True), wanted)


def test_neighbours_are_mixed_by_their_ratio():
    ratios = np.array([0.25, 1.0], "float32")
    mixed = np.asarray(PairMixup()(LEVELS, ratios))
    np.testing.assert_allclose(mixed, [0.25 * LEVELS[0] + 0.75 * LEVELS[1], LEVELS[2]], rtol=1e-6)
    np.testing.assert_array_equal(PairMixup()(LEVELS), LEVELS)
