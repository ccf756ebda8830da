"""EfficientAT's mn04 (Schmid, Koutini and Widmer, 2023): a narrow MobileNetV3 trained on Audio Set at 32 kHz.

Constants are those of the published model, whose code and weights are MIT (F. Schmid, K. Koutini, G. Widmer).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.networks.weight_files import WeightFile, find_weights
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

SAMPLE_RATE = 32_000
MEL_BANDS = 128
CLASSES = 527
EMBEDDING_DIM = 384
WIDTH = 0.4  # of MobileNetV3-Large
ROW_SAMPLES = 10_240  # 32 frames of the spectrogram, which the network's strides make one step
SEGMENT_ROWS = 32  # the network sees 10.24 s at a time: it was trained on clips of 10 s
WEIGHTS = WeightFile(
    "mn04_as_mAP_432.pt",
    "EfficientAT mn04",
    "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    "sha256",
    url="https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
    megabytes=4,
)

_WINDOW, _HOP, _FFT = 800, 320, 1024
_PREEMPHASIS = 0.97
# Kernel, units after expansion, units of the output, squeeze and excitation, activation, stride: MobileNetV3-Large.
_BLOCKS = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_silu", 2),
    (3, 200, 80, False, "hard_silu", 1),
    (3, 184, 80, False, "hard_silu", 1),
    (3, 184, 80, False, "hard_silu", 1),
    (3, 480, 112, True, "hard_silu", 1),
    (3, 672, 112, True, "hard_silu", 1),
    (5, 672, 160, True, "hard_silu", 2),
    (5, 960, 160, True, "hard_silu", 1),
    (5, 960, 160, True, "hard_silu", 1),
)
_HIDDEN = 1280


def log_mel(waveforms: tf.Tensor) -> tf.Tensor:
    """Return the log-mel spectrograms that the network takes: a frame every 10 ms.

    Pre-emphasis, which takes one sample; windows of 25 ms, centred, with reflected ends; power; 128 bands up to
    15 kHz, triangles on the mel scale as Kaldi's are; (log(mel + 0.00001) + 4.5) / 5.

    Args:
        waveforms: `(batch, samples)` float32, mono, 32 kHz, in [-1, 1], at least 402 samples.

    Returns:
        `(batch, 1 + (samples - 1) // 320, 128)` float32.

    Example:
        >>> log_mel(tf.zeros((2, 32_000))).shape
        TensorShape([2, 100, 128])
    """
    import tensorflow as tf

    emphasised = waveforms[:, 1:] - _PREEMPHASIS * waveforms[:, :-1]
    # The published front end pads by half an FFT and puts the window in the middle: the ends see no more than this.
    padded = tf.pad(emphasised, [[0, 0], [_WINDOW // 2] * 2], "REFLECT")
    window = tf.signal.hann_window(_WINDOW, periodic=False)
    spectra = tf.signal.rfft(tf.signal.frame(padded, _WINDOW, _HOP) * window, fft_length=[_FFT])
    to_mel = tf.signal.linear_to_mel_weight_matrix(
        num_mel_bins=MEL_BANDS,
        num_spectrogram_bins=_FFT // 2 + 1,
        sample_rate=SAMPLE_RATE,
        lower_edge_hertz=0.0,
        upper_edge_hertz=15_000.0,
    )
    mel = (tf.math.real(spectra) ** 2 + tf.math.imag(spectra) ** 2) @ to_mel
    return (tf.math.log(mel + 1e-5) + 4.5) / 5.0


def build_efficientat(*, width: float = WIDTH, classes: int = CLASSES) -> keras.Model:
    """Build the network with random weights: 993,439 parameters, 525,968 of them up to the embeddings.

    Layers carry the names of the published checkpoint (`features.4.block.1.0`).

    Args:
        width: factor on the units of MobileNetV3-Large.
        classes: that are told apart.

    Returns:
        A model from log-mel spectrograms `(batch, frames, 128)` to a list: scores `(batch, rows, classes)` in [0, 1]
        and embeddings `(batch, rows, 384)` of every 0.32 s, each the mean of the network's steps at both of its ends,
        so `rows = (frames - 1) // 32`; and the scores of the whole `(batch, classes)`, the published output.

    Example:
        >>> build_efficientat().output_shape
        [(None, None, 527), (None, None, 384), (None, 527)]
    """
    import keras
    from keras import layers

    def convolve(x, filters, kernel, stride, activation, name):
        """A convolution (depthwise: no filters) with the norm and the activation that follow it."""
        if kernel > 1:  # PyTorch pads both sides alike; Keras' "same" does not where the stride is 2
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x)
        options = {"strides": stride, "use_bias": False, "name": f"{name}.0"}
        if filters is None:
            x = layers.DepthwiseConv2D(kernel, **options)(x)
        else:
            x = layers.Conv2D(filters, kernel, **options)(x)
        x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}.1")(x)
        return layers.Activation(activation, name=f"{name}.2")(x) if activation else x

    def excite(x, name):
        units = x.shape[-1]
        scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.pool")(x)
        scale = layers.Dense(_eights(units // 4), activation="relu", name=f"{name}.fc1")(scale)
        scale = layers.Dense(units, activation="sigmoid", name=f"{name}.fc2")(scale)
        return layers.Multiply(name=f"{name}.scale")([x, scale])

    spectrogram = keras.Input((None, MEL_BANDS), name="log_mel")
    x = layers.Permute((2, 1), name="bands_first")(spectrogram)
    x = layers.Reshape((MEL_BANDS, -1, 1), name="one_channel")(x)
    x = convolve(x, _eights(16 * width), 3, 2, "hard_silu", "features.0")
    for number, (kernel, expanded, filters, excited, activation, stride) in enumerate(_BLOCKS, start=1):
        block, part, skipped = f"features.{number}.block", 0, x
        if _eights(expanded * width) != x.shape[-1]:
            x = convolve(x, _eights(expanded * width), 1, 1, activation, f"{block}.{part}")
            part += 1
        x = convolve(x, None, kernel, stride, activation, f"{block}.{part}")
        part += 1
        if excited:
            x = excite(x, f"{block}.{part}.conc_se_layers.0")
            part += 1
        x = convolve(x, _eights(filters * width), 1, 1, None, f"{block}.{part}")
        if stride == 1 and skipped.shape[-1] == x.shape[-1]:
            x = layers.Add(name=f"{block}.add")([x, skipped])
    x = convolve(x, 6 * x.shape[-1], 1, 1, "hard_silu", f"features.{len(_BLOCKS) + 1}")
    steps = keras.ops.mean(x, axis=1)  # over frequency

    hidden = layers.Dense(_eights(_HIDDEN * width), activation="hard_silu", name="classifier.2")
    output = layers.Dense(classes, activation="sigmoid", name="classifier.5")
    rows = layers.AveragePooling1D(2, strides=1, name="rows")(steps)
    whole = layers.GlobalAveragePooling1D(name="whole")(steps)
    return keras.Model(spectrogram, [output(hidden(rows)), rows, output(hidden(whole))], name="efficientat")


def _eights(units: float) -> int:
    """Return the multiple of 8 that MobileNetV3 takes for so many units: the nearest, or more if it is 10 % less."""
    nearest = max(8, int(units + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * units else nearest


def set_weights_from_pytorch(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the arrays of the published checkpoint into the network, by name.

    Args:
        model: what `build_efficientat` returns.
        arrays: the checkpoint.

    Raises:
        AvkerasError: every weight that is missing, is left over or has another shape, a line each.
    """
    from avkeras.features.networks.pytorch_weights import set_weights_by_name

    set_weights_by_name(model, arrays, module_of=lambda layer: layer, what="EfficientAT")


def load_efficientat(path: str | Path | None = None) -> keras.Model:
    """Build mn04 with its published weights.

    Args:
        path: `mn04_as_mAP_432.pt`, whose checksum is checked; default: `~/.keras/models/`, and a download if it is
            not there.

    Raises:
        AvkerasError: the weights cannot be found or are another file.

    Example:
        >>> load_efficientat("mn04_as_mAP_432.pt")
        Traceback (most recent call last):
        ...
        avkeras.errors.AvkerasError: mn04_as_mAP_432.pt: no such file; mn04_as_mAP_432.pt (4 MB, ...) is wanted.
    """
    from avkeras.features.networks.legacy_pickle import read_checkpoint

    path = find_weights(WEIGHTS, path)
    arrays = read_checkpoint(path)
    if not isinstance(arrays, Mapping) or not all(hasattr(array, "shape") for array in arrays.values()):
        raise AvkerasError(f"{path}: holds no arrays by name, which {WEIGHTS.name} does.")
    network = build_efficientat()
    set_weights_from_pytorch(network, arrays)
    return network


def write(
    directory: str | Path,
    *,
    weights: str | Path | None = None,
    network: keras.Model | None = None,
    overwrite: bool = False,
) -> Path:
    """Write mn04 with its published weights, from a waveform at 32 kHz to three outputs (5 MB).

    These are as YAMNet's scores `(rows, 527)` and embeddings `(rows, 384)` of every 0.32 s, with nothing padded; and
    scores `(segments, 527)` of every 10.24 s and of what is left of the last, the published output. A row knows all of
    its segment, of which the network takes means.

    Args:
        directory: the SavedModel's folder.
        weights: `mn04_as_mAP_432.pt`; default: `~/.keras/models/`, downloaded if need be.
        network: a model to use in place of mn04, with the same input and output shapes.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found or are another file.

    Example:
        >>> write("efficientat", network=build_efficientat())
        PosixPath('efficientat')
    """
    import tensorflow as tf

    network = network or load_efficientat(weights)

    @tf.function(input_signature=[tf.TensorSpec([None, None])])  # traced once
    def rows_of(waveforms: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Pre-emphasis takes one sample: with the last one twice, each row has a frame at both of its ends.
        spectrograms = log_mel(tf.concat([waveforms, waveforms[:, -1:]], axis=1))
        scores, embeddings, whole = network(spectrograms, training=False)
        return tf.reshape(scores, (-1, CLASSES)), tf.reshape(embeddings, (-1, EMBEDDING_DIM)), whole

    def call(waveform: tf.Tensor) -> tuple[tf.Tensor, ...]:
        rows = tf.shape(waveform)[0] // ROW_SAMPLES
        full = tf.maximum(rows - 1, 0) // SEGMENT_ROWS  # segments, but for the last one
        cut = full * SEGMENT_ROWS * ROW_SAMPLES
        last = waveform[cut : rows * ROW_SAMPLES]
        last = tf.pad(last, [[0, tf.maximum(ROW_SAMPLES - tf.shape(last)[0], 0)]])  # where there is no row
        found = rows_of(last[None])

        def with_others() -> list[tf.Tensor]:
            others = rows_of(tf.reshape(waveform[:cut], (-1, SEGMENT_ROWS * ROW_SAMPLES)))
            return [tf.concat(pair, axis=0) for pair in zip(others, found, strict=True)]

        # No operation of the spectrogram takes a batch of none.
        scores, embeddings, whole = tf.cond(full > 0, with_others, lambda: list(found))
        return scores[:rows], embeddings[:rows], whole[: full + tf.minimum(rows, 1)]

    return export_embedder(call, directory, spec=EMBEDDERS["efficientat"].spec, tracked=network, overwrite=overwrite)
