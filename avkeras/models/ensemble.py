"""Several trained models as one, whose answer is the average of theirs."""

from collections.abc import Iterable

import keras

from avkeras.models.sequence_model import AudioRequired, SequenceModel


def ensemble(models: Iterable[SequenceModel], *, name: str = "ensemble") -> SequenceModel:
    """Makes a model that averages the probabilities of several models (2019, section 3.2.9).

    In the paper these are the models after each of the last 7 epochs. Each model is copied with its weights as it
    comes, so an iterator may load one epoch after the other into the same model.

    Args:
        models: models with the same named inputs and outputs of the same names and shapes.
        name: of the ensemble; its members are called `<name>_1`, `<name>_2` and so on.

    Returns:
        A functional model with the inputs of one model, optional masks included; its output is the average, float32,
        of several outputs a dict of averages. It can be saved, loaded and exported like any Keras model.

    Raises:
        ValueError: no models, or their inputs or outputs differ.

    Example:
        >>> import numpy as np
        >>> from avkeras.models.audiovisual_transformer import AudiovisualTransformer
        >>> epochs = [AudiovisualTransformer(classes=2, dims={"audio": 4, "video": 6}) for _ in range(2)]
        >>> ensemble(epochs)({"audio": np.ones((1, 3, 4)), "video": np.ones((1, 3, 6))}).shape
        TensorShape([1, 2])
    """
    copies, expected = [], None
    for index, model in enumerate(models, start=1):
        expected = expected or _signature(model)
        if _signature(model) != expected:
            raise ValueError(f"model {index} of the ensemble has other inputs or outputs than model 1")
        copies.append(_copy(model, f"{name}_{index}"))
    if not copies:
        raise ValueError("an ensemble needs at least one model")
    inputs = {
        key: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=key, optional=key.endswith("_mask"))
        for key, tensor in copies[0].input.items()
    }
    answers = [copy(inputs) for copy in copies]
    if isinstance(answers[0], dict):
        outputs = {key: _average([answer[key] for answer in answers], key) for key in answers[0]}
    else:
        outputs = _average(answers, "probabilities")
    kind = AudioRequired if isinstance(copies[0], AudioRequired) else SequenceModel
    return kind(inputs=inputs, outputs=outputs, name=name)


def _average(tensors: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
    return keras.layers.Average(name=name, dtype="float32")(tensors) if len(tensors) > 1 else tensors[0]


def _signature(model: SequenceModel) -> tuple:
    """Returns the shapes and types of a model's inputs, and the shapes of its outputs."""
    outputs = keras.tree.map_structure(lambda tensor: tensor.shape, model.output)
    return {key: (tensor.shape, tensor.dtype) for key, tensor in model.input.items()}, outputs


def _copy(model: SequenceModel, name: str) -> SequenceModel:
    """Returns a copy of a model with its weights, under another name: names must differ within a functional model."""
    copy = type(model).from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy
