import numpy as np
import pytest
from scipy.ndimage import median_filter

from avkeras.evaluation import bits

FRAMES = [1, 2, 5, 31, 63, 64, 65, 130]


def decisions(frames, *, rows=40, seed=0):
    random = np.random.default_rng([seed, frames])
    return random.random((rows, frames)) < random.choice([0.1, 0.5, 0.9, 1.0], (rows, 1))


@pytest.mark.parametrize("frames", FRAMES)
def test_packing_shifting_and_reversing(frames):
    truth = decisions(frames)
    words = bits.pack(truth)
    assert words.shape == (-(-frames // 64), len(truth))
    assert (bits.unpack(words, frames) == truth).all()
    assert (bits.popcount(words) == truth.sum(1)).all()
    assert (bits.unpack(bits.reverse(words, frames), frames) == truth[:, ::-1]).all()
    for shift in (0, 1, 17, 63, 64, 100, 200):
        moved = np.zeros((len(truth), frames + shift), bool)
        moved[:, shift:] = truth
        assert (bits.unpack(bits.later(words, shift), frames) == moved[:, :frames]).all()
        moved[:] = False
        moved[:, :frames] = truth
        assert (bits.unpack(bits.earlier(words, shift), frames) == moved[:, shift : shift + frames]).all()


@pytest.mark.parametrize("frames", FRAMES)
def test_runs_are_followed_from_their_first_frame(frames):
    truth = decisions(frames)
    words = bits.pack(truth)
    first = truth & ~np.pad(truth, ((0, 0), (1, 0)))[:, :-1]
    assert (bits.unpack(bits.onsets(words), frames) == first).all()
    chosen = first & decisions(frames, seed=1)
    expected = np.zeros_like(truth)
    for row, start in np.argwhere(chosen):
        end = start
        while end < frames and truth[row, end]:
            expected[row, end] = True
            end += 1
    assert (bits.unpack(bits.runs_from(words, bits.pack(chosen)), frames) == expected).all()


@pytest.mark.parametrize("frames", FRAMES)
def test_median_filters_equal_numpy_and_scipy(frames):
    truth = decisions(frames)
    sizes = [1, 3, 5, 7, 13, 31]
    for size, words in zip(sizes, bits.median_filters(bits.pack(truth), sizes, frames=frames), strict=True):
        mirrored = np.pad(truth, ((0, 0), (size // 2, size // 2)), mode="symmetric")
        expected = np.median(np.lib.stride_tricks.sliding_window_view(mirrored, size, axis=1), axis=-1)
        assert (bits.unpack(words, frames) == expected).all(), size
        assert (bits.unpack(words, 64 * len(words)).sum(1) == expected.sum(1)).all(), "bits past the last frame"
        # With ten mirrorings and more, SciPy 1.17 differs from NumPy
        if size <= 10 * frames:
            assert (expected == median_filter(truth.astype(np.uint8), size=(1, size), mode="reflect")).all()
