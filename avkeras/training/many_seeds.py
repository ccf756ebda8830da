"""Many runs of one model that differ by their seed alone: one after the other, or together in one program."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from avkeras.data.clip_set import ClipSet
from avkeras.data.sampling import BalancedSampler
from avkeras.errors import AvkerasError
from avkeras.training.callbacks import should_stop
from avkeras.training.stacked import StackedModels


@dataclass
class SeedRun:
    """What one run gave.

    Args:
        seed: of its weights, dropout and draws.
        losses: on validation, per epoch that it was trained for.
        probabilities: per set of clips `(clips, classes)`, averaged over the last epochs (2019, section 3.2.9).
    """

    seed: int
    losses: list[float] = field(default_factory=list)
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)


def train_seeds(
    build: Callable[[int], keras.Model],
    training: ClipSet,
    sets: Mapping[str, ClipSet],
    *,
    seeds: Sequence[int],
    together: bool = False,
    epochs: int = 30,
    steps_per_epoch: int = 300,
    batch_size: int = 40,
    max_ratio: float = 5.0,
    patience: int = 7,
    keep: int = 7,
) -> Iterator[SeedRun]:
    """Trains one model per seed with the 2019 paper's schedule (sections 3.2.2, 3.2.8 and 3.2.9), and keeps no weights.

    Each run is what `avkeras.training.run.train` and `epoch_ensemble` give for its seed. One after the other they share
    one compiled program. `together`, the models' weights are stacked and every operation does the work of all runs:
    the same results within rounding, and worth it where one of these small models leaves a device idle
    (`benchmarks/many_seeds.py`).

    Args:
        build: takes a seed, gives a compiled model with binary cross-entropy whose weights depend on the seed alone.
        training: clips to draw from.
        sets: clips to predict after each epoch; the loss on `validation` decides when to stop.
        seeds: one run each.
        together: all runs in one program; else one after the other.
        epochs: at most.
        steps_per_epoch: batches per epoch.
        batch_size: clips per batch and run.
        max_ratio: most common class to rarest, see `BalancedSampler`.
        patience: epochs to compare with, see `should_stop`.
        keep: last epochs whose probabilities are averaged.

    Yields:
        A `SeedRun` per seed as it ends; together, these that stop early come first.

    Raises:
        AvkerasError: `together` with a model in float16, whose loss scale belongs to one run; Keras does not run on
            TensorFlow, whose graphs this shares.

    Example:
        >>> import tempfile
        >>> from avkeras.data.manifest import Clip
        >>> from avkeras.data.records import RecordReader, RecordWriter
        >>> folder = tempfile.mkdtemp() + "/audio"
        >>> with RecordWriter(folder, {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((3, 2)))
        >>> clips = ClipSet([Clip("a1", "a1.wav", None, "train", ("Car",))], {"audio": RecordReader(folder)}, ["Car"])
        >>> def build(seed):
        ...     keras.utils.set_random_seed(seed)
        ...     inputs = {"audio": keras.Input((None, 2), name="audio")}
        ...     inputs["audio_mask"] = keras.Input((None,), name="audio_mask")
        ...     mean = keras.layers.GlobalAveragePooling1D()(inputs["audio"])
        ...     model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(mean))
        ...     model.compile("adam", "binary_crossentropy")
        ...     return model
        >>> options = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 1}
        >>> [len(run.losses) for run in train_seeds(build, clips, {"validation": clips}, seeds=(0, 1), **options)]
        [2, 2]
    """
    if keras.backend.backend() != "tensorflow":
        raise AvkerasError(
            f"KERAS_BACKEND={keras.backend.backend()}: many seeds in one program share a graph of TensorFlow: "
            "set KERAS_BACKEND=tensorflow, or train them one by one (avkeras train --seed)"
        )
    samplers = {
        seed: BalancedSampler(training.targets, batch_size=batch_size, max_ratio=max_ratio, seed=seed) for seed in seeds
    }
    results = {seed: _Result(SeedRun(seed), sets, patience=patience, keep=keep) for seed in seeds}
    options = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    yield from (_together if together else _apart)(build, training, sets, samplers, results, **options)


def faster_together(
    build: Callable[[int], keras.Model],
    training: ClipSet,
    *,
    seeds: Sequence[int],
    batch_size: int = 40,
    steps: int = 10,
) -> bool:
    """Times training steps both ways and returns whether `together` is the faster one on this machine.

    Args:
        build: see `train_seeds`.
        training: see `train_seeds`.
        seeds: of the runs that would be together.
        batch_size: clips per batch and run.
        steps: that are timed, after as many that are not.
    """
    alone = build(seeds[0])
    if len(seeds) < 2 or isinstance(alone.optimizer, keras.optimizers.LossScaleOptimizer):
        return False
    sampler = BalancedSampler(training.targets, batch_size=batch_size, seed=seeds[0])
    one = next(iter(training.training_dataset(sampler, steps=1)))
    all_of_them = next(iter(training.training_dataset(_SideBySide([sampler] * len(seeds)), steps=1)))
    alone.make_train_function()
    endless = iter(tf.data.Dataset.from_tensors(one).repeat())
    models = StackedModels(build(seed) for seed in seeds)
    apart = _seconds(lambda: alone.train_function(endless), steps)
    return _seconds(lambda: models.train_step(*all_of_them), steps) < len(seeds) * apart


def _seconds(step: Callable[[], object], steps: int) -> float:
    for _ in range(steps):
        last = step()
    tf.nest.map_structure(np.asarray, last)  # a GPU's work is done when its result is here
    start = time.perf_counter()
    for _ in range(steps):
        last = step()
    tf.nest.map_structure(np.asarray, last)
    return time.perf_counter() - start


class _Result:
    """Follows one run from epoch to epoch."""

    def __init__(self, run: SeedRun, sets: Mapping[str, ClipSet], *, patience: int, keep: int) -> None:
        self.run = run
        self.targets = sets["validation"].targets.astype(np.float64)
        self.patience = patience
        self.keep = keep
        self.last: list[dict[str, np.ndarray]] = []

    def add_epoch(self, probabilities: dict[str, np.ndarray]) -> bool:
        """Takes what is predicted after an epoch; returns whether the run is over."""
        self.run.losses.append(_cross_entropy(self.targets, probabilities["validation"]))
        self.last = [*self.last[-self.keep + 1 :], probabilities] if self.keep > 1 else [probabilities]
        return should_stop(self.run.losses, patience=self.patience)

    def end(self) -> SeedRun:
        self.run.probabilities = {name: np.mean([epoch[name] for epoch in self.last], axis=0) for name in self.last[0]}
        return self.run


def _cross_entropy(targets, probabilities) -> float:
    """Binary cross-entropy as Keras computes it, in float64."""
    given = np.clip(probabilities.astype(np.float64), keras.config.epsilon(), 1 - keras.config.epsilon())
    return float(-np.mean(targets * np.log(given) + (1 - targets) * np.log(1 - given)))


def _apart(build, training, sets, samplers, results, *, epochs, steps_per_epoch) -> Iterator[SeedRun]:
    model = None
    batches = {name: clips.dataset() for name, clips in sets.items()}
    for seed, sampler in samplers.items():
        fresh = build(seed)
        if model is None:
            model = fresh
            model.optimizer.build(model.trainable_variables)
            at_first = [variable.numpy() for variable in model.optimizer.variables]
        else:  # into the model that is compiled already: building its program takes longer than many a run
            _assign(_state(model), _state(fresh))
            _assign(model.optimizer.variables, at_first)
        result = results[seed]

        def epoch_end(epoch, logs, model=model, result=result):
            predicted = {name: model.predict(given, verbose=0) for name, given in batches.items()}
            model.stop_training = result.add_epoch(predicted)

        model.stop_training = False
        model.fit(
            training.training_dataset(sampler, steps=epochs * steps_per_epoch),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=epoch_end)],
            shuffle=False,  # the sampler has done that
            verbose=0,
        )
        yield result.end()


def _state(model: keras.Model) -> list:
    """Returns a model's weights and the states of its random generators."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def _assign(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class _SideBySide:
    """A sampler that puts the batches of several beside each other."""

    def __init__(self, samplers: Sequence[BalancedSampler]) -> None:
        self.samplers = samplers

    def batches(self, first: int, stop: int) -> np.ndarray:
        return np.concatenate([sampler.batches(first, stop) for sampler in self.samplers], axis=1)


def _together(build, training, sets, samplers, results, *, epochs, steps_per_epoch) -> Iterator[SeedRun]:
    models = StackedModels(build(seed) for seed in samplers)
    if models.scales_loss:
        raise AvkerasError("together: float16 scales the loss of each run apart; give mixed_bfloat16 or float32")
    batches = iter(training.training_dataset(_SideBySide(list(samplers.values())), steps=epochs * steps_per_epoch))
    predictable = {name: clips.dataset() for name, clips in sets.items()}
    open_runs = dict(enumerate(results.values()))
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            models.train_step(*next(batches))
        predicted = {name: models.predict(given) for name, given in predictable.items()}
        for place, result in list(open_runs.items()):
            if result.add_epoch({name: values[place] for name, values in predicted.items()}):
                yield open_runs.pop(place).end()
        if not open_runs:
            return
    for result in open_runs.values():
        yield result.end()
