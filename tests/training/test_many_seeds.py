"""Runs that differ by their seed: one after the other as `train` alone gives them, together the same."""

from pathlib import Path

import keras
import numpy as np
import pytest

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.errors import AvkerasError
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.training.adam import Adam
from avkeras.training.callbacks import MetricsFile
from avkeras.training.many_seeds import faster_together, train_seeds
from avkeras.training.run import epoch_ensemble, train

CLASSES = ("Bus", "Car", "Train")
OPTIONS = {"epochs": 8, "steps_per_epoch": 3, "batch_size": 8, "patience": 1, "keep": 2}  # they stop at different times
SEEDS = (3, 4, 7)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """24 clips to train on, of several lengths and some without video, and 12 to predict."""
    root = tmp_path_factory.mktemp("stores")
    generator = np.random.default_rng(0)
    clips = [Clip(str(n), Path("x"), None, "train", (CLASSES[n % 3],)) for n in range(36)]
    stores = {}
    for modality, dim in (("audio", 4), ("video", 6)):
        with RecordWriter(root / modality, {"dim": dim}) as store:
            for n, clip in enumerate(clips):
                frames = 0 if modality == "video" and n % 5 == 0 else 3 + n % 2
                store.write(clip.id, "m", generator.normal(size=(frames, dim)) + n % 3)
        stores[modality] = RecordReader(root / modality)
    return ClipSet(clips[:24], stores, CLASSES), ClipSet(clips[24:], stores, CLASSES)


def build(seed, policy="float32"):
    keras.utils.set_random_seed(seed)
    model = AudiovisualTransformer(
        classes=3, dims={"audio": 4, "video": 6}, blocks=1, dim=8, key_dim=4, hidden_dim=8, dtype=policy
    )
    model.compile(Adam(0.01), "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def apart(sets):
    training, test = sets
    return {run.seed: run for run in train_seeds(build, training, {"validation": test}, seeds=SEEDS, **OPTIONS)}


@pytest.mark.slow
def test_one_after_the_other_each_run_is_what_train_gives(sets, apart, tmp_path):
    training, test = sets
    seed = SEEDS[-1]  # not the first, whose program the others take over
    model = build(seed)
    files = train(model, training, test, folder=tmp_path, seed=seed, verbose=0, **OPTIONS)
    expected = epoch_ensemble(model, files).predict(test.dataset(), verbose=0)
    np.testing.assert_allclose(apart[seed].probabilities["validation"], expected, atol=1e-6)
    np.testing.assert_allclose(apart[seed].losses, MetricsFile(tmp_path / "metrics.csv").read("val_loss"), rtol=1e-5)


@pytest.mark.slow
def test_together_each_run_is_what_it_is_apart(sets, apart):
    training, test = sets
    runs = list(train_seeds(build, training, {"validation": test}, seeds=SEEDS, together=True, **OPTIONS))
    assert sorted(run.seed for run in runs) == list(SEEDS)
    lengths = [len(run.losses) for run in runs]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 1
    for run in runs:
        np.testing.assert_allclose(run.losses, apart[run.seed].losses, rtol=1e-4)
        np.testing.assert_allclose(
            run.probabilities["validation"], apart[run.seed].probabilities["validation"], atol=1e-4
        )


def test_together_float16_is_refused(sets):
    training, test = sets
    runs = train_seeds(
        lambda seed: build(seed, "mixed_float16"), training, {"validation": test}, seeds=(1, 2), together=True
    )
    with pytest.raises(AvkerasError, match="mixed_bfloat16"):
        next(runs)


def build_small(seed):
    keras.utils.set_random_seed(seed)
    inputs = {name: keras.Input((None, dim), name=name) for name, dim in (("audio", 4), ("video", 6))}
    inputs |= {f"{name}_mask": keras.Input((None,), name=f"{name}_mask") for name in ("audio", "video")}
    mean = keras.layers.GlobalAveragePooling1D()(inputs["audio"])
    model = keras.Model(inputs, keras.layers.Dense(3, activation="sigmoid")(mean))
    model.compile(Adam(0.01), "binary_crossentropy")
    return model


def test_the_faster_way_is_measured(sets, monkeypatch):
    given = {"seeds": SEEDS, "batch_size": 8, "steps": 2}
    for seconds, faster in ((2.9, True), (3.1, False)):  # apart 1 s a run, together these for three
        clock = iter([0.0, 1.0, 0.0, seconds])
        monkeypatch.setattr("avkeras.training.many_seeds.time.perf_counter", lambda clock=clock: next(clock))
        assert faster_together(build_small, sets[0], **given) is faster
    assert not faster_together(lambda seed: build(seed, "mixed_float16"), sets[0], **given)
