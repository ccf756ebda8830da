"""VGG16's fc2 features as a SavedModel: `python hub_models/vgg16.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("vgg16")
