"""VGG16 (Simonyan and Zisserman, 2015) up to its second fully connected layer, from `keras.applications`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SIZE = (224, 224)
EMBEDDING_DIM = 4096
WEIGHTS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{WEIGHTS_FILE}"
WEIGHTS_MD5 = "64373286793e3c8b2b4e3219cbf3544b"


def caffe_preprocess(pictures: tf.Tensor) -> tf.Tensor:
    """Turn RGB pictures `(..., 3)` in [0, 1] into what VGG16 was trained on: BGR in [0, 255], less ImageNet's mean.

    Example:
        >>> caffe_preprocess(tf.zeros((1, 224, 224, 3)))[0, 0, 0].numpy()
        array([-103.939, -116.779, -123.68 ], dtype=float32)
    """
    return pictures[..., ::-1] * 255.0 - (103.939, 116.779, 123.68)


def find_weights(path: str | Path | None = None) -> Path:
    """Return the file of Keras' ImageNet weights, downloaded if need be, with its MD5 checked.

    Args:
        path: the file; default: `~/.keras/models/`, and a download if it is not there.

    Raises:
        AvkerasError: the file is not there and cannot be downloaded, or is another file.
    """
    import keras

    if path is None:
        try:
            path = keras.utils.get_file(WEIGHTS_FILE, WEIGHTS_URL, cache_subdir="models", file_hash=WEIGHTS_MD5)
        except Exception as error:  # get_file raises a bare Exception when there is no network
            raise AvkerasError(
                f"VGG16's weights are not there and cannot be downloaded from {WEIGHTS_URL} ({error}).\n"
                f"Put {WEIGHTS_FILE} (553 MB, MD5 {WEIGHTS_MD5}) into ~/.keras/models/, or name it: --weights FILE."
            ) from error
    path = Path(path)
    if not path.is_file():
        raise AvkerasError(f"{path}: no such file; {WEIGHTS_FILE} (MD5 {WEIGHTS_MD5}) is wanted.")
    import hashlib

    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != WEIGHTS_MD5:
        raise AvkerasError(f"{path}: MD5 {found}, but {WEIGHTS_FILE} has {WEIGHTS_MD5}; download it again.")
    return path


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
