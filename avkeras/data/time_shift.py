"""Circular shifts of clips in time (Miyazaki et al. 2020)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def time_shift(
    x: Mapping[str, "tf.Tensor"], y: Mapping[str, "tf.Tensor"], *, seed, deviation: float = 90.0, rate: float = 0.5
) -> tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]:
    """Moves the sound of clips and what is heard in it; what leaves one end comes in at the other.

    A shift is drawn for each clip from a normal distribution, and rounded to whole frames of the targets. Clips that
    are padded stay: their end would come to stand within them. Models of sound alone may be trained on it.

    Args:
        x: `audio` `(batch, frames, bands)` and perhaps `audio_mask` `(batch, frames)`.
        y: targets, of which `frame` `(batch, vectors, classes)` is moved too; others stay.
        seed: two whole numbers; the same ones give the same shifts.
        deviation: of the shifts, in frames of `audio`.
        rate: share of the clips that are moved.

    Returns:
        `(x, y)`, of the same names, shapes and types.

    Raises:
        ValueError: `x` holds another sequence, which would no longer be in step with the sound.

    Example:
        >>> import tensorflow as tf
        >>> sound = tf.reshape(tf.range(8.0), (1, 8, 1))
        >>> x, y = time_shift({"audio": sound}, {"frame": sound[:, ::2]}, seed=(0, 2), deviation=4.0, rate=1.0)
        >>> bool(tf.reduce_all(x["audio"][:, ::2] == y["frame"]))
        True
    """
    import tensorflow as tf

    if others := sorted(set(x) - {"audio", "audio_mask"}):
        raise ValueError(f"time_shift moves the sound alone: '{others[0]}' would no longer be in step with it")
    audio, targets = x["audio"], y["frame"]
    batch, frames, vectors = tf.shape(audio)[0], tf.shape(audio)[1], tf.shape(targets)[1]
    pooled = -(-frames // vectors)  # frames that make one vector
    seeds = tf.random.experimental.stateless_split(tf.cast(tf.convert_to_tensor(seed), tf.int64), 2)
    drawn = tf.random.stateless_normal([batch], seeds[0], stddev=deviation) / tf.cast(pooled, tf.float32)
    moved = tf.random.stateless_uniform([batch], seeds[1]) < rate
    if "audio_mask" in x:
        moved &= tf.reduce_all(x["audio_mask"], axis=1)
    shift = tf.where(moved, tf.cast(tf.round(drawn), tf.int32), 0)

    def roll(values, shifts, length):
        places = (tf.range(length)[None] - shifts[:, None]) % length
        return tf.gather(values, places, batch_dims=1)

    return {**x, "audio": roll(audio, shift * pooled, frames)}, {**y, "frame": roll(targets, shift, vectors)}
