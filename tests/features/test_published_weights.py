"""The published values of the published weights, where their files lie in the folder `$AVKERAS_WEIGHTS`."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from avkeras.data.audioset import audioset_classes
from avkeras.features.embedders import load_embedder
from avkeras.features.networks import efficientat, openl3, vggish, yamnet
from avkeras.features.registry import EMBEDDERS

FOLDER = Path(os.environ.get("AVKERAS_WEIGHTS", "no folder given"))


def sine(hertz, rate=16_000):
    return np.sin(2 * np.pi * hertz * np.arange(3 * rate) / rate).astype("float32")


def needs(*files):
    missing = [file.name for file in files if not (FOLDER / file.name).is_file()]
    return pytest.mark.skipif(bool(missing), reason=f"not in $AVKERAS_WEIGHTS: {', '.join(missing)}")


@needs(vggish.CHECKPOINT)
def test_vggish_gives_the_values_of_its_smoke_test(tmp_path):
    folder = EMBEDDERS["vggish"].writer()(tmp_path / "vggish", FOLDER / vggish.CHECKPOINT.name)
    embedded = load_embedder(folder)(sine(1000))
    shutil.rmtree(folder)  # pytest keeps its folders
    assert embedded.shape == (3, 128)
    np.testing.assert_allclose([embedded.mean(), embedded.std()], [0.000657, 0.343], rtol=0.1)


@needs(vggish.CHECKPOINT, vggish.PCA)
def test_vggish_after_its_pca_gives_the_values_of_its_smoke_test(tmp_path):
    pca = FOLDER / vggish.PCA.name
    folder = EMBEDDERS["vggish"].writer()(tmp_path / "vggish", FOLDER / vggish.CHECKPOINT.name, pca=pca)
    embedded = load_embedder(folder)(sine(1000))
    shutil.rmtree(folder)
    np.testing.assert_allclose([embedded.mean(), embedded.std()], [126.0, 89.3], rtol=0.1)


@needs(yamnet.WEIGHTS)
def test_yamnet_hears_what_its_authors_test_for(tmp_path):
    embedder = load_embedder(EMBEDDERS["yamnet"].writer()(tmp_path / "yamnet", weights=FOLDER / yamnet.WEIGHTS.name))
    noise = np.random.default_rng(0).uniform(-1, 1, 48_000).astype("float32")
    # AudioSet's classes 494 "Silence", 495 "Sine wave" and 514 "White noise" are among the ten likeliest.
    for expected, wave in ((494, np.zeros(48_000, "float32")), (495, sine(440)), (514, noise)):
        scores = np.mean(embedder.module(wave)[0], axis=0)
        assert expected in np.argsort(scores)[-10:]


@needs(efficientat.WEIGHTS)
def test_efficientat_hears_what_sounds(tmp_path):
    folder = EMBEDDERS["efficientat"].writer()(tmp_path / "model", weights=FOLDER / efficientat.WEIGHTS.name)
    embedder = load_embedder(folder)
    noise = np.random.default_rng(0).uniform(-1, 1, 96_000).astype("float32")
    waves = {"Silence": np.zeros(96_000, "float32"), "Sine wave": sine(440, rate=32_000), "Static": noise}
    for expected, wave in waves.items():
        rows, _, whole = embedder.module(wave)
        for scores in (whole[0], np.mean(rows, axis=0)):
            assert audioset_classes()[np.argmax(scores)] == expected


@needs(openl3.WEIGHTS)
def test_openl3_takes_its_published_weights(tmp_path):
    embedder = load_embedder(EMBEDDERS["openl3"].writer()(tmp_path / "openl3", weights=FOLDER / openl3.WEIGHTS.name))
    embedded = embedder(np.random.default_rng(0).random((2, 360, 640, 3)).astype("float32"))
    assert embedded.shape == (2, 512)
    assert np.isfinite(embedded).all()
