"""Training on real stores, killed for real, resumed to the same end."""

import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from event_files import read_scalars

from avkeras.errors import AvkerasError
from avkeras.runs.locks import TRAINING, locked_folder
from avkeras.training import run as run_module
from avkeras.training.callbacks import MetricsFile
from avkeras.training.run import resumable_fit

SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import keras
    import numpy as np
    from avkeras.data.manifest import Clip
    from avkeras.data.clip_set import ClipSet
    from avkeras.data.records import RecordReader, RecordWriter
    from avkeras.models.audiovisual_transformer import AudiovisualTransformer
    from avkeras.training.adam import Adam
    from avkeras.training.run import epoch_ensemble, train

    root, run = Path(sys.argv[1]), sys.argv[2]
    generator = np.random.default_rng(0)
    classes = ("Bus", "Car")
    clips = [Clip(str(n), Path("x"), None, "train", (classes[n % 2],)) for n in range(24)]
    stores = {}
    for modality, dim in (("audio", 4), ("video", 6)):
        with RecordWriter(root / run / modality, {"dim": dim}) as store:
            for n, clip in enumerate(clips):
                store.write(clip.id, "m", generator.normal(size=(3 + n % 2, dim)) + n % 2)
        stores[modality] = RecordReader(root / run / modality)
    clip_set = ClipSet(clips, stores, classes)

    class Say(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print("batch", batch, flush=True)

    keras.utils.set_random_seed(1)
    model = AudiovisualTransformer(classes=2, dims=clip_set.dims, blocks=1, dim=8, key_dim=4, hidden_dim=8)
    model.compile(Adam(0.01), "binary_crossentropy")
    files = train(model, clip_set, clip_set, folder=root / run / "training", epochs=5, steps_per_epoch=4,
                  batch_size=8, keep=3, seed=2, callbacks=[Say()], verbose=0)
    probabilities = epoch_ensemble(model, files).predict(clip_set.dataset(batch_size=8), verbose=0)
    np.save(root / run / "probabilities.npy", probabilities)
    """
)


def run(folder, name, kill_after=None):
    """Runs the script; kills it after so many batches. Returns the number of batches seen."""
    batches = 0
    with subprocess.Popen([sys.executable, "-c", SCRIPT, folder, name], stdout=subprocess.PIPE, text=True) as process:
        for _ in process.stdout:
            batches += 1
            if batches == kill_after:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    if kill_after is None:
        assert process.returncode == 0
    return batches


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(folder):
    assert run(folder, "whole") == 20
    run(folder, "killed", kill_after=10)
    assert 4 <= run(folder, "killed") < 20
    expected, found = (np.load(folder / name / "probabilities.npy") for name in ("whole", "killed"))
    np.testing.assert_array_equal(found, expected)
    histories = [MetricsFile(folder / name / "training" / "metrics.csv").read("loss") for name in ("whole", "killed")]
    assert len(histories[0]) == 5
    assert histories[0] == histories[1]
    # Once it has ended, nothing is trained again.
    assert run(folder, "killed") == 0

    # TensorBoard has every epoch of either run; one that was killed may have been logged twice, with the same values.
    for name, losses in zip(("whole", "killed"), histories, strict=True):
        logs = folder / name / "training" / "tensorboard"
        scalars = read_scalars(logs / "train")
        np.testing.assert_allclose(list(dict(scalars["epoch_loss"]).values()), losses, rtol=1e-6)
        assert list(dict(scalars["epoch_loss"])) == list(range(5))
        assert {round(value, 6) for _, value in scalars["epoch_learning_rate"]} == {0.01}
        validation = MetricsFile(folder / name / "training" / "metrics.csv").read("val_loss")
        np.testing.assert_allclose(
            list(dict(read_scalars(logs / "validation")["epoch_loss"]).values()), validation, rtol=1e-6
        )
    assert len(list((folder / "killed/training/tensorboard/train").iterdir())) == 2


def dense():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def batches(first_step):
    return tf.data.Dataset.from_tensors((np.ones((2, 1)), np.ones((2, 1)))).repeat()


def test_a_second_training_in_one_folder_is_refused_and_harms_nothing(tmp_path):
    files = {}

    def second(epoch, logs):
        files[epoch] = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(AvkerasError, match="another process is training into this folder; wait for it"):
            resumable_fit(dense(), batches, folder=tmp_path, epochs=9, steps_per_epoch=1, keep=1, verbose=0)
        assert files[epoch] == {path: path.read_bytes() for path in files[epoch]}

    kept = resumable_fit(
        dense(),
        batches,
        folder=tmp_path,
        epochs=2,
        steps_per_epoch=1,
        keep=2,
        tensorboard=False,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=second)],
        verbose=0,
    )
    assert len(files) == len(kept) == 2


def test_only_the_first_of_several_workers_takes_the_lock(tmp_path, monkeypatch):
    options = {"folder": tmp_path, "epochs": 1, "steps_per_epoch": 1, "verbose": 0}
    with locked_folder(tmp_path / "epochs", TRAINING):
        monkeypatch.setattr(run_module, "is_chief", lambda strategy: False)
        assert resumable_fit(dense(), batches, **options) == []


def test_an_epoch_that_was_deleted_is_not_left_out_of_the_ensemble(tmp_path):
    first, second = (tmp_path / "epochs" / f"epoch-00{number}.weights.h5" for number in (1, 2))
    options = {"folder": tmp_path, "epochs": 3, "steps_per_epoch": 1, "verbose": 0, "tensorboard": False}
    delete = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epoch == 2 and second.unlink())
    line = "epoch-002.weights.h5: is missing, and the ensemble of the last 2 epochs needs it; put it back"
    with pytest.raises(AvkerasError, match=line):
        resumable_fit(dense(), batches, **options, keep=2, callbacks=[delete])
    with pytest.raises(AvkerasError, match=line):  # nor when it goes on
        resumable_fit(dense(), batches, **options, keep=2)
    assert not first.exists()  # which no ensemble needs
    assert [file.name for file in resumable_fit(dense(), batches, **options, keep=1)] == ["epoch-003.weights.h5"]
