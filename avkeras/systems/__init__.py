"""The systems that the papers compare with, one file each: what they take, are, are trained by and were published with."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
