"""avkeras: audio tagging and sound event detection with the help of video, in Keras.

`import avkeras as av` loads nothing heavy: each room (`av.models`, `av.layers`, `av.data`, ...) and each name in it is
imported when it is used first. What Keras saved with avkeras' classes can be loaded by Keras after that one import.
"""

from lazy_loader import attach_stub

from avkeras.registration import register_with_keras

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

register_with_keras()
