"""Operations of PyTorch for `kernels` and `loops`: it runs at once, so that each one is a pass over the memory."""

import keras

# Random bits of a value are 16, as in `Dropout`: the rate is exact to 1 / 65536.
_LEVELS = 1 << 16


def runs_at_once() -> bool:
    """Returns whether nothing is being compiled or exported: what is, can't branch on values."""
    import torch

    return not torch.compiler.is_compiling()


def noise(x, seeds, rate: float):
    """Returns what dropout multiplies a tensor by: 0, or what makes up for the values that are lost.

    Args:
        x: tensor of PyTorch.
        seeds: of `Dropout.draw_seeds`.
        rate: share of zeros.
    """
    import torch

    first, second = seeds.tolist()
    generator = torch.Generator(x.device).manual_seed((first << 32) + second)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)  # bits for four values each
    words.random_(-(1 << 63), None, generator=generator)
    least = round(rate * _LEVELS)
    keep = words.view(torch.int16)[: x.numel()].reshape(x.shape) >= least - _LEVELS // 2
    return keep.to(x.dtype).mul_(_LEVELS / (_LEVELS - least))


def batch_norm(inputs, gamma, beta, epsilon):
    """Gives `kernels.plain_batch_norm` of more than one value per channel."""
    import torch

    gamma, beta = keras.ops.convert_to_tensor(gamma), keras.ops.convert_to_tensor(beta)
    mean, variance = torch.zeros_like(gamma), torch.zeros_like(gamma)  # become those of the batch
    flat = inputs.reshape(-1, inputs.shape[-1])
    output = torch.nn.functional.batch_norm(flat, mean, variance, gamma, beta, True, 1.0, epsilon)
    count = flat.shape[0]
    return output.reshape(inputs.shape), mean, variance * ((count - 1) / count)  # it gives the sample variance


def average_pool(x, pool):
    """Averages every `pool` frames and bands of `(batch, frames, bands, channels)`; Keras would copy it before."""
    import torch

    return torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), pool).permute(0, 2, 3, 1)
