"""VGGish as a SavedModel: `python hub_models/vggish.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("vggish")
