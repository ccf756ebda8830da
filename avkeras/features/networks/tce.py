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
        >>> load_tce("tce_resnet50.pth").output_shape
        (None, 2048)
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
