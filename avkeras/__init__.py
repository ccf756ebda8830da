"""avkeras: audio tagging and sound event detection with the help of video, in Keras.

Nothing heavy is loaded here: TensorFlow and Keras are imported by the modules that use them.
"""

__version__ = "0.1.0"
