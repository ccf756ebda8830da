"""What the models share: named sequences of embeddings, which a clip may lack, and masks, which may be left out."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from avkeras.models.array_batches import ArrayBatches, cut_for_fit, cut_for_one_pass


@keras.saving.register_keras_serializable(package="avkeras")
class SequenceModel(keras.Model):
    """A functional Keras model of named sequences that may be absent, each with an optional mask `<name>_mask`.

    It is called with a dict of one sequence or more, `(batch, frames, dim)`; one that is left out is absent from every
    clip of the batch, as if its mask were False throughout. A mask that Keras attached to a sequence (by
    `keras.layers.Masking`) is its mask where none is given.

    An optional input that is neither a sequence nor a mask, such as a ratio per clip, may be left out too.

    Args:
        inputs: dict of names to `keras.Input`.
        outputs: tensor or dict of tensors.

    Raises:
        ValueError: when called with none of its sequences, with a name that is none of its inputs, or with sequences
            and masks of different numbers of clips or frames.

    Example:
        >>> import numpy as np
        >>> from keras import Input
        >>> mask = Input((None,), dtype="bool", name="audio_mask", optional=True)
        >>> inputs = {"audio": Input((None, 4), name="audio"), "audio_mask": mask}
        >>> SequenceModel(inputs=inputs, outputs=inputs["audio"])({"audio": np.ones((1, 3, 4))}).shape
        TensorShape([1, 3, 4])
    """

    def __call__(self, inputs, *args, **kwargs):
        """Calls the model; a mask that is left out means that all frames are real, a sequence, that no clip has it."""
        if isinstance(inputs, Mapping):
            inputs = self._complete(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Runs the model; a stateless call, as JAX trains, comes here at once."""
        if isinstance(inputs, Mapping):
            inputs = self._complete(inputs)
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def compute_mask(self, inputs, previous_mask):
        """Returns None: the outputs have no padding that Keras would have to know of."""

    def fit(self, *args, **kwargs):
        """Trains as `keras.Model.fit` does; arrays are cut into batches one by one, never copied whole."""
        return super().fit(**cut_for_fit(*args, **kwargs))

    def evaluate(self, *args, **kwargs):
        """Evaluates as `keras.Model.evaluate` does, with arrays as in `fit`."""
        return super().evaluate(**cut_for_one_pass(keras.Model.evaluate, *args, **kwargs))

    def predict(self, *args, **kwargs):
        """Predicts as `keras.Model.predict` does, with arrays as in `fit`, and no loop is set up where `verbose=0`."""
        given = cut_for_one_pass(keras.Model.predict, *args, **kwargs)
        batches, quiet = given["x"], given.get("verbose") == 0 and given.get("callbacks") is None
        if not (quiet and isinstance(batches, ArrayBatches)):
            return super().predict(**given)
        found = [self.predict_on_batch(batches[index][0]) for index in range(len(batches))]
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *found)

    def _complete(self, inputs):
        """Returns all inputs of the model, from those that are given."""
        given = {name: value for name, value in inputs.items() if value is not None}
        sequences = [name for name, tensor in self.input.items() if len(tensor.shape) == 3]
        first = next((name for name in sequences if name in given), None)
        if first is None:
            known, found = " or ".join(sequences), ", ".join(given) or "nothing"
            raise ValueError(f"{self.name} needs {known}, but is given {found}")
        if unknown := [str(name) for name in inputs if name not in self.input]:
            raise ValueError(
                f"{self.name} has no input {', '.join(unknown)}: leave it out, or name it by one of its own, "
                f"{', '.join(self.input)}"
            )
        for name in sequences:
            _check_sizes(name, given.get(name), f"{name}_mask", given.get(f"{name}_mask"), axes=2)
            _check_sizes(name, given.get(name), first, given[first], axes=1)
        added, like = {}, given[first]
        for name in sequences:
            if name not in given:
                added |= self._absent(name, like)
            elif getattr(given[name], "_keras_mask", None) is not None:
                added[f"{name}_mask"] = _tensor(given.get(f"{name}_mask", given[name]._keras_mask))
        if isinstance(like, keras.KerasTensor):  # of another Keras model, in which no input may be None
            unmasked = [name for name in sequences if f"{name}_mask" not in given | added]
            added |= {f"{name}_mask": _whole(given[name]) for name in unmasked}
        if added:  # Keras takes arrays or tensors, not both
            given = {name: _tensor(value) for name, value in given.items()} | added
        return dict.fromkeys(name for name in self.input if name not in sequences) | given

    def _absent(self, name, like):
        """Returns a sequence that no clip has, as long as `like` `(batch, frames, dim)`, and its mask."""
        frame = ops.zeros_like(_tensor(like)[..., :1])
        absent = ops.repeat(frame, self.input[name].shape[-1], axis=-1)
        return {name: absent, f"{name}_mask": ops.cast(frame[..., 0], "bool")}

    def compile(self, *args, jit_compile: bool | str | None = None, **kwargs) -> None:
        """Compiles as `keras.Model.compile` does, but without XLA unless asked for, or needed, as on JAX.

        On a CPU, XLA takes long to compile these models and does not make TensorFlow faster. The optimizer is built at
        once: Keras would trace the training step twice to build it inside.
        """
        super().compile(*args, jit_compile=default_compiler(jit_compile), **kwargs)
        if self.optimizer is not None:  # None: only to evaluate
            self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable(package="avkeras")
class AudioRequired(SequenceModel):
    """A functional model of named sequences of which `audio` is never absent; no other one is longer (2022).

    Args:
        inputs: dict of names to `keras.Input`.
        outputs: tensor or dict of tensors.

    Example:
        >>> inputs = {"audio": keras.Input((None, 4), name="audio"), "video": keras.Input((None, 6), name="video")}
        >>> model = AudioRequired(inputs=inputs, outputs=inputs["audio"], name="tagger")
        >>> model({"video": ops.ones((1, 3, 6))})
        Traceback (most recent call last):
        ...
        ValueError: tagger needs audio; a clip may lack its visual inputs only
    """

    def _absent(self, name, like):
        if name == "audio":
            raise ValueError(f"{self.name} needs audio; a clip may lack its visual inputs only")
        return super()._absent(name, like[:, :2])  # as long as audio would be too long; Keras warns of softmax over one


def default_compiler(jit_compile: bool | str | None) -> bool | str:
    """Returns whether a training step is compiled by XLA, where the caller leaves it open (None): on JAX alone."""
    if jit_compile is None:
        return keras.backend.backend() == "jax"
    return jit_compile


def _check_sizes(name, one, other_name, other, *, axes):
    """Raises if two inputs that are there differ in their first sizes, as far as these are known."""
    if one is None or other is None:
        return
    sizes = [tuple(each.shape if hasattr(each, "shape") else np.shape(each))[:axes] for each in (one, other)]
    if any(None not in pair and pair[0] != pair[1] for pair in zip(*sizes, strict=False)):
        what = "clips" if axes == 1 else "(clips, frames)"
        own, others = (size[0] if axes == 1 else size for size in sizes)
        raise ValueError(f"{name} has {own} {what}, {other_name} has {others}: they must be as many")


def _tensor(value):
    return value if isinstance(value, keras.KerasTensor) else ops.convert_to_tensor(value)


def _whole(sequence):
    return ops.cast(ops.ones_like(sequence[..., 0]), "bool")
