"""Data-parallel training on the GPUs of one machine or of several, equal to training on one device.

One device, JAX or PyTorch: nothing here is needed, and `fit` is `model.fit`. Otherwise build and compile the model in
the scope of a strategy; `fit` then gives each replica every n-th clip of the global batch, so that all get the same
mix of clips:

    strategy = distribute.strategy()
    with strategy.scope():
        model = ...
        model.compile(...)
    distribute.fit(model, batches, epochs=30, steps_per_epoch=300)

On several machines, run the same program on each, with its own index in the environment variable TF_CONFIG:

    TF_CONFIG='{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'

`model.fit` of Keras 3 fails under `MultiWorkerMirroredStrategy` (keras-team/keras issue 20585), and under
`MirroredStrategy` for inputs with masks: `fit` runs the model's own training step in a loop that works under both.

What equals one device with the same global batches, within rounding: losses, gradients, weights, the average of a
mean teacher. What does not: dropout and other noise, which every replica draws for itself, so that no two parts of a
batch share a mask; and batch normalisation, which normalises by the statistics of the replica's part. Its moving
statistics are averaged over the replicas after every epoch; as their update is linear, that is exact.

Each worker reads every global batch and keeps its part: batches may be mixed (`mixup`) before they are shared out, and
a part is the same wherever it is computed.

A worker that dies ends the others with `tf.errors.UnavailableError` within some ten seconds, one that hangs with
`tf.errors.DeadlineExceededError` after the time-out of `strategy`; start all of them again to go on from the last
checkpoint. Weights that the first worker has written are those of an ordinary model. Load them into one that was built
outside of the scope to predict: Keras' `predict` and `evaluate` of the other wait for all workers.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import keras
from keras import ops

from avkeras.training.replicas import Replicas

if TYPE_CHECKING:
    import tensorflow as tf


def strategy(*, timeout: float = 600.0) -> "tf.distribute.Strategy":
    """Returns the strategy for the devices that there are; call it before anything else uses TensorFlow.

    Several workers in TF_CONFIG: `MultiWorkerMirroredStrategy`, which waits until all of them have started. Otherwise
    several GPUs: `MirroredStrategy`. Otherwise TensorFlow's default, under which nothing is distributed.

    Args:
        timeout: seconds that a worker waits for the others in one exchange, after which it fails. It must be longer
            than what one does alone between two steps, such as writing weights.

    Example:
        >>> strategy().num_replicas_in_sync >= 1
        True
    """
    import tensorflow as tf

    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
    if sum(len(cluster.get(job, ())) for job in ("chief", "worker")) > 1:
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout)
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def strategy_of(model: keras.Model) -> "tf.distribute.Strategy | None":
    """Returns the strategy in whose scope a model was built; None on another backend than TensorFlow.

    Example:
        >>> strategy_of(keras.Sequential()).num_replicas_in_sync
        1
    """
    return model.distribute_strategy if keras.backend.backend() == "tensorflow" else None


def scope_of(model: keras.Model) -> AbstractContextManager:
    """Returns what variables that a built model still gets are made in: its strategy's scope, if it has a strategy.

    Example:
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> with scope_of(model):
        ...     model.compile("sgd", "mse")
    """
    strategy = strategy_of(model)
    return nullcontext() if strategy is None else strategy.scope()


def is_chief(strategy: "tf.distribute.Strategy | None") -> bool:
    """Returns whether this process is the one that writes files: the first worker, or the only process.

    Example:
        >>> is_chief(strategy())
        True
    """
    return strategy is None or strategy.extended.should_checkpoint


def fit(
    model: keras.Model,
    batches: "tf.data.Dataset",
    *,
    epochs: int,
    steps_per_epoch: int,
    initial_epoch: int = 0,
    validation_data: "tf.data.Dataset | None" = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = 0,
) -> keras.callbacks.History:
    """Trains a compiled model on all replicas of the strategy in whose scope it was built.

    At the start every worker takes over the weights, optimizer and random states of the first one: only that one need
    load a checkpoint. At the end of every epoch all hold the same weights.

    Args:
        model: built and compiled in `strategy.scope()`.
        batches: global batches, the same on every worker; their size is a multiple of the number of replicas.
        epochs: number of the last epoch.
        steps_per_epoch: batches per epoch.
        initial_epoch: epochs already done, the same on every worker.
        validation_data: batches of any size.
        callbacks: of this worker. Those that write files belong on the chief: `[...] if is_chief(strategy) else []`.
            One that stops the training stops it on all; one that changes the model must run on all. Steps have no logs.
        verbose: as in `model.fit`.

    Returns:
        The history, equal on all workers.

    Raises:
        ValueError: the model is trained in a way that would not be equal to one device.
        tf.errors.InvalidArgumentError: a batch cannot be shared out evenly.

    Example:
        >>> import tensorflow as tf
        >>> with strategy().scope():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        >>> batches = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1)))).repeat()
        >>> list(fit(model, batches, epochs=1, steps_per_epoch=2).history)
        ['loss']
    """
    strategy = strategy_of(model)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return model.fit(
            batches,
            epochs=epochs,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation_data,
            callbacks=list(callbacks),
            shuffle=False,  # of a data set, Keras can only say that it does not
            verbose=verbose,
        )
    _refuse_what_would_differ(model.optimizer)
    replicas = Replicas(model, batches)
    callbacks = keras.callbacks.CallbackList(
        list(callbacks),
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps_per_epoch,
    )
    model.stop_training = False
    callbacks.on_train_begin()
    training = iter(replicas.share(batches, even=True))
    replicas.start()
    validation = None if validation_data is None else replicas.share(validation_data, even=False)
    logs = {}
    for epoch in range(initial_epoch, epochs):
        callbacks.on_epoch_begin(epoch)
        model.reset_metrics()
        for step in range(steps_per_epoch):
            callbacks.on_train_batch_begin(step)
            replicas.train(next(training))
            callbacks.on_train_batch_end(step)
        logs = _metrics(model)
        replicas.average()
        if validation is not None:
            model.reset_metrics()
            callbacks.on_test_begin()
            for batch in validation:
                replicas.test(batch)
            validation_logs = _metrics(model)
            callbacks.on_test_end(validation_logs)
            logs |= {f"val_{name}": value for name, value in validation_logs.items()}
        callbacks.on_epoch_end(epoch, logs)
        if replicas.any(model.stop_training):
            break
    callbacks.on_train_end(logs)
    return model.history


@keras.saving.register_keras_serializable(package="avkeras")
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling for float16 on several replicas: a step is left out on all of them, or on none.

    Keras' own looks at the gradients of one replica only, and lets another's infinities into the weights.

    Args:
        inner_optimizer: that updates the weights.
        **kwargs: those of `keras.optimizers.LossScaleOptimizer`.

    Example:
        >>> LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=2.0**10).initial_scale
        1024.0
    """

    def check_finite(self, grads):
        """Returns whether the gradients of all replicas are finite."""
        finite = super().check_finite(grads)
        if keras.backend.backend() != "tensorflow":
            return finite
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return finite
        return ops.equal(replica.all_reduce(tf.distribute.ReduceOp.SUM, ops.cast(~finite, "int32")), 0)


def _refuse_what_would_differ(optimizer):
    inner = optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        if not isinstance(optimizer, LossScaleOptimizer):
            raise ValueError(
                "Keras' loss scaling sees the gradients of one replica only; compile the model with "
                "avkeras.training.distribute.LossScaleOptimizer(optimizer), or use bfloat16, which needs none"
            )
        inner = optimizer.inner_optimizer
    for option in ("clipnorm", "global_clipnorm", "clipvalue", "gradient_accumulation_steps"):
        if getattr(inner, option, None) is not None:
            raise ValueError(f"{option} works on the gradients of each replica, not on their sum; leave it out")


def _metrics(model):
    return {name: float(value) for name, value in model.get_metrics_result().items()}
