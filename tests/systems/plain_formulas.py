"""The systems' formulas in plain numpy, with the weights of a model, for one clip or a few; nothing of avkeras."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    x = np.exp(x - x.max(axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)


def convolve(x, kernel, bias=0.0, strides=(1, 1)):
    """3x3 correlation over `(batch, frames, bands, channels)`, as many frames and bands out as in (same)."""
    frames, bands = x.shape[1:3]
    out = [-(-frames // strides[0]), -(-bands // strides[1])]
    pads = [max((o - 1) * s + 3 - n, 0) for o, s, n in zip(out, strides, (frames, bands), strict=True)]
    x = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
    total = bias
    for i in range(3):
        for j in range(3):
            part = x[:, i : i + (out[0] - 1) * strides[0] + 1 : strides[0], j : j + (out[1] - 1) * strides[1] + 1 :
                     strides[1]]  # fmt: skip
            total = total + part @ kernel[i, j]
    return total


def pool(x, size, function=np.max):
    """Pools `(batch, frames, bands, channels)`; what makes no whole pool is left out."""
    frames, bands = x.shape[1] // size[0], x.shape[2] // size[1]
    x = x[:, : frames * size[0], : bands * size[1]]
    x = x.reshape(len(x), frames, size[0], bands, size[1], -1)
    return function(x, axis=(2, 4))


def normalize(x, weights, epsilon=1e-3):
    """Batch normalisation by moving statistics; weights are scale, offset, mean and variance."""
    scale, offset, mean, variance = weights
    return (x - mean) / np.sqrt(variance + epsilon) * scale + offset


def layer_norm(x, scale, offset, epsilon=1e-6):
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
    return (x - x.mean(axis=-1, keepdims=True)) / deviation * scale + offset


def gru(x, weights, activation=np.tanh, *, reset_after):
    """One direction of a GRU over `(batch, steps, dim)`: update gate, reset gate, candidate."""
    kernel, recurrent, bias = weights
    units = recurrent.shape[0]
    first, second = bias if reset_after else (bias, np.zeros(3 * units))
    state, states = np.zeros((len(x), units)), []
    for step in range(x.shape[1]):
        given = x[:, step] @ kernel + first
        if reset_after:
            carried = state @ recurrent + second
            update = sigmoid(given[:, :units] + carried[:, :units])
            reset = sigmoid(given[:, units : 2 * units] + carried[:, units : 2 * units])
            candidate = activation(given[:, 2 * units :] + reset * carried[:, 2 * units :])
        else:
            update = sigmoid(given[:, :units] + state @ recurrent[:, :units])
            reset = sigmoid(given[:, units : 2 * units] + state @ recurrent[:, units : 2 * units])
            candidate = activation(given[:, 2 * units :] + (reset * state) @ recurrent[:, 2 * units :])
        state = update * state + (1 - update) * candidate
        states.append(state)
    return np.stack(states, axis=1)


def both_ways(x, layer, activation=np.tanh, *, reset_after):
    """A bidirectional Keras GRU by its weights."""
    forward, backward = (one.get_weights() for one in (layer.forward_layer, layer.backward_layer))
    options = {"activation": activation, "reset_after": reset_after}
    return np.concatenate([gru(x, forward, **options), gru(x[:, ::-1], backward, **options)[:, ::-1]], axis=-1)


def weighted_mean(probabilities, weights):
    return (probabilities * weights).sum(axis=1) / weights.sum(axis=1)


def shaken(model, seed=0):
    """Gives a model weights as after training: no offset is 0, no scale 1, no statistic that of no batch."""
    random = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        for weight in layer._trainable_variables + layer._non_trainable_variables:
            if "seed" in weight.name or weight.dtype == "int32":
                continue
            value = np.asarray(weight)
            if "variance" in weight.name or "deviation" in weight.name:
                value = random.uniform(0.5, 2, value.shape)
            elif value.ndim < 2 or weight.name == "bias":
                value = value + random.normal(0, 0.2, value.shape)
            weight.assign(value)
    return model


def double(model):
    """The weights of each layer by its name, in double precision."""
    return {layer.name: [weight.astype("float64") for weight in layer.get_weights()] for layer in model.layers}


def attend(x, layer, distances=None):
    """Heads of scaled dot-product attention by the layer's weights; `distances`: what each score gets besides."""
    config = layer.get_config()
    names = {weight.name: np.asarray(weight, np.float64) for weight in layer.weights}

    def mapped(name):
        kernel, bias = names[f"{name}_kernel"], names[f"{name}_bias"]
        return np.einsum("btd,hdk->bhtk", x, kernel) + bias[:, None]

    scores = mapped("query") @ mapped("key").transpose(0, 1, 3, 2) / np.sqrt(config["key_dim"])
    values = softmax(scores + (0 if distances is None else distances)) @ mapped("value")
    return np.einsum("bhtk,hko->bto", values, names["output_kernel"]) + names["output_bias"]


def sinusoids(positions, dim):
    """Sines and cosines of positions, one after the other, `(positions, dim)`."""
    angles = np.asarray(positions)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(angles), dim)


def two_maps(x, layer, activation):
    """A feed-forward layer by its weights."""
    (kernel, bias), (other, offset) = (part.get_weights() for part in (layer.hidden_map, layer.output_map))
    return activation(x @ kernel + bias) @ other + offset


def frontend(x, layer, pooling, activation, epsilon=1e-3):
    """A convolutional front end by its weights: `(batch, frames, bands)` to `(batch, vectors, channels)`."""
    x = x[..., None]
    for index, size in enumerate(pooling):
        kernel, *bias = layer.convolutions[index].get_weights()
        x = normalize(convolve(x, kernel, *bias), layer.norms[index].get_weights(), epsilon)
        x = pool(activation(x, index), size, np.mean)
    return x[:, :, 0]
