import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from avkeras.training.callbacks import BestEpoch, LastEpochs, MetricsFile, StopWhenWorse, should_stop


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([], False),
        ([1, 2, 3], False),  # too few epochs to compare with
        ([1, 2, 3, 4], True),  # higher than each of the 3 before
        ([9, 1, 2, 3, 4], True),  # the 9 is too long ago
        ([1, 4, 2, 3, 4], False),  # equal to one of them
        ([5, 4, 3, 2], False),
        # What tells this rule from EarlyStopping(patience=3): no improvement on the best for long, and yet no stop.
        ([0.1, 0.9, 0.8, 0.85, 0.8, 0.86, 0.8, 0.86, 0.8], False),
        # ... and a stop right after the best epoch left the window of comparison.
        ([0.5, 0.3, 0.2, 0.1, 0.6], True),
    ],
)
def test_hand_made_histories(losses, stops):
    assert should_stop(losses, patience=3) is stops


def test_the_default_compares_with_7_epochs():
    assert not should_stop([1, 2, 3, 4, 5, 6, 7])
    assert should_stop([1, 2, 3, 4, 5, 6, 7, 8])


def test_training_stops_at_the_epoch_of_the_rule(tmp_path):
    losses = [0.5, 0.4, 0.45, 0.3, 0.31, 0.29, 0.6, 0.1, 0.1]

    class Scripted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = losses[epoch]

    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    metrics = MetricsFile(tmp_path / "metrics.csv")
    model.fit(
        np.ones((2, 1)), np.ones((2, 1)), epochs=9, verbose=0,
        callbacks=[Scripted(), metrics, StopWhenWorse(metrics, patience=3)],
    )  # fmt: skip
    assert metrics.read("val_loss") == losses[:7]
    assert metrics.read("val_loss", epochs=2) == losses[:2]


def test_rows_of_epochs_that_are_run_again_are_replaced(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    for epoch, loss in ((0, 0.5), (1, 0.4), (2, 0.3), (1, 0.25)):
        metrics.on_epoch_end(epoch, {"loss": loss})
    assert metrics.read("loss") == [0.5, 0.25]


def test_the_last_epochs_are_kept(tmp_path):
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    last = LastEpochs(tmp_path / "epochs", keep=3)
    last.set_model(model)
    for epoch in range(5):
        model.layers[-1].kernel.assign([[float(epoch)]])
        last.on_epoch_end(epoch)
    assert [file.name for file in last.files()] == [f"epoch-{number:03d}.weights.h5" for number in (3, 4, 5)]
    model.load_weights(last.files()[0])
    assert float(model.layers[-1].kernel[0, 0]) == 2.0


@pytest.mark.parametrize("callback", ["LastEpochs(folder)", "BestEpoch(folder, lambda: 0.5)"])
def test_weights_that_a_full_disk_has_no_room_for_are_one_line(tmp_path, callback):
    """A limit on the size of files stands for the disk; HDF5 must not end the process by a crash."""
    program = f"""
        import resource, sys
        import keras
        from avkeras.commands.terminal import one_line_errors
        from avkeras.training.callbacks import BestEpoch, LastEpochs
        folder = sys.argv[1]
        model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300), keras.layers.Dense(300)])
        callback = {callback}
        callback.set_model(model)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        with one_line_errors():
            callback.on_epoch_end(0)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    name = "epoch-001" if callback.startswith("Last") else "best"
    line = f"error: {tmp_path}/{name}.weights.h5: cannot be written: File too large"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, line)
    assert not list(tmp_path.iterdir())


def test_the_best_epoch_is_kept_and_training_stops_when_none_is_better(tmp_path):
    scores = iter((0.2, 0.5, 0.5, 0.4, 0.9))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    weights = []
    best = BestEpoch(tmp_path, lambda: next(scores), patience=2)
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()[0].item())
    )
    history = model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=5, verbose=0, callbacks=[note, best]).history
    assert len(history["loss"]) == 4  # the second epoch is best; the third is no better, nor is the fourth
    assert best.best() == {"epoch": 2, "score": 0.5}
    assert best.stopped(4)
    assert not best.stopped(3)
    model.load_weights(best.file)
    assert model.get_weights()[0].item() == weights[1]


def test_an_epoch_that_is_run_again_is_scored_again(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for epoch, score in ((0, 0.1), (1, 0.7), (1, 0.6), (2, 0.5)):
        best = BestEpoch(tmp_path, lambda score=score: score, weights=model)
        best.on_epoch_end(epoch)
    assert best.best() == {"epoch": 2, "score": 0.6}


def test_epochs_are_in_the_order_of_their_numbers(tmp_path):
    callback = LastEpochs(tmp_path, keep=3)
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    for epoch in range(997, 1001):
        callback.on_epoch_end(epoch)
    assert [file.name[:10] for file in callback.files()] == ["epoch-999.", "epoch-1000", "epoch-1001"]
    assert callback.done() == 1001


def test_a_score_that_is_nan_is_worse_than_any_number(tmp_path):
    scores = iter([float("nan"), 0.5, float("nan"), 0.4])
    callback = BestEpoch(tmp_path, lambda: next(scores))
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    for epoch in range(4):
        callback.on_epoch_end(epoch)
    assert callback.best() == {"epoch": 2, "score": 0.5}


def test_a_metric_of_every_class_has_a_column_of_each(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.on_epoch_end(0, {"loss": 0.5, "f1": np.array([0.25, 0.75])})
    assert (file.read("loss"), file.read("f1_0"), file.read("f1_1")) == ([0.5], [0.25], [0.75])


def test_early_stopping_without_validation_says_what_it_needs(tmp_path):
    callback = StopWhenWorse(MetricsFile(tmp_path / "metrics.csv"))
    with pytest.raises(ValueError, match="give fit its validation_data"):
        callback.on_epoch_end(0, {"loss": 1.0})
