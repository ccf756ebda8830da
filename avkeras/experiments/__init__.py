"""The papers' experiments: they train, tune, score and write a run's folder."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
