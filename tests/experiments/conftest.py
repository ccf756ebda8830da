"""Embedders that are quick to build: the stand-in for sound, the mean colour for pictures."""

import numpy as np
import pytest

from avkeras.features.embedders import EmbedderSpec, load_embedder
from avkeras.features.saved_model import export_embedder


@pytest.fixture(scope="session")
def embedder_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("embedders")


@pytest.fixture(scope="session")
def embedders(embedder_cache):
    import tensorflow as tf

    weight = tf.Variable(np.random.default_rng(1).normal(size=(3, 6)).astype("float32"))
    folder = export_embedder(
        lambda pictures: tf.reduce_mean(pictures, axis=(1, 2)) @ weight,
        embedder_cache / "mean_colour",
        spec=EmbedderSpec("mean_colour", "video", 6, size=(8, 12)),
        tracked=weight,
    )
    return {"audio": load_embedder("vggish_stand_in", cache_dir=embedder_cache), "video": load_embedder(folder)}
