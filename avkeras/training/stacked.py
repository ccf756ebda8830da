"""Models of one shape with their weights stacked, so that one operation does the work of all of them."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf


class StackedModels:
    """Trains and runs several models of one architecture in one program.

    Each of them ends where it would alone, within rounding: weights and random states of its own, its own batches, and
    an optimizer that works value by value (Adam, SGD, ... without clipping by norm).

    Args:
        models: compiled alike, with binary cross-entropy; they may be built one by one, as only weights are kept.

    Example:
        >>> def build(seed):
        ...     keras.utils.set_random_seed(seed)
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
        ...     model.compile("adam", "binary_crossentropy")
        ...     return model
        >>> models = StackedModels(build(seed) for seed in range(3))
        >>> models.train_step(tf.ones((3 * 4, 2)), tf.ones((3 * 4, 1))).shape
        TensorShape([3])
    """

    def __init__(self, models: Iterable[keras.Model]) -> None:
        trainable, others = [], []
        for model in models:
            self._model = model  # the last one's layers compute for all
            trainable.append([variable.numpy() for variable in model.trainable_variables])
            others.append([variable.numpy() for variable in model.non_trainable_variables])
        self.count = len(trainable)
        self.scales_loss = isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer)
        names = [variable.path.replace("/", "_") for variable in self._model.trainable_variables]
        self.trainable = [
            keras.Variable(np.stack(values), name=name)
            for name, values in zip(names, zip(*trainable, strict=True), strict=True)
        ]
        self.others = [tf.Variable(np.stack(values)) for values in zip(*others, strict=True)]
        self.optimizer = type(self._model.optimizer).from_config(self._model.optimizer.get_config())
        self.optimizer.build(self.trainable)
        self.train_step = tf.function(self._train_step)
        self._predict_step = tf.function(self._predict, reduce_retracing=True)

    def _values(self) -> tuple[list, list]:
        return [variable.value for variable in self.trainable], [variable.read_value() for variable in self.others]

    def _train_step(self, inputs, targets):
        """One step of every model.

        Args:
            inputs: of all models, one model's batch after the other: `(models * batch, ...)`.
            targets: `(models * batch, classes)`.

        Returns:
            The loss of each model, `(models,)`.
        """
        inputs, targets = tf.nest.map_structure(self._apart, (inputs, targets))
        trainable, others = self._values()

        def loss(given):
            weights, states, x, y = given
            probabilities, states = self._model.stateless_call(weights, states, x, training=True)
            return keras.ops.mean(keras.losses.binary_crossentropy(y, probabilities)), states

        with tf.GradientTape() as tape:
            trainable = [tf.convert_to_tensor(value) for value in trainable]
            tape.watch(trainable)
            losses, states = tf.vectorized_map(loss, (trainable, others, inputs, targets))
            total = tf.reduce_sum(losses)  # no model's loss depends on another's weights
        self.optimizer.apply(tape.gradient(total, trainable), self.trainable)
        for variable, state in zip(self.others, states, strict=True):
            variable.assign(state)
        return losses

    def _apart(self, tensor):
        return tf.reshape(tensor, tf.concat([(self.count, tf.shape(tensor)[0] // self.count), tf.shape(tensor)[1:]], 0))

    def _predict(self, inputs):
        def one(given):
            return self._model.stateless_call(*given, inputs, training=False)[0]

        trainable, others = self._values()
        return tf.vectorized_map(one, ([tf.convert_to_tensor(value) for value in trainable], others))

    def predict(self, batches: tf.data.Dataset) -> np.ndarray:
        """Returns the probabilities of every model for the same (inputs, targets), `(models, clips, classes)`."""
        return np.concatenate([self._predict_step(inputs).numpy() for inputs, _ in batches], axis=1)
