"""EfficientNet-Lite0's features as a SavedModel: `python hub_models/efficientnet_lite0.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("efficientnet_lite0")
