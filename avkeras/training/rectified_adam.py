"""Rectified Adam with one fused operation per variable."""

import math

import keras
import numpy as np
from keras import ops

from avkeras.training.foreach import adam_step, can_update_together

# A power of two, so that scaling by it rounds nothing, beside which the root of any sane gradient's square vanishes.
_HUGE = 2.0**60


@keras.saving.register_keras_serializable(package="avkeras")
class RectifiedAdam(keras.optimizers.Optimizer):
    """Rectified Adam (Liu et al., 2020), the optimizer of the 2022 paper (section 3.1.5): equal to `torch.optim.RAdam`.

    While the variance of the adaptive rate cannot be estimated (the first five steps, for the default `beta_2`), a step
    is one of bias-corrected momentum; from then on it is a step of Adam, shortened by the rectification term. On
    TensorFlow both are one fused operation per variable, on PyTorch a few calls for all of them.

    Args:
        learning_rate: rate or schedule; the paper's is `ExponentialDecay(1e-3, decay_steps=10000, decay_rate=0.1)`.
        beta_1: decay of the mean of the gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root of the squares.
        **kwargs: those of `keras.optimizers.Optimizer`; `weight_decay` is decoupled.

    Raises:
        ValueError: a decay is not in [0, 1).

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(RectifiedAdam(keras.optimizers.schedules.ExponentialDecay(1e-3, 10000, 0.1)), "mse")
        >>> bool(np.isfinite(model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))))
        True
    """

    def __init__(
        self,
        learning_rate=1e-3,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "rectified_adam",
        **kwargs,
    ) -> None:
        for which, decay in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= decay < 1:
                raise ValueError(f"{which} must be in [0, 1), not {decay}")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._shared = None

    def build(self, variables):
        """Creates the two moving means of every variable."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def apply(self, grads, trainable_variables=None):
        """Updates the variables from their gradients."""
        self._shared = {}  # what does not depend on the variable is worked out once per step
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._shared = None

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Updates all variables."""
        if not can_update_together(trainable_variables):
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        rectified, rate = self._rectified_rate(learning_rate)
        adam_step(self, grads, trainable_variables, rate, divides=bool(rectified))

    def _rectification(self):
        """Returns whether this step is rectified, and the factor on the rate that its bias and variance call for."""
        # The length of the average is a difference of two numbers near 2000: in float64, which JAX has only if told so,
        # and from 1 - beta_2^step found by itself, which keeps it right in float32 too.
        wide = "float32" if keras.backend.backend() == "jax" else "float64"
        step = ops.cast(self.iterations + 1, wide)
        exponent = step * _log(self.beta_2)
        # The means are kept with decays rounded to float32, which moves 1 - beta_2 by 5e-5 of itself: so is their bias.
        correction_1, correction_2 = (
            -ops.expm1(step * _log(float(np.float32(beta)))) for beta in (self.beta_1, self.beta_2)
        )
        longest = 2 / (1 - self.beta_2) - 1
        length = longest + 2 * step * ops.exp(exponent) / ops.expm1(exponent)
        rectified = length > 5
        length = ops.where(rectified, length, longest)
        variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        factor = ops.where(rectified, ops.sqrt(variance * correction_2), 1.0) / correction_1
        return rectified, ops.cast(factor, "float32")

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable from its gradient."""
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        dtype = keras.backend.standardize_dtype(variable.dtype)
        if keras.backend.backend() == "tensorflow" and dtype == "float32":
            import tensorflow as tf

            return tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=momentum.value.handle,
                v=velocity.value.handle,
                grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
                **self._once("fused", self._fused_factors, learning_rate),
            )
        rectified, rate = self._once("plain", self._rectified_rate, learning_rate)
        gradient = ops.cast(ops.convert_to_tensor(gradient), dtype)
        self.assign_add(momentum, (gradient - momentum) * (1 - self.beta_1))
        self.assign_add(velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2))
        divisor = ops.where(rectified, ops.sqrt(velocity) + self.epsilon, ops.ones_like(velocity))
        self.assign_sub(variable, ops.cast(rate, dtype) * momentum / divisor)

    def _once(self, name, function, learning_rate):
        shared = {} if self._shared is None else self._shared
        if name not in shared:
            shared[name] = function(learning_rate)
        return shared[name]

    def _rectified_rate(self, learning_rate):
        rectified, factor = self._rectification()
        return rectified, ops.cast(learning_rate, "float32") * factor

    def _fused_factors(self, learning_rate):
        """Returns what the fused operation of TensorFlow wants of every variable."""
        # Adam divides by sqrt(v) + epsilon. A huge epsilon, cancelled by a rate as huge, leaves the momentum alone.
        rectified, rate = self._rectified_rate(learning_rate)
        values = {
            "lr": rate * ops.where(rectified, 1.0, _HUGE),
            "epsilon": ops.where(rectified, self.epsilon, _HUGE),
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "beta1_power": 0.0,
            "beta2_power": 0.0,
        }
        return {name: ops.convert_to_tensor(value, "float32") for name, value in values.items()}

    def get_config(self):
        """Returns the constructor's values."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


def _log(decay: float) -> float:
    return math.log(decay) if decay else -math.inf
