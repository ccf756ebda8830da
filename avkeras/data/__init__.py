"""Manifests, stores of embeddings, clips as targets and batches."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
