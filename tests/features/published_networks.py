"""OpenL3's image network and YAMNet in Keras 2, layer by layer as their authors published them, to compare with.

marl/openl3 (MIT) `openl3/models.py` and tensorflow/models (Apache-2.0) `research/audioset/yamnet/` were the models for
these functions; their weight files were written by such networks.
"""

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers


def openl3_image():
    pictures = tf_keras.Input((224, 224, 3))
    x = layers.BatchNormalization()(pictures)
    x = layers.Conv2D(64, 3, padding="same")(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Conv2D(64, 3, padding="same")(x)
    x = layers.BatchNormalization()(layers.Activation("relu")(x))
    x = layers.MaxPooling2D((2, 2), strides=2, padding="same")(x)
    for filters in (128, 256):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same")(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D((2, 2), strides=2, padding="same")(x)
    x = layers.Conv2D(512, 3, padding="same")(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Conv2D(512, 3, padding="same", name="vision_embedding_layer")(x)
    return tf_keras.Model(pictures, x)


def openl3_embeddings(network):
    pooled = layers.MaxPooling2D(pool_size=(28, 28), padding="same")(network.output)
    return tf_keras.Model(network.input, layers.Flatten()(pooled))


YAMNET_LAYERS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)]
YAMNET_LAYERS += [(1, 512)] * 5 + [(2, 1024), (1, 1024)]


def yamnet():
    """From patches to scores and embeddings."""

    def finish(x, name):
        x = layers.BatchNormalization(center=True, scale=False, epsilon=1e-4, name=f"{name}/bn")(x)
        return layers.ReLU(name=f"{name}/relu")(x)

    patches = tf_keras.Input((96, 64))
    x = layers.Reshape((96, 64, 1))(patches)
    x = finish(
        layers.Conv2D(32, [3, 3], strides=2, padding="same", use_bias=False, name="layer1/conv")(x), "layer1/conv"
    )
    for number, (stride, filters) in enumerate(YAMNET_LAYERS, start=2):
        name = f"layer{number}/depthwise_conv"
        x = finish(layers.DepthwiseConv2D([3, 3], strides=stride, padding="same", use_bias=False, name=name)(x), name)
        name = f"layer{number}/pointwise_conv"
        x = finish(layers.Conv2D(filters, (1, 1), padding="same", use_bias=False, name=name)(x), name)
    embeddings = layers.GlobalAveragePooling2D()(x)
    scores = layers.Activation("sigmoid")(layers.Dense(521, use_bias=True)(embeddings))
    return tf_keras.Model(patches, [scores, embeddings])


def yamnet_patches(waveform):
    """YAMNet's front end by the definition in its `features.py` and `params.py`."""
    hop, least = int(0.48 * 16000), int((0.96 + 0.025 - 0.010) * 16000)
    samples = max(len(waveform), least)
    hops = int(np.ceil(np.float32(samples - least) / np.float32(hop)))
    waveform = np.pad(waveform, (0, least + hop * hops - len(waveform)))
    magnitudes = tf.abs(tf.signal.stft(waveform, 400, 160, 512))
    to_mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000.0, 125.0, 7500.0)
    spectrogram = tf.math.log(tf.matmul(magnitudes, to_mel) + 0.001)
    return spectrogram.numpy(), tf.signal.frame(spectrogram, 96, 48, axis=-2).numpy()


def randomise(network, seed=0):
    """Draw weights that keep the scale of activations, and batch statistics that are not those of a new network."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        arrays = []
        for weight in layer.weights:
            kind, shape = weight.name.split("/")[-1].split(":")[0], weight.shape
            if kind == "moving_variance":
                array = rng.uniform(0.5, 1.5, shape)
            elif kind == "gamma":
                array = rng.uniform(0.7, 1.3, shape)
            elif kind == "depthwise_kernel":
                array = rng.normal(0, np.sqrt(2 / 9), shape)
            elif "kernel" in kind:
                array = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
            else:
                array = rng.normal(0, 0.1, shape)
            arrays.append(array.astype("float32"))
        layer.set_weights(arrays)
    return network
