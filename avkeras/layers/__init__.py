"""Keras layers of the papers, in `keras.ops` only."""
