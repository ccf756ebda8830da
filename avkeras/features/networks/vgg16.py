"""VGG16 (Simonyan and Zisserman, 2015) up to its second fully connected layer, from `keras.applications`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.features.networks.weight_files import WeightFile, find_weights
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SIZE = (224, 224)
EMBEDDING_DIM = 4096
WEIGHTS = WeightFile(
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "VGG16",
    "64373286793e3c8b2b4e3219cbf3544b",
    "md5",
    url="https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    megabytes=553,
)


def caffe_preprocess(pictures: tf.Tensor) -> tf.Tensor:
    """Turn RGB pictures `(..., 3)` in [0, 1] into what VGG16 was trained on: BGR in [0, 255], less ImageNet's mean.

    Example:
        >>> caffe_preprocess(tf.zeros((1, 224, 224, 3)))[0, 0, 0].numpy()
        array([-103.939, -116.779, -123.68 ], dtype=float32)
    """
    return pictures[..., ::-1] * 255.0 - (103.939, 116.779, 123.68)


def build_vgg16(*, weights: str | Path | None = None) -> keras.Model:
    """Build VGG16 up to `fc2`: 134,260,544 parameters.

    Args:
        weights: file of Keras' weights; None for random ones.

    Returns:
        A model from preprocessed pictures `(batch, 224, 224, 3)` (see `caffe_preprocess`) to `(batch, 4096)`,
        after the ReLU.

    Example:
        >>> build_vgg16().output_shape
        (None, 4096)
    """
    import keras

    full = keras.applications.VGG16(weights=None if weights is None else str(weights))
    return keras.Model(full.input, full.get_layer("fc2").output, name="vgg16_fc2")


def write(
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
        >>> import keras
        >>> pictures = keras.Input((224, 224, 3))
        >>> colours = keras.layers.Dense(4096)(keras.layers.GlobalAveragePooling2D()(pictures))
        >>> write("vgg16", network=keras.Model(pictures, colours))
        PosixPath('vgg16')
    """
    if network is None:
        network = build_vgg16(weights=find_weights(WEIGHTS, weights))
    return export_embedder(
        lambda pictures: network(caffe_preprocess(pictures), training=False),
        directory,
        spec=EMBEDDERS["vgg16"].spec,
        tracked=network,
        overwrite=overwrite,
    )
