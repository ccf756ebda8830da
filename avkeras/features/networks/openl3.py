"""OpenL3's image network (Cramer et al., 2019; Arandjelovic and Zisserman, 2017) with its published weights.

Of the published image networks this is the one that was trained beside the mel256 audio network on videos of
environments. Its weights are CC BY 4.0 (J. Cramer, H.-H. Wu, J. Salamon, J. P. Bello).
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.features.networks.weight_files import WeightFile, check_weights, find_weights
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SIZE = (224, 224)
SHORT_SIDE = 256
EMBEDDING_DIM = 512
WEIGHTS = WeightFile(
    "openl3_image_mel256_env-v0_4_0.h5.gz",
    "OpenL3",
    "dbdf24a7e837267487adb3eed1586fcd2e37d775",
    "git blob",
    url="https://github.com/marl/openl3/raw/models/openl3_image_mel256_env-v0_4_0.h5.gz",
)
_BLOCKS = (64, 128, 256, 512)

logger = logging.getLogger(__name__)


def preprocess(pictures: tf.Tensor, *, signed: bool = False) -> tf.Tensor:
    """Scale pictures to a short side of 256 and cut out the middle, 224 x 224, as the openl3 package does.

    Args:
        pictures: `(batch, height, width, 3)` RGB in [0, 1], of any size.
        signed: bring them to [-1, 1]. openl3 0.4 does so with 8-bit pictures of exactly 224 x 224 only; the frames
            of a video of any other size stay in [0, 1], hence the default.

    Returns:
        `(batch, 224, 224, 3)`.

    Example:
        >>> preprocess(tf.zeros((1, 360, 640, 3))).shape
        TensorShape([1, 224, 224, 3])
    """
    import tensorflow as tf

    from avkeras.features.networks.pictures import crop, resize_short_side

    pictures = resize_short_side(pictures, SHORT_SIDE, whole=tf.round)
    pictures = crop(pictures, SIZE, corner=lambda sides, size: sides // 2 - [side // 2 for side in size])
    return 2.0 * pictures - 1.0 if signed else pictures


def build_openl3(*, pooled: bool = True) -> keras.Model:
    """Build OpenL3's image network with random weights: 4,691,020 parameters.

    Args:
        pooled: False for the map `(batch, 28, 28, 512)` of its last layer, before pooling.

    Returns:
        A model from preprocessed pictures `(batch, 224, 224, 3)` (see `preprocess`) to `(batch, 512)`.

    Example:
        >>> build_openl3().output_shape
        (None, 512)
    """
    import keras
    from keras import layers

    def convolve(x, filters, name):
        return layers.Conv2D(filters, 3, padding="same", name=name)(x)

    def normalise(x, name):
        return layers.BatchNormalization(epsilon=1e-3, name=name)(x)

    pictures = keras.Input((*SIZE, 3), name="pictures")
    x = normalise(pictures, "input_norm")
    for number, filters in enumerate(_BLOCKS, start=1):
        x = normalise(convolve(x, filters, f"conv{number}_1"), f"norm{number}_1")
        x = layers.ReLU(name=f"relu{number}_1")(x)
        if number == len(_BLOCKS):
            x = convolve(x, filters, "vision_embedding_layer")
            break
        x = convolve(x, filters, f"conv{number}_2")
        if number == 1:  # the published network normalises after the ReLU here, and before it everywhere else
            x = normalise(layers.ReLU(name="relu1_2")(x), "norm1_2")
        else:
            x = layers.ReLU(name=f"relu{number}_2")(normalise(x, f"norm{number}_2"))
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    if pooled:
        x = layers.GlobalMaxPooling2D(name="pool4")(x)
    return keras.Model(pictures, x, name="openl3_image")


def load_openl3(path: str | Path | None = None) -> keras.Model:
    """Build OpenL3's image network with its published weights.

    Args:
        path: the published `.h5.gz`, whose checksum is checked, or an unpacked `.h5`, such as the openl3 package
            holds: no checksum of it is published, so that only its layers' shapes are checked, and the log says so.
            Default: `~/.keras/models/`, and a download if it is not there.

    Raises:
        AvkerasError: the weights cannot be found, are another file or do not fit.

    Example:
        >>> load_openl3("openl3.h5.gz")
        Traceback (most recent call last):
        ...
        avkeras.errors.AvkerasError: openl3.h5.gz: no such file; openl3_image_mel256_env-v0_4_0.h5.gz (...) is wanted.
    """
    from avkeras.features.networks.keras_weights import read_layers, set_weights_in_order

    if path is None or Path(path).suffix == ".gz":
        path = find_weights(WEIGHTS) if path is None else check_weights(path, WEIGHTS)
    else:
        logger.warning("%s: unpacked, so only its shapes were checked; %s has a checksum.", path, WEIGHTS.name)
    network = build_openl3()
    set_weights_in_order(network, read_layers(path), what="OpenL3's image network")
    return network


def write(
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
        signed: give the network pictures in [-1, 1] in place of [0, 1] (see `preprocess`).
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the weights cannot be found, are another file or do not fit.

    Example:
        >>> import keras
        >>> pictures = keras.Input((224, 224, 3))
        >>> colours = keras.layers.Dense(512)(keras.layers.GlobalAveragePooling2D()(pictures))
        >>> write("openl3", network=keras.Model(pictures, colours))
        PosixPath('openl3')
    """

    network = network or load_openl3(weights)
    spec = EMBEDDERS["openl3"].spec
    if signed:
        spec = dataclasses.replace(spec, name="openl3_signed", note=spec.note.replace("[0, 1]", "[-1, 1]"))
    return export_embedder(
        lambda pictures: network(preprocess(pictures, signed=signed), training=False),
        directory,
        spec=spec,
        tracked=network,
        overwrite=overwrite,
    )
