"""Temporally coherent embeddings as a SavedModel: `python hub_models/tce.py --help`."""

from avkeras.commands.write_embedder import write_embedder

if __name__ == "__main__":
    write_embedder("tce")
