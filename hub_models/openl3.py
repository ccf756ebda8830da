"""OpenL3's image embeddings as a SavedModel: `python hub_models/openl3.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("openl3")
