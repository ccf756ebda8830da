"""Adam with one fused operation per variable."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="avkeras")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, to the letter, but TensorFlow updates each dense variable in one pass (2019, section 3.2.8).

    Keras writes the update as a dozen operations per variable; for models of many small variables they cost as much
    as the model itself. Everything that the fused operation does not know (AMSGrad, sparse gradients, other backends)
    is left to Keras.

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

    _powers = None

    def apply(self, grads, trainable_variables=None):
        """Updates the variables from their gradients."""
        # What depends on the step alone is worked out here: once, not once per variable.
        self._powers = self._powers_of_step()
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._powers = None

    def _powers_of_step(self):
        """Returns both decays to the power of the step."""
        step = ops.cast(ops.convert_to_tensor(self.iterations) + 1, "float32")
        return ops.power(ops.cast(self.beta_1, "float32"), step), ops.power(ops.cast(self.beta_2, "float32"), step)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable from its gradient."""
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if isinstance(gradient, tf.IndexedSlices):
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        power_1, power_2 = self._powers or self._powers_of_step()
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(power_1, variable.dtype),
            beta2_power=tf.cast(power_2, variable.dtype),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )
