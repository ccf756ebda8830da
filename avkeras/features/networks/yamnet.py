"""YAMNet (Plakal and Ellis, 2019): a MobileNet (Howard et al., 2017) on VGGish's patches, trained on AudioSet.

Constants are those of the published model, which is Apache-2.0; its front end is VGGish's but for the offset under
the logarithm and the hop of 0.48 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.features.networks.vggish import MEL_BANDS, PATCH_FRAMES, WINDOW_SAMPLES, log_mel_spectrogram
from avkeras.features.networks.weight_files import WeightFile, find_weights
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

HOP_FRAMES = 48
HOP_SAMPLES = 7_680
LOG_OFFSET = 0.001
CLASSES = 521
EMBEDDING_DIM = 1024
WEIGHTS = WeightFile(
    "yamnet.h5",
    "YAMNet",
    "13c3308955bbfaef262f175ac9c40e47b134573a93984f009220dd7cc12a1744",
    "sha256",
    url="https://storage.googleapis.com/audioset/yamnet.h5",
    megabytes=15,
)

# Stride and filters of the separable convolutions, after a first convolution with stride 2 and 32 filters.
_SEPARABLE = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *[(1, 512)] * 5,
    (2, 1024),
    (1, 1024),
)


def log_mel_patches(waveform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Turn a waveform into YAMNet's log-mel spectrogram and patches; silence fills the end up to a whole hop.

    Args:
        waveform: `(samples,)` float32, mono, 16 kHz, in [-1, 1].

    Returns:
        The spectrogram `(frames, 64)` and the patches `(patches, 96, 64)`, float32: one for up to 15,600 samples
        and one more for every 7,680 samples begun after them.

    Example:
        >>> log_mel_patches(tf.zeros(160_000))[1].shape
        TensorShape([20, 96, 64])
    """
    import tensorflow as tf

    after_first = tf.maximum(tf.shape(waveform)[0] - WINDOW_SAMPLES, 0)
    whole = WINDOW_SAMPLES - HOP_SAMPLES * (-after_first // HOP_SAMPLES)
    waveform = tf.pad(waveform, [[0, whole - tf.shape(waveform)[0]]])
    spectrogram = log_mel_spectrogram(waveform, offset=LOG_OFFSET)
    return spectrogram, tf.signal.frame(spectrogram, PATCH_FRAMES, HOP_FRAMES, axis=0)


def build_yamnet() -> keras.Model:
    """Build YAMNet with random weights: 3,751,369 parameters, 3,217,344 of them up to the embeddings.

    Returns:
        A model from log-mel patches `(batch, 96, 64)` to a list: scores `(batch, 521)` of AudioSet's classes in
        [0, 1], and embeddings `(batch, 1024)`.

    Example:
        >>> build_yamnet().output_shape
        [(None, 521), (None, 1024)]
    """
    import keras
    from keras import layers

    def normalise(x, name):
        x = layers.BatchNormalization(scale=False, epsilon=1e-4, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    options = {"padding": "same", "use_bias": False}
    patches = keras.Input((PATCH_FRAMES, MEL_BANDS), name="patches")
    x = layers.Reshape((PATCH_FRAMES, MEL_BANDS, 1), name="one_channel")(patches)
    x = normalise(layers.Conv2D(32, 3, strides=2, name="layer1", **options)(x), "layer1")
    for number, (stride, filters) in enumerate(_SEPARABLE, start=2):
        depthwise, pointwise = f"layer{number}_depthwise", f"layer{number}_pointwise"
        x = normalise(layers.DepthwiseConv2D(3, strides=stride, name=depthwise, **options)(x), depthwise)
        x = normalise(layers.Conv2D(filters, 1, name=pointwise, **options)(x), pointwise)
    embeddings = layers.GlobalAveragePooling2D(name="embeddings")(x)
    scores = layers.Dense(CLASSES, activation="sigmoid", name="scores")(embeddings)
    return keras.Model(patches, [scores, embeddings], name="yamnet")


def load_yamnet(path: str | Path | None = None) -> keras.Model:
    """Build YAMNet with its published weights.

    Args:
        path: `yamnet.h5`, whose checksum is checked; default: `~/.keras/models/`, and a download if it is not there.

    Raises:
        AvkerasError: the weights cannot be found or are another file.

    Example:
        >>> load_yamnet("yamnet.h5")
        Traceback (most recent call last):
        ...
        avkeras.errors.AvkerasError: yamnet.h5: no such file; yamnet.h5 (15 MB, SHA-256 13c...) is wanted.
    """
    from avkeras.features.networks.keras_weights import read_layers, set_weights_in_order

    network = build_yamnet()
    set_weights_in_order(network, read_layers(find_weights(WEIGHTS, path)), what="YAMNet")
    return network


def write(
    directory: str | Path,
    *,
    weights: str | Path | None = None,
    network: keras.Model | None = None,
    overwrite: bool = False,
) -> Path:
    """Write YAMNet with its published weights and TF Hub's three outputs: scores, embeddings, spectrogram (15 MB).

    Args:
        directory: the SavedModel's folder.
        weights: `yamnet.h5`; default: `~/.keras/models/`, downloaded if need be.
        network: a model to use in place of YAMNet, with the same input and output shapes.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found or are another file.

    Example:
        >>> import keras
        >>> patches = keras.Input((96, 64))
        >>> flat = keras.layers.Flatten()(patches)
        >>> network = keras.Model(patches, [keras.layers.Dense(521)(flat), keras.layers.Dense(1024)(flat)])
        >>> write("yamnet", network=network)
        PosixPath('yamnet')
    """

    network = network or load_yamnet(weights)

    def call(waveform: tf.Tensor) -> tuple[tf.Tensor, ...]:
        spectrogram, patches = log_mel_patches(waveform)
        return (*network(patches, training=False), spectrogram)

    return export_embedder(call, directory, spec=EMBEDDERS["yamnet"].spec, tracked=network, overwrite=overwrite)
