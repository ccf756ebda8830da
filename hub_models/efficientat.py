"""EfficientAT's mn04 as a SavedModel: `python hub_models/efficientat.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("efficientat")
