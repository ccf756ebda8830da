"""Weights and rates that rise from almost nothing (mean teachers; DCASE 2020 task 4's baseline)."""

import keras
from keras import ops


def ramp_up(step, steps: int):
    """Returns exp(-5 (1 - t)^2), with t rising from 0 to 1 in so many steps.

    Args:
        step: tensor or number, from 0.
        steps: in which it rises.

    Example:
        >>> [round(float(ramp_up(step, 10)), 3) for step in (0, 5, 10, 20)]
        [0.007, 0.287, 1.0, 1.0]
    """
    rest = 1 - ops.minimum(ops.cast(step, "float32") / steps, 1.0)
    return ops.exp(-5 * rest * rest)


@keras.saving.register_keras_serializable(package="avkeras")
class RampUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises by `ramp_up` and stays.

    Args:
        learning_rate: at the end.
        steps: in which it rises.

    Example:
        >>> round(float(RampUp(1e-3, 10)(5)), 6)
        0.000287
    """

    def __init__(self, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.steps = steps

    def __call__(self, step):
        """Returns the rate at a step."""
        return self.learning_rate * ramp_up(step, self.steps)

    def get_config(self):
        """Returns the constructor's values."""
        return {"learning_rate": self.learning_rate, "steps": self.steps}
