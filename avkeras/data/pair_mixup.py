"""Mixup of the neighbours in a batch, whose inputs are mixed within the model (Kong et al. 2020)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

RATIOS = "mixup_ratios"  # input of models that have an `avkeras.layers.PairMixup`


def pair_mixup(
    x: dict[str, "tf.Tensor"], y: "tf.Tensor", *, seed: "tf.Tensor"
) -> tuple[dict[str, "tf.Tensor"], "tf.Tensor"]:
    """Draws a ratio from Beta(1, 1) for each two neighbouring clips, and mixes their targets by it.

    Args:
        x: inputs `(batch, ...)`; the batch is even.
        y: targets `(batch, classes)`.
        seed: two whole numbers; the same ones give the same ratios.

    Returns:
        The inputs with `mixup_ratios` `(batch / 2,)`, and targets `(batch / 2, classes)`.

    Raises:
        ValueError: the batch is known not to be even, or to be empty.

    Example:
        >>> import tensorflow as tf
        >>> x, y = pair_mixup({}, tf.constant([[1.0], [0.0]]), seed=(0, 1))
        >>> bool(x["mixup_ratios"][0] == y[0, 0])
        True
    """
    import tensorflow as tf

    if y.shape[0] is not None and (y.shape[0] < 2 or y.shape[0] % 2):
        raise ValueError(f"pair_mixup mixes clips in pairs: a batch of {y.shape[0]} is not even")
    # Beta(1, 1) is the uniform distribution.
    ratios = tf.random.stateless_uniform([tf.shape(y)[0] // 2], seed)
    return {**x, RATIOS: ratios}, ratios[:, None] * y[0::2] + (1 - ratios[:, None]) * y[1::2]
