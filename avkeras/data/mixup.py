"""Mixup of clips with clips of their own supervision kind."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def log_mel_silence(levels: "tf.Tensor", real: "tf.Tensor", *, top_db: float = 80.0) -> "tf.Tensor":
    """Returns the level in dB that silence has in the log-mel spectrograms of `avkeras.features.log_mel.log_mel`.

    It is what `log_mel` would have found behind a clip's end, had the clip been longer and silent there: `top_db` below
    the clip's loudest value, and never below -100 dB.

    Args:
        levels: log-mel spectrograms `(batch, frames, bands)`, in dB.
        real: `(batch, frames)` boolean; False: padding, which may hold anything.
        top_db: that of `log_mel`.

    Returns:
        `(batch, 1, 1)`.

    Example:
        >>> import tensorflow as tf
        >>> log_mel_silence(tf.constant([[[20.0], [0.0]]]), tf.constant([[True, False]])).numpy().tolist()
        [[[-60.0]]]
    """
    import tensorflow as tf

    floor = tf.constant(-100.0, levels.dtype)
    loudest = tf.reduce_max(tf.where(real[..., None], levels, floor), axis=[1, 2], keepdims=True)
    return tf.maximum(loudest - tf.cast(top_db, levels.dtype), floor)


_SILENCE = MappingProxyType({"audio": log_mel_silence})


def mixup(
    x: Mapping[str, "tf.Tensor"],
    y: Mapping[str, "tf.Tensor"],
    *,
    seed,
    rate: float = 1 / 3,
    concentration: float = 0.2,
    per_clip: bool = False,
    silence: Mapping[str, Callable] = _SILENCE,
) -> tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]:
    """Interpolates clips with other clips of the same batch and the same kind of supervision (2022, section 3.1.5).

    The paper mixes at a rate of 33 % and leaves open of what. Here it is the share of *batches* that are mixed, with
    one ratio per kind of supervision; `per_clip` draws both for every clip.

    Inputs and targets are interpolated alike. A sequence is absent from a mixed clip unless both clips have it, so a
    mixed clip has video only if both have. Otherwise its frames are real where those of either clip are: no label is
    lost with the longer clip's end. There the shorter clip counts as silent, at the level that silence has (0 dB of a
    log-mel spectrogram would be a sound); embeddings and targets count as zeros. What lies in padded or absent frames
    reaches nothing.

    Args:
        x: inputs `(batch, ...)`; where frames of `<name>` can be padded or absent, `<name>_mask` `(batch, frames)`.
        y: `supervision` `(batch,)`, the targets `clip` `(batch, classes)` and `frame` `(batch, frames, classes)`, and
            maybe `frame_mask` `(batch, frames)`.
        seed: two whole numbers; the same ones give the same batch.
        rate: share of the batches (or clips) that are mixed.
        concentration: both parameters of the beta distribution of the ratio.
        per_clip: whether each clip is mixed or not, and at a ratio, of its own.
        silence: per input that is not zero where nothing is, a function of its values and mask that returns what it is
            there; default: `"audio"` holds log-mel spectrograms.

    Returns:
        `(x, y)`, of the same names, shapes and types.

    Example:
        >>> import tensorflow as tf
        >>> x = {"audio": tf.constant([[[0.0]], [[1.0]]])}
        >>> y = {"supervision": tf.constant([1, 1]), "clip": tf.constant([[0.0], [1.0]])}
        >>> x, y = mixup(x, y, seed=(0, 1), rate=1.0)
        >>> bool(tf.reduce_all(x["audio"][:, 0] == y["clip"]))
        True
    """
    import tensorflow as tf

    for name, value in (*x.items(), *y.items()):
        if name != "supervision" and not (value.dtype.is_floating or value.dtype.is_bool):
            raise ValueError(f"mixup cannot interpolate '{name}' of type {value.dtype.name}; cast it to a float")
    kinds = tf.cast(y["supervision"], tf.int32)
    size = tf.size(kinds)
    seeds = tf.random.experimental.stateless_split(tf.cast(tf.convert_to_tensor(seed), tf.int64), 3)
    # Sorted by kind alone and by kind and chance, the batch gives every clip a partner of its own kind.
    chance = tf.random.stateless_uniform([size], seeds[0], dtype=tf.float64)
    place = tf.argsort(kinds, stable=True)
    partner = tf.scatter_nd(place[:, None], tf.argsort(tf.cast(kinds, tf.float64) + chance), [size])
    applied = tf.random.stateless_uniform([size if per_clip else 1], seeds[1]) < rate
    # float64, for the beta distribution is made of two gamma variates which float32 rounds to 0 / 0.
    count = size if per_clip else tf.reduce_max(kinds) + 1
    gammas = tf.random.stateless_gamma([2, count], seeds[2], alpha=tf.cast(concentration, tf.float64), dtype=tf.float64)
    ratio = gammas[0] / (gammas[0] + gammas[1])
    ratio = tf.where(applied, ratio if per_clip else tf.gather(ratio, kinds), 1.0)
    partner = tf.where(applied, partner, tf.range(size))

    def mix(name, value, mask=None):
        if mask is not None:
            nothing = silence[name](value, mask) if name in silence else tf.zeros((), value.dtype)
            value = tf.where(_trailing(mask, value), value, nothing)
        share = _trailing(tf.cast(ratio, value.dtype), value)
        return share * value + (1 - share) * tf.gather(value, partner)

    def mix_mask(mask):
        other = tf.gather(mask, partner)
        both = tf.reduce_any(mask, axis=1, keepdims=True) & tf.reduce_any(other, axis=1, keepdims=True)
        return (mask | other) & both

    def mix_all(values):
        return {
            name: value
            if name == "supervision"
            else mix_mask(value)
            if value.dtype.is_bool
            else mix(name, value, values.get(f"{name}_mask"))
            for name, value in values.items()
        }

    return mix_all(x), mix_all(y)


def _trailing(value, like):
    """Gives `value` as many axes as `like`, the new ones last."""
    import tensorflow as tf

    return tf.reshape(value, tf.concat([tf.shape(value), tf.ones([like.shape.rank - value.shape.rank], tf.int32)], 0))
