"""Temporally coherent embeddings (Knights et al., 2020): a ResNet-50 trained on Kinetics-400 without labels.

Its authors' repository is csiro-robotics/TCE; its checkpoint is not served any more where they linked to it, so that
the file has to come from the user.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.networks.resnet50 import SIZE
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

SHORT_SIDE = 256
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# What training needed beside the trunk: the contrastive and the rotation head.
_HEADS = ("fc_contrastive.", "fc_rotation_", "bn_rotation_")

logger = logging.getLogger(__name__)


def preprocess(pictures: tf.Tensor) -> tf.Tensor:
    """Scale pictures to a short side of 256, cut out the middle, 224 x 224, and normalise by ImageNet's colours.

    Args:
        pictures: `(batch, height, width, 3)` RGB in [0, 1], of any size.

    Returns:
        `(batch, 224, 224, 3)`.

    Example:
        >>> preprocess(tf.zeros((1, 360, 640, 3))).shape
        TensorShape([1, 224, 224, 3])
    """
    import tensorflow as tf

    from avkeras.features.networks.pictures import crop, resize_short_side

    def corner(sides, size):  # rounds as torchvision's CenterCrop does, halves to the even side
        return tf.cast(tf.round((sides - size) / 2), tf.int32)

    pictures = crop(resize_short_side(pictures, SHORT_SIDE), SIZE, corner=corner)
    return (pictures - _MEAN) / _DEVIATION


def trunk_of(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a checkpoint's arrays by torchvision's names: without `module.` and, for the trunk, `backbone.`.

    Example:
        >>> list(trunk_of({"module.backbone.conv1.weight": 1, "module.fc_contrastive.bias": 2}))
        ['conv1.weight', 'fc_contrastive.bias']
    """
    return {name.removeprefix("module.").removeprefix("backbone."): array for name, array in state.items()}


def load_tce(path: str | Path) -> keras.Model:
    """Build the network with the weights of the authors' PyTorch checkpoint; the log names what is left over.

    Args:
        path: the checkpoint of `pretrain.py` with a ResNet-50 trunk: a dict with a `state_dict`, or that alone.

    Returns:
        A model from preprocessed pictures `(batch, 224, 224, 3)` (see `preprocess`) to `(batch, 2048)`.

    Raises:
        AvkerasError: the file cannot be read, or the weights that are missing, of another shape or unexpected.

    Example:
        >>> load_tce("tce_resnet50.pth")
        Traceback (most recent call last):
        ...
        avkeras.errors.AvkerasError: tce_resnet50.pth: cannot be read: No such file or directory
    """
    from avkeras.features.networks.legacy_pickle import read_checkpoint
    from avkeras.features.networks.pytorch_weights import set_weights_by_name
    from avkeras.features.networks.resnet50 import build_resnet50

    content = read_checkpoint(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(hasattr(array, "shape") for array in state.values()):
        raise AvkerasError(f"{path}: holds no state_dict, which a checkpoint of TCE has.")
    network = build_resnet50()
    try:
        left_over = set_weights_by_name(
            network, trunk_of(state), module_of=lambda layer: layer, unused=_HEADS, what="TCE's ResNet-50"
        )
    except AvkerasError as error:
        raise AvkerasError(f"{path}: {error}") from None
    logger.info("%s: left over, used in training only: %s", path, ", ".join(left_over) or "nothing")
    return network


def write(
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
        >>> import keras
        >>> pictures = keras.Input((224, 224, 3))
        >>> colours = keras.layers.Dense(2048)(keras.layers.GlobalAveragePooling2D()(pictures))
        >>> write("tce", network=keras.Model(pictures, colours))
        PosixPath('tce')
    """

    if network is None:
        if weights is None:
            raise AvkerasError("tce: its checkpoint cannot be downloaded; give the file as `weights`.")
        network = load_tce(weights)
    return export_embedder(
        lambda pictures: network(preprocess(pictures), training=False),
        directory,
        spec=EMBEDDERS["tce"].spec,
        tracked=network,
        overwrite=overwrite,
    )
