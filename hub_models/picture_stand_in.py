"""The stand-in for a visual network as a SavedModel: `python hub_models/picture_stand_in.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("picture_stand_in")
