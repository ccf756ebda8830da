"""The systems that the papers compare with, one file each: inputs, model, training, decision, published figures."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
