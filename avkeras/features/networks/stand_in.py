"""A stand-in for VGGish where its weights cannot be had: same contract and front end, nothing learned.

A patch's log-mel statistics (level, spread, change and modulation in time) are mixed by random signs into 128
values. That is enough to tell sounds apart, and is no measure of what VGGish would give.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.features.networks.vggish import EMBEDDING_DIM, MEL_BANDS, PATCH_FRAMES
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

SEED = 2019
_BAND_GROUPS = 16
# Modulation bands as ranges of bins of a 0.96 s patch's spectrum: 1-2, 3-5, 6-11, 12-23 and 24-48 cycles a patch.
_MODULATIONS = ((1, 3), (3, 6), (6, 12), (12, 24), (24, 49))
_STATISTICS = 3 * MEL_BANDS + _BAND_GROUPS * len(_MODULATIONS)


def projection(*, seed: int = SEED) -> np.ndarray:
    """Return the stand-in's weights `(272, 128)` float32: random signs, equal on every machine for a seed.

    Example:
        >>> projection().shape
        (272, 128)
    """
    import numpy as np

    signs = np.random.Generator(np.random.PCG64(seed)).integers(2, size=(_STATISTICS, EMBEDDING_DIM))
    return ((2 * signs - 1) / np.sqrt(_STATISTICS)).astype(np.float32)


def embed_patches(patches: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Turn log-mel patches into the stand-in's embeddings.

    Args:
        patches: `(batch, 96, 64)` float32, from `log_mel_patches`.
        weights: `(272, 128)`, from `projection`.

    Returns:
        `(batch, 128)` float32, each value of the order of 1.

    Example:
        >>> embed_patches(tf.zeros((2, 96, 64)), projection()).shape
        TensorShape([2, 128])
    """
    import tensorflow as tf

    mean = tf.reduce_mean(patches, axis=1)
    spread = tf.math.reduce_std(patches, axis=1)
    change = tf.reduce_mean(tf.abs(patches[:, 1:] - patches[:, :-1]), axis=1)

    groups = tf.reshape(patches, (-1, PATCH_FRAMES, _BAND_GROUPS, MEL_BANDS // _BAND_GROUPS))
    courses = tf.transpose(tf.reduce_mean(groups, axis=3), (0, 2, 1))
    courses -= tf.reduce_mean(courses, axis=2, keepdims=True)
    window = tf.signal.hann_window(PATCH_FRAMES)
    spectra = tf.abs(tf.signal.rfft(courses * window, fft_length=[PATCH_FRAMES])) / PATCH_FRAMES
    modulation = tf.concat([tf.reduce_mean(spectra[:, :, first:last], axis=2) for first, last in _MODULATIONS], axis=1)
    # Centres and scales that bring the statistics of everyday sounds to about zero mean and unit spread.
    statistics = tf.concat(
        [(mean + 2.0) / 2.0, (spread - 0.5) / 0.4, (change - 0.3) / 0.2, tf.math.log(modulation + 1e-3) + 3.5],
        axis=1,
    )
    return statistics @ weights


def write(directory: str | Path, *, overwrite: bool = False) -> Path:
    """Write the stand-in for VGGish: its front end and contract, random weights from a fixed seed.

    Args:
        directory: the SavedModel's folder.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Example:
        >>> write("vggish_stand_in")
        PosixPath('vggish_stand_in')
    """
    import tensorflow as tf

    from avkeras.features.networks.vggish import log_mel_patches

    weights = tf.Variable(projection(), trainable=False, name="projection")
    return export_embedder(
        lambda waveform: embed_patches(log_mel_patches(waveform), weights),
        directory,
        spec=EMBEDDERS["vggish_stand_in"].spec,
        tracked=weights,
        overwrite=overwrite,
    )
