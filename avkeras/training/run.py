"""Training that can be killed at any moment and resumed to the same end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.data.dataset_options import as_written
from avkeras.data.sampling import BalancedSampler
from avkeras.evaluation.thresholds import micro_f1
from avkeras.layers.standardization import PerBandStandardization
from avkeras.models.ensemble import ensemble
from avkeras.models.sequence_model import SequenceModel
from avkeras.runs.locks import TRAINING, locked_folder
from avkeras.training.callbacks import LastEpochs, MetricsFile, StopWhenWorse, should_stop
from avkeras.training.distribute import fit, is_chief, strategy_of

if TYPE_CHECKING:
    import tensorflow as tf


def resumable_fit(
    model: keras.Model,
    batches: Callable[[int], "tf.data.Dataset"],
    *,
    folder: str | Path,
    epochs: int,
    steps_per_epoch: int,
    validation: "tf.data.Dataset | None" = None,
    patience: int | None = None,
    keep: int = 1,
    before_first: Callable[[], None] = lambda: None,
    tensorboard: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> list[Path]:
    """Trains a compiled model to its last epoch, from the last whole one that the folder holds.

    What is needed to go on is in `folder`: `metrics.csv` and the last `keep` epochs' weights with the state of the
    optimizer and of dropout. A call on a folder that holds some epochs goes on to the same end as a run that was never
    interrupted; a kill at any moment costs one epoch at most. (Not `BackupAndRestore`: a kill while it writes spoils
    the only copy; here whole files are replaced.)

    On several devices, build the model in the scope of `avkeras.training.distribute.strategy()`; several machines share
    the folder, and the first one writes to it.

    Args:
        model: compiled, with the same initial weights in every call: set the seed before building it.
        batches: takes the number of a step, gives the batches from that step on.
        folder: of this run.
        epochs: at most.
        steps_per_epoch: batches per epoch.
        validation: whose loss decides when to stop.
        patience: epochs to compare with, see `should_stop`; None: all epochs are trained.
        keep: epochs whose weights are kept.
        before_first: called before the first epoch, and never when a run goes on.
        tensorboard: write logs for TensorBoard to `tensorboard` in the folder.
        callbacks: further ones.
        verbose: as in `fit`.

    Returns:
        The files of the last `keep` epochs' weights, oldest first.

    Raises:
        AvkerasError: another process is training into the folder, or one of these files was deleted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chief = is_chief(strategy_of(model))
    # Of several machines that train one model, only the first one writes.
    with locked_folder(folder / "epochs", TRAINING) if chief else nullcontext():
        metrics = MetricsFile(folder / "metrics.csv")
        last_epochs = LastEpochs(folder / "epochs", keep=keep)
        if done := last_epochs.done():
            model.load_weights(last_epochs.files()[-1])
        else:
            before_first()
        writers = [metrics, last_epochs]
        stopped = False
        if patience is not None:
            writers.append(StopWhenWorse(metrics, patience=patience))
            stopped = should_stop(metrics.read("val_loss", epochs=done), patience=patience)
        if tensorboard:
            writers.append(keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
        if done < epochs and not stopped:
            fit(
                model,
                batches(done * steps_per_epoch),
                validation_data=validation,
                epochs=epochs,
                initial_epoch=done,
                steps_per_epoch=steps_per_epoch,
                callbacks=[*(writers if chief else ()), *callbacks],
                verbose=verbose,
            )
        return last_epochs.ensemble_files()


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
    balance: str = "heard",
    patience: int = 7,
    keep: int = 7,
    seed: int = 0,
    augment: Callable | None = None,
    tensorboard: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> list[Path]:
    """Trains a compiled model on balanced batches with the 2019 paper's early stop (sections 3.2.2 and 3.2.8).

    It can be killed and goes on, see `resumable_fit`.

    Args:
        model: compiled, with the same initial weights in every call: set the seed before building it.
        training: clips to draw from.
        validation: clips whose loss decides when to stop.
        folder: of this run.
        epochs: at most.
        steps_per_epoch: batches per epoch.
        batch_size: clips per batch.
        max_ratio: most common class to rarest, see `BalancedSampler`.
        balance: what keeps to it, see `BalancedSampler`.
        patience: epochs to compare with, see `should_stop`; 0: it never stops early.
        keep: epochs whose weights are kept.
        seed: of the draws.
        augment: takes `(x, y, seed=(seed, step))` of a batch and returns `(x, y)`.
        tensorboard: write logs for TensorBoard to `tensorboard` in the folder.
        callbacks: further ones.
        verbose: as in `fit`.

    Returns:
        The files of the kept weights, oldest first.
    """

    def batches(first_step: int):
        sampler = BalancedSampler(
            training.targets, batch_size=batch_size, max_ratio=max_ratio, balance=balance, seed=seed
        )
        drawn = training.training_dataset(sampler, steps=epochs * steps_per_epoch, first_step=first_step)
        if augment is None:
            return drawn
        numbered = drawn.enumerate(first_step)
        return as_written(numbered.map(lambda step, batch: augment(*batch, seed=(seed, step))))

    return resumable_fit(
        model,
        batches,
        folder=folder,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation=validation.dataset(batch_size=batch_size),
        patience=patience,
        keep=keep,
        before_first=lambda: standardise(model, (x for x, _ in training.dataset(batch_size=batch_size))),
        tensorboard=tensorboard,
        callbacks=callbacks,
        verbose=verbose,
    )


def standardise(model: keras.Model, inputs: Iterable[Mapping]) -> None:
    """Sets the statistics of a model that standardises its spectrogram, from the training clips; others stay.

    Args:
        model: whose `PerBandStandardization` gets the input `audio`.
        inputs: of the model, in batches, with `audio` and `audio_mask`.
    """
    for layer in model.layers:
        if isinstance(layer, PerBandStandardization):
            layer.adapt((x["audio"], x["audio_mask"]) for x in inputs)


def best_epochs(
    model: keras.Model, files: Sequence[Path], validation: ClipSet, *, count: int, threshold: float = 0.5
) -> list[Path]:
    """Returns the epochs with the best micro-F1 on validation, in their order (Iqbal et al. 2018).

    Args:
        model: the trained model; it ends with the weights of the last file.
        files: weights, as `train` returns them.
        validation: clips.
        count: epochs that are wanted; of equally good ones the earlier.
        threshold: at which a class counts as present.
    """
    scores, batches = [], validation.dataset()
    for file in files:
        model.load_weights(file)
        scores.append(micro_f1(validation.targets, model.predict(batches, verbose=0), threshold=threshold))
    best = np.argsort(-np.array(scores), kind="stable")[:count]
    return [files[place] for place in sorted(best)]


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
