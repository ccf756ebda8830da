"""The outline of the two-stream network of Parekh et al. (2018)."""

import numpy as np
import pytest
from plain_formulas import double, shaken, softmax

from avkeras.features.registry import KNOWN
from avkeras.systems import find_system

SYSTEM = find_system("two_stream")
RANDOM = np.random.default_rng(1)


def stream(x, weights, name):
    """What one modality says of one clip, from its instances."""
    (kernel, bias), (scores, offset), (places, shift) = (
        weights[f"{name}_{part}"] for part in ("map", "scores", "places")
    )
    x = np.maximum(x.astype("float64") @ kernel + bias, 0)
    total = ((x @ scores + offset) * softmax(x @ places + shift, axis=0)).sum(axis=0)
    return total / np.sqrt((total**2).sum() + 1e-6)


@pytest.mark.parametrize("regions", [1, 3])
def test_its_answer_is_that_of_the_formula_and_an_absent_modality_has_no_term(regions):
    model = shaken(SYSTEM.build(classes=4, dims={"audio": 5, "video": 6}, units=7, regions=regions))
    audio, video = (RANDOM.normal(size=shape).astype("float32") for shape in ((3, 8, 5), (3, 4, 6)))
    heard = np.arange(8) < np.array([[8], [5], [8]])
    seen = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    clips = {"audio": np.where(heard[..., None], audio, np.nan), "audio_mask": heard}
    clips |= {"video": np.where(seen[..., None], video, np.nan), "video_mask": seen}
    weights, wanted = double(model), []
    for clip in range(3):
        total = stream(audio[clip, heard[clip]], weights, "audio")
        if seen[clip].any():
            total = total + stream(video[clip, seen[clip]].reshape(-1, 6 // regions), weights, "video")
        wanted.append((total + 2) / 4)
    np.testing.assert_allclose(model.predict(clips, verbose=0), wanted, atol=1e-5)


def test_its_loss_is_the_hinge_of_each_class():
    true = np.array([[1.0, 0.0, 1.0, 0.0]])
    scores = np.array([[1.5, -0.25, -1.0, 0.5]])
    found = SYSTEM.loss(true, (scores + 2) / 4)
    np.testing.assert_allclose(found, [np.mean([0, 0.75, 2, 1.5])], rtol=1e-6)


def test_its_size_is_that_of_the_table():
    sound, pictures = SYSTEM.values["embedders"]
    dims = {"audio": KNOWN[sound].dim, "video": KNOWN[pictures].dim}
    model = SYSTEM.build(classes=17, dims=dims, **SYSTEM.options)
    expected = sum(dim * 128 + 128 + 2 * (128 * 17 + 17) for dim in dims.values())
    assert expected == SYSTEM.parameters
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == SYSTEM.parameters
    assert model.output.shape == (None, 17)


def test_whoever_reads_its_figures_reads_that_it_is_an_outline():
    assert all("outline" in one.source for one in SYSTEM.published)
    assert "outline" in SYSTEM.title
