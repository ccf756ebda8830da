"""What the models share: named sequences of embeddings whose masks may be left out."""

from collections.abc import Mapping

import keras


@keras.saving.register_keras_serializable(package="avkeras")
class SequenceModel(keras.Model):
    """A functional Keras model whose inputs named `*_mask` are optional.

    Args:
        inputs: dict of names to `keras.Input`.
        outputs: tensor or dict of tensors.

    Example:
        >>> import numpy as np
        >>> from keras import Input
        >>> mask = Input((None,), dtype="bool", name="audio_mask", optional=True)
        >>> inputs = {"audio": Input((None, 4), name="audio"), "audio_mask": mask}
        >>> SequenceModel(inputs=inputs, outputs=inputs["audio"])({"audio": np.ones((1, 3, 4))}).shape
        TensorShape([1, 3, 4])
    """

    def __call__(self, inputs, *args, **kwargs):
        """Calls the model; a mask that is left out means that all frames are real."""
        if isinstance(inputs, Mapping):
            inputs = dict.fromkeys(name for name in self.input if name.endswith("_mask")) | dict(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def compile(self, *args, jit_compile: bool | str = False, **kwargs) -> None:
        """Compiles as `keras.Model.compile` does, but without XLA unless asked for.

        On a CPU, XLA takes long to compile these models and does not make them faster. The optimizer is built at once:
        Keras would trace the training step twice to build it inside.
        """
        super().compile(*args, jit_compile=jit_compile, **kwargs)
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
