"""Adam with one fused operation per variable."""

import keras
from keras import ops

from avkeras.training.foreach import adam_step, can_update_together


@keras.saving.register_keras_serializable(package="avkeras")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, to the letter, but TensorFlow updates each dense variable in one pass (2019, section 3.2.8).

    Keras writes the update as a dozen operations per variable; for models of many small variables they cost as much
    as the model itself. PyTorch updates all of them by a few calls. What these operations do not know (AMSGrad, sparse
    gradients) is left to Keras, and so is JAX. Variables in bfloat16, where 0.999 is 1, are updated by sums in float32;
    Keras' own Adam never moves them.

    Args:
        *args: those of `keras.optimizers.Adam`.
        **kwargs: those of `keras.optimizers.Adam`.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(Adam(1e-3), "mse")
        >>> bool(np.isfinite(model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))))
        True
    """

    _shared = None

    def apply(self, grads, trainable_variables=None):
        """Updates the variables from their gradients."""
        self._shared = {}  # what does not depend on the variable is worked out once per step
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._shared = None

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Updates all variables."""
        if not can_update_together(trainable_variables) or self.amsgrad:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        step = int(self.iterations) + 1
        correction = (1 - self.beta_2**step) ** 0.5 / (1 - self.beta_1**step)
        adam_step(self, grads, trainable_variables, float(learning_rate) * correction)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable from its gradient."""
        if keras.backend.standardize_dtype(variable.dtype) == "bfloat16" and not self.amsgrad:
            return self._update_bfloat16(gradient, variable, learning_rate)
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if isinstance(gradient, tf.IndexedSlices):
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **self._factors(learning_rate, variable.dtype),
        )

    def _update_bfloat16(self, gradient, variable, learning_rate):
        """Updates one variable, its means and the variable itself rounded at the end only."""
        factors = self._factors(learning_rate, "float32")
        index = self._get_variable_index(variable)
        gradient = ops.cast(ops.convert_to_tensor(gradient), "float32")
        means = [(self._momentums, gradient, self.beta_1), (self._velocities, ops.square(gradient), self.beta_2)]
        moved = []
        for variables, value, decay in means:
            mean = ops.cast(variables[index], "float32")
            moved.append(mean + (value - mean) * (1 - decay))
            self.assign(variables[index], ops.cast(moved[-1], "bfloat16"))
        rate = factors["lr"] * ops.sqrt(1 - factors["beta2_power"]) / (1 - factors["beta1_power"])
        step = rate * moved[0] / (ops.sqrt(moved[1]) + self.epsilon)
        self.assign(variable, ops.cast(ops.cast(variable, "float32") - step, "bfloat16"))

    def _factors(self, learning_rate, dtype):
        """Returns what the fused operation wants of every variable of a type: rate, decays and their powers."""
        shared = {} if self._shared is None else self._shared
        if dtype not in shared:
            step = ops.cast(ops.convert_to_tensor(self.iterations) + 1, "float32")
            powers = (ops.power(ops.cast(beta, "float32"), step) for beta in (self.beta_1, self.beta_2))
            names = ("beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon")
            values = (*powers, learning_rate, self.beta_1, self.beta_2, self.epsilon)
            shared[dtype] = {
                name: ops.convert_to_tensor(value, dtype) for name, value in zip(names, values, strict=True)
            }
        return shared[dtype]
