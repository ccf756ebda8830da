"""ResNet-50 (He et al., 2016) in torchvision's form, as PyTorch checkpoints hold it.

`keras.applications.ResNet50` is another network: it strides in the first convolution of a block and has biases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

SIZE = (224, 224)
EMBEDDING_DIM = 2048

# Blocks of a stage and the width of their 3 x 3 convolutions; the output is four times as wide.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def build_resnet50() -> keras.Model:
    """Build ResNet-50 up to its average pooling, with random weights: 23,561,152 parameters.

    Layers carry the names of torchvision's modules (`layer1.0.conv1`).

    Returns:
        A model from normalised RGB pictures `(batch, 224, 224, 3)` to `(batch, 2048)`.

    Example:
        >>> build_resnet50().output_shape
        (None, 2048)
    """
    import keras
    from keras import layers

    def convolve(x, filters, kernel, stride, name):
        # PyTorch pads both sides alike; Keras' "same" does not where the stride is 2.
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x)
        return layers.Conv2D(filters, kernel, strides=stride, use_bias=False, name=name)(x)

    def normalise(x, name):
        return layers.BatchNormalization(epsilon=1e-5, name=name)(x)

    def block(x, width, stride, name, *, projected):
        shortcut = x
        if projected:
            shortcut = convolve(x, 4 * width, 1, stride, f"{name}.downsample.0")
            shortcut = normalise(shortcut, f"{name}.downsample.1")
        x = layers.ReLU(name=f"{name}.relu1")(normalise(convolve(x, width, 1, 1, f"{name}.conv1"), f"{name}.bn1"))
        x = layers.ReLU(name=f"{name}.relu2")(normalise(convolve(x, width, 3, stride, f"{name}.conv2"), f"{name}.bn2"))
        x = normalise(convolve(x, 4 * width, 1, 1, f"{name}.conv3"), f"{name}.bn3")
        return layers.ReLU(name=f"{name}.relu3")(layers.Add(name=f"{name}.add")([x, shortcut]))

    pictures = keras.Input((*SIZE, 3), name="pictures")
    x = layers.ReLU(name="relu")(normalise(convolve(pictures, 64, 7, 2, "conv1"), "bn1"))
    x = layers.ZeroPadding2D(1, name="maxpool.pad")(x)  # after a ReLU, zeros are as good as minus infinity
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)
    for stage, (blocks, width) in enumerate(_STAGES, start=1):
        for number in range(blocks):
            stride = 2 if stage > 1 and number == 0 else 1
            x = block(x, width, stride, f"layer{stage}.{number}", projected=number == 0)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    return keras.Model(pictures, x, name="resnet50")
