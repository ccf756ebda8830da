"""VGGish (Hershey et al., 2017): log-mel front end, network and the names of its published weights.

Constants are those of the published model: 25 ms windows every 10 ms, 64 HTK mel bands, patches of 0.96 s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.networks.weight_files import WeightFile, check_weights
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 15_600  # the least input of one patch: 95 hops of 160 samples and one STFT window of 400
HOP_SAMPLES = 15_360
PATCH_FRAMES = 96
MEL_BANDS = 64
LOG_OFFSET = 0.01
EMBEDDING_DIM = 128
CHECKPOINT = WeightFile(
    "vggish_model.ckpt",
    "VGGish",
    "d1c7011e6366aa34176bb05c705e31a8",
    "md5",
    url="https://storage.googleapis.com/audioset/vggish_model.ckpt",
)
PCA = WeightFile(
    "vggish_pca_params.npz",
    "VGGish's PCA",
    "c80cae691033abe7c7ecd11ea39fc834",
    "md5",
    url="https://storage.googleapis.com/audioset/vggish_pca_params.npz",
)

# One group per pooling layer: the layers' published names and their widths.
_CONVOLUTIONS = (
    (("conv1", 64),),
    (("conv2", 128),),
    (("conv3/conv3_1", 256), ("conv3/conv3_2", 256)),
    (("conv4/conv4_1", 512), ("conv4/conv4_2", 512)),
)
_HIDDEN = (("fc1/fc1_1", 4096), ("fc1/fc1_2", 4096))
_OUTPUT = "fc2"


def log_mel_patches(waveform: tf.Tensor) -> tf.Tensor:
    """Cut a waveform into VGGish's log-mel patches, with nothing padded.

    Args:
        waveform: `(samples,)` float32, mono, 16 kHz, in [-1, 1].

    Returns:
        `(patches, 96, 64)` float32, log(mel + 0.01); no patch for fewer than 15,600 samples.

    Example:
        >>> log_mel_patches(tf.zeros(160_000)).shape
        TensorShape([10, 96, 64])
    """
    import tensorflow as tf

    # tf.signal refuses an input without a single STFT window, so that it gets one; still too few for a patch.
    waveform = tf.pad(waveform, [[0, tf.maximum(400 - tf.shape(waveform)[0], 0)]])
    # In double precision as in the published code: where little sounds, log(mel + 0.01) shows float32's errors.
    waveform = tf.cast(waveform, tf.float64)
    log_mel = tf.cast(log_mel_spectrogram(waveform, offset=LOG_OFFSET), tf.float32)
    return tf.signal.frame(log_mel, PATCH_FRAMES, PATCH_FRAMES, axis=0)


def log_mel_spectrogram(waveform: tf.Tensor, *, offset: float) -> tf.Tensor:
    """Return a log-mel spectrogram, log(mel + offset), of 25 ms windows every 10 ms, with nothing padded.

    Args:
        waveform: `(samples,)` floats, at least 400, mono, 16 kHz; its precision is that of the computation.
        offset: what is added under the logarithm.

    Returns:
        `(frames, 64)`, of the waveform's type.

    Example:
        >>> log_mel_spectrogram(tf.zeros(16_000), offset=0.01).shape
        TensorShape([98, 64])
    """
    import tensorflow as tf

    spectra = tf.abs(tf.signal.stft(waveform, frame_length=400, frame_step=160, fft_length=512))
    to_mel = tf.signal.linear_to_mel_weight_matrix(
        num_mel_bins=MEL_BANDS,
        num_spectrogram_bins=257,
        sample_rate=SAMPLE_RATE,
        lower_edge_hertz=125.0,
        upper_edge_hertz=7500.0,
        dtype=waveform.dtype,
    )
    return tf.math.log(spectra @ to_mel + offset)


def build_vggish(*, width: float = 1.0) -> keras.Model:
    """Build the VGGish network with random weights: 72,141,184 parameters.

    Args:
        width: factor on the number of units of every layer but the last; below 1 for quick trials.

    Returns:
        A model from log-mel patches `(batch, 96, 64)` to embeddings `(batch, 128)`, before any activation.

    Example:
        >>> build_vggish(width=1 / 16).output_shape
        (None, 128)
    """
    import keras

    def units(full: int) -> int:
        return max(1, round(full * width))

    def layer_name(published: str) -> str:
        return published.rsplit("/", 1)[-1]

    patches = x = keras.Input((PATCH_FRAMES, MEL_BANDS), name="patches")
    x = keras.layers.Reshape((PATCH_FRAMES, MEL_BANDS, 1), name="one_channel")(x)
    for number, group in enumerate(_CONVOLUTIONS, start=1):
        for published, filters in group:
            convolution = keras.layers.Conv2D(
                units(filters), 3, padding="same", activation="relu", name=layer_name(published)
            )
            x = convolution(x)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for published, hidden in _HIDDEN:
        x = keras.layers.Dense(units(hidden), activation="relu", name=layer_name(published))(x)
    x = keras.layers.Dense(EMBEDDING_DIM, name=_OUTPUT)(x)
    return keras.Model(patches, x, name="vggish")


def checkpoint_names() -> dict[str, str]:
    """Map the published checkpoint's layer scopes (`vggish/conv3/conv3_1`) to the Keras layers' names."""
    scopes = [name for group in _CONVOLUTIONS for name, _ in group] + [name for name, _ in _HIDDEN] + [_OUTPUT]
    return {f"vggish/{scope}": scope.rsplit("/", 1)[-1] for scope in scopes}


def set_weights_from_checkpoint(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the variables of the published TF1 checkpoint into the network.

    Args:
        model: what `build_vggish` returns.
        arrays: variables by their names in the checkpoint, such as `vggish/conv1/weights`; other names
            (the optimiser's) are left alone.

    Raises:
        AvkerasError: every variable that is missing or has another shape, a line each.
    """
    defects = []
    for scope, layer_name in checkpoint_names().items():
        layer = model.get_layer(layer_name)
        for variable, suffix in ((layer.kernel, "weights"), (layer.bias, "biases")):
            name = f"{scope}/{suffix}"
            if name not in arrays:
                defects.append(f"{name}: not in the checkpoint")
            elif tuple(arrays[name].shape) != tuple(variable.shape):
                defects.append(f"{name}: shape {tuple(arrays[name].shape)}, the network has {tuple(variable.shape)}")
            else:
                variable.assign(arrays[name])
    if defects:
        raise AvkerasError("This is not the published VGGish checkpoint.\n" + "\n".join(defects))


def read_pca(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the parameters of VGGish's post-processing.

    Args:
        path: `vggish_pca_params.npz`.

    Returns:
        The matrix `(128, 128)` and the mean `(128,)`.

    Raises:
        AvkerasError: the file cannot be read or holds something else.

    Example:
        >>> np.savez("pca.npz", pca_eigen_vectors=np.eye(128), pca_means=np.zeros((128, 1)))
        >>> [array.shape for array in read_pca("pca.npz")]
        [(128, 128), (128,)]
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path) as arrays:
            matrix, mean = arrays["pca_eigen_vectors"], arrays["pca_means"].reshape(-1)
    except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise AvkerasError(f"{path}: cannot be read as {PCA.name}: {error}") from error
    if matrix.shape != (EMBEDDING_DIM, EMBEDDING_DIM) or mean.shape != (EMBEDDING_DIM,):
        raise AvkerasError(f"{path}: arrays of shapes {matrix.shape} and {mean.shape}, (128, 128) and (128,) expected.")
    return matrix, mean


def postprocess(embeddings: tf.Tensor, matrix: np.ndarray, mean: np.ndarray) -> tf.Tensor:
    """Whiten embeddings by their PCA and quantise [-2, 2] to 8 bits, as AudioSet's released features are.

    Args:
        embeddings: `(frames, 128)`.
        matrix: `(128, 128)`, from `read_pca`.
        mean: `(128,)`, from `read_pca`.

    Returns:
        `(frames, 128)` float32: whole numbers from 0 to 255.

    Example:
        >>> float(postprocess(tf.zeros((1, 128)), np.eye(128), np.zeros(128))[0, 0])
        127.0
    """
    import tensorflow as tf

    # In double precision as in the published code, as the last step rounds down.
    whitened = tf.linalg.matmul(tf.cast(embeddings, tf.float64) - mean, matrix, transpose_b=True)
    return tf.cast(tf.floor((tf.clip_by_value(whitened, -2.0, 2.0) + 2.0) * (255.0 / 4.0)), tf.float32)


def write(
    directory: str | Path,
    checkpoint: str | Path,
    *,
    pca: str | Path | None = None,
    width: float = 1.0,
    overwrite: bool = False,
) -> Path:
    """Write VGGish with the weights of the published TF1 checkpoint, waveform to embeddings (289 MB).

    Args:
        directory: the SavedModel's folder.
        checkpoint: `vggish_model.ckpt`.
        pca: `vggish_pca_params.npz`, to whiten the embeddings and quantise them to 8 bits (0 to 255), as AudioSet's
            released features are; default: the embeddings as the network gives them, as TF Hub's module does.
        width: factor on the number of units, for trials with a narrow checkpoint; the published files' checksums
            are checked at 1.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: a file cannot be read or is not the published one.

    Example:
        >>> write("vggish", "vggish_model.ckpt")
        Traceback (most recent call last):
        ...
        avkeras.errors.AvkerasError: vggish_model.ckpt: no such file; vggish_model.ckpt (MD5 d1c...) is wanted.
    """
    import tensorflow as tf

    if width == 1.0:
        check_weights(checkpoint, CHECKPOINT)
        if pca is not None:
            check_weights(pca, PCA)
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        names = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise AvkerasError(f"{checkpoint}: cannot be read as a TensorFlow checkpoint.") from error
    network = build_vggish(width=width)
    set_weights_from_checkpoint(network, {name: reader.get_tensor(name) for name in names})
    spec, finish = EMBEDDERS["vggish"].spec, None
    if pca is not None:
        matrix, mean = read_pca(pca)
        note = "VGGish (Hershey et al., 2017), whitened by its PCA and quantised to 8 bits (0 to 255)"
        spec = dataclasses.replace(spec, name="vggish_pca", handle=None, note=note)

        def finish(embeddings: tf.Tensor) -> tf.Tensor:
            return postprocess(embeddings, matrix, mean)

    def call(waveform: tf.Tensor) -> tf.Tensor:
        embeddings = network(log_mel_patches(waveform), training=False)
        return finish(embeddings) if finish else embeddings

    return export_embedder(call, directory, spec=spec, tracked=network, overwrite=overwrite)
