"""What torchvision's ResNet-50 gives with random weights: `python torchvision_reference.py` writes it anew.

The file that the tests read was made with torchvision 0.28.0 (BSD-3-Clause) and PyTorch 2.13.0.
"""

import zlib
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "data" / "torchvision_resnet50" / "reference.npz"


def random_array(name, shape):
    """Weights that keep the scale of activations, drawn from a seed that the name gives."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) == 4:
        array = rng.standard_normal(shape, dtype="float32") * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    elif name.endswith("running_var"):
        array = rng.uniform(0.5, 1.5, shape)
    elif name.endswith(("weight", "running_mean")) or name.endswith("bias"):
        array = rng.uniform(0.5, 1.0, shape) if name.endswith("weight") else rng.normal(0, 0.1, shape)
    else:
        array = np.zeros(shape)  # num_batches_tracked
    return array.astype("float32")


def pictures():
    """Two RGB pictures `(2, 256, 256, 3)` in [0, 1]."""
    return np.random.default_rng(0).random((2, 256, 256, 3)).astype("float32")


def main():
    import torch
    import torchvision

    network = torchvision.models.resnet50().eval()
    network.fc = torch.nn.Identity()
    state = {name: torch.from_numpy(random_array(name, value.shape)) for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    steps = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(256),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with torch.no_grad():
        embeddings = network(steps(torch.from_numpy(pictures().transpose(0, 3, 1, 2)))).numpy()
    names = [f"{name} {' '.join(map(str, value.shape))}" for name, value in network.state_dict().items()]
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, embeddings=embeddings, names=names)


if __name__ == "__main__":
    main()
