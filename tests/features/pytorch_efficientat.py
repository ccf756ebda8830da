"""EfficientAT's mn04 in PyTorch, by the names of its checkpoint, and its front end by definition, to compare with.

fschmid56/EfficientAT (MIT) `models/mn/` and `models/preprocess.py` were the model.
"""

import math

import numpy as np
import torch
from torch import nn

# Kernel, input, expanded, output, squeezed (0: no squeeze and excitation), hard swish, stride: mn04's own numbers.
BLOCKS = [
    (3, 8, 8, 8, 0, False, 1),
    (3, 8, 24, 16, 0, False, 2),
    (3, 16, 32, 16, 0, False, 1),
    (5, 16, 32, 16, 8, False, 2),
    (5, 16, 48, 16, 16, False, 1),
    (5, 16, 48, 16, 16, False, 1),
    (3, 16, 96, 32, 0, True, 2),
    (3, 32, 80, 32, 0, True, 1),
    (3, 32, 72, 32, 0, True, 1),
    (3, 32, 72, 32, 0, True, 1),
    (3, 32, 192, 48, 48, True, 1),
    (3, 48, 272, 48, 72, True, 1),
    (5, 48, 272, 64, 72, True, 2),
    (5, 64, 384, 64, 96, True, 1),
    (5, 64, 384, 64, 96, True, 1),
]


def convolution(before, after, kernel=1, stride=1, groups=1, activation=None):
    layers = [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after, eps=0.001),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Excitation(nn.Module):
    def __init__(self, units, squeezed):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(units, squeezed), nn.Linear(squeezed, units)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))[:, :, None, None]


class Excitations(nn.Module):
    def __init__(self, units, squeezed):
        super().__init__()
        self.conc_se_layers = nn.ModuleList([Excitation(units, squeezed)])

    def forward(self, x):
        return self.conc_se_layers[0](x)


class Block(nn.Module):
    def __init__(self, kernel, before, expanded, after, squeezed, hard, stride):
        super().__init__()
        activation = nn.Hardswish if hard else nn.ReLU
        parts = [convolution(before, expanded, activation=activation)] if expanded != before else []
        parts += [convolution(expanded, expanded, kernel, stride, expanded, activation)]
        parts += [Excitations(expanded, squeezed)] if squeezed else []
        self.block = nn.Sequential(*parts, convolution(expanded, after))
        self.skipped = stride == 1 and before == after

    def forward(self, x):
        return self.block(x) + x if self.skipped else self.block(x)


class EfficientAT(nn.Module):
    """From log-mel spectrograms `(batch, 1, 128, frames)` to scores of the whole and features `(batch, 384, steps)`."""

    def __init__(self):
        super().__init__()
        first, last = convolution(1, 8, 3, 2, activation=nn.Hardswish), convolution(64, 384, activation=nn.Hardswish)
        self.features = nn.Sequential(first, *(Block(*row) for row in BLOCKS), last)
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(384, 512), nn.Hardswish()]
        self.classifier = nn.Sequential(*head, nn.Dropout(0.2), nn.Linear(512, 527))

    def forward(self, x):
        x = self.features(x)
        return torch.sigmoid(self.classifier(x)), x.mean(2)

    def scores(self, features):
        """From features `(..., 384)` to scores of each."""
        for layer in list(self.classifier)[2:]:
            features = layer(features)
        return torch.sigmoid(features)


def randomised(seed=0):
    """The network, with weights that keep the scale of activations and statistics that are not a new network's."""
    torch.manual_seed(seed)
    network = EfficientAT().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.weight, 0.7, 1.3), (module.bias, -0.2, 0.2)):
                nn.init.uniform_(values, low, high)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network


def log_mel(waveform):
    """The published front end, of `(samples,)`; `(128, frames)`."""
    emphasised = torch.from_numpy(waveform[1:] - np.float32(0.97) * waveform[:-1])
    window = torch.hann_window(800, periodic=False)
    spectrum = torch.stft(emphasised, 1024, 320, 800, window, center=True, return_complex=True)
    return ((torch.from_numpy(kaldi_bands()) @ spectrum.abs() ** 2 + 1e-5).log() + 4.5) / 5


def kaldi_bands(bands=128, high=15_000.0):
    """Kaldi's triangles `(bands, 513)`: straight on the mel scale, from 0 Hz."""

    def mel(hertz):
        return 1127.0 * math.log(1.0 + hertz / 700.0)

    width = mel(high) / (bands + 1)
    found = np.zeros((bands, 513), "float32")
    for band in range(bands):
        for bin in range(512):
            place = mel(bin * 32_000 / 1024) / width - band
            found[band, bin] = max(0.0, min(place, 2.0 - place))
    return found
