"""Training that can be killed at any moment and resumed to the same end."""

from collections.abc import Sequence
from pathlib import Path

import keras

from avkeras.data.clip_set import ClipSet
from avkeras.data.sampling import BalancedSampler
from avkeras.models.ensemble import ensemble
from avkeras.models.sequence_model import SequenceModel
from avkeras.training.callbacks import LastEpochs, MetricsFile, StopWhenWorse, should_stop
from avkeras.training.distribute import fit, is_chief


def train(
    model: keras.Model,
    training: ClipSet,
    validation: ClipSet,
    *,
    folder: str | Path,
    epochs: int = 30,
    steps_per_epoch: int = 300,
    batch_size: int = 40,
    max_ratio: float = 5.0,
    patience: int = 7,
    keep: int = 7,
    seed: int = 0,
    tensorboard: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> list[Path]:
    """Trains a compiled model on balanced batches with the 2019 paper's early stop (sections 3.2.2 and 3.2.8).

    What is needed to go on is in `folder`: `metrics.csv` and the last `keep` epochs' weights with the state of the
    optimizer and of dropout. A call on a folder that holds some epochs goes on after the last whole one, to the same
    end as a run that was never interrupted.

    On several devices, build the model in the scope of `avkeras.training.distribute.strategy()`; several machines share
    the folder, and the first one writes to it.

    Args:
        model: compiled, with the same initial weights in every call: set the seed before building it.
        training: clips to draw from.
        validation: clips whose loss decides when to stop.
        folder: of this run.
        epochs: at most.
        steps_per_epoch: batches per epoch.
        batch_size: clips per batch.
        max_ratio: most common class to rarest, see `BalancedSampler`.
        patience: epochs to compare with, see `should_stop`.
        keep: epochs whose weights are kept.
        seed: of the draws.
        tensorboard: write logs for TensorBoard to `tensorboard` in the folder.
        callbacks: further ones.
        verbose: as in `fit`.

    Returns:
        The files of the kept weights, oldest first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = MetricsFile(folder / "metrics.csv")
    last_epochs = LastEpochs(folder / "epochs", keep=keep)
    done = 0
    if files := last_epochs.files():
        done = int(files[-1].name.split("-")[1].split(".")[0])
        model.load_weights(files[-1])
    losses = metrics.read("val_loss", epochs=done)
    if done < epochs and not should_stop(losses, patience=patience):
        sampler = BalancedSampler(training.targets, batch_size=batch_size, max_ratio=max_ratio, seed=seed)
        writers = [metrics, last_epochs, StopWhenWorse(metrics, patience=patience)]
        if tensorboard:
            writers.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
        fit(
            model,
            training.training_dataset(sampler, steps=epochs * steps_per_epoch, first_step=done * steps_per_epoch),
            validation_data=validation.dataset(batch_size=batch_size),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps_per_epoch,
            callbacks=[*(writers if is_chief(model.distribute_strategy) else ()), *callbacks],
            verbose=verbose,
        )
    return last_epochs.files()


def epoch_ensemble(model: keras.Model, files: Sequence[Path]) -> SequenceModel:
    """Returns the model that averages the probabilities of several epochs, class by class (2019, section 3.2.9).

    Args:
        model: the trained model; it ends with the weights of the last file.
        files: weights, as `train` returns them.
    """

    def epochs():
        for file in files:
            model.load_weights(file)
            yield model

    return ensemble(epochs())
