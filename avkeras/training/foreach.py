"""Updates of all variables at a time on PyTorch: some calls rather than a dozen for each variable."""

from collections.abc import Sequence

import keras


def can_update_together(variables: Sequence[keras.Variable]) -> bool:
    """Returns whether variables can be updated together: PyTorch's, all of one type."""
    return keras.backend.backend() == "torch" and len({variable.dtype for variable in variables}) == 1


def adam_step(optimizer, gradients, variables, rate, *, divides: bool = True) -> None:
    """Moves both means of Adam towards the gradients, then the variables.

    Args:
        optimizer: has `_momentums` and `_velocities`, `beta_1`, `beta_2` and `epsilon`.
        gradients: tensors of PyTorch.
        variables: theirs.
        rate: number or scalar tensor, times what corrects the means' bias.
        divides: whether the step is divided by the root of the mean square; else it is one of momentum.
    """
    import torch

    places = [optimizer._get_variable_index(variable) for variable in variables]
    momentums, velocities = (
        [means[place].value for place in places] for means in (optimizer._momentums, optimizer._velocities)
    )
    with torch.no_grad():
        gradients = [gradient.to(variable.value.dtype) for gradient, variable in zip(gradients, variables, strict=True)]
        values = [variable.value for variable in variables]
        torch._foreach_lerp_(momentums, gradients, 1 - optimizer.beta_1)
        torch._foreach_mul_(velocities, optimizer.beta_2)
        torch._foreach_addcmul_(velocities, gradients, gradients, 1 - optimizer.beta_2)
        if divides:
            divisors = torch._foreach_sqrt(velocities)
            torch._foreach_add_(divisors, optimizer.epsilon)
            torch._foreach_addcdiv_(values, momentums, divisors, -float(rate))
        else:
            torch._foreach_add_(values, momentums, alpha=-float(rate))


def move_together(averages: Sequence[keras.Variable], values: Sequence[keras.Variable], share) -> None:
    """Moves each average by a share of the way to its value, as `moving_average.move` does one."""
    import torch

    with torch.no_grad():
        torch._foreach_lerp_([each.value for each in averages], [each.value for each in values], float(share))
