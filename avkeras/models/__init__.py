"""The papers' models, as ordinary functional Keras models."""
