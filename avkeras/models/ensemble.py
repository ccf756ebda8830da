"""Several trained models as one, whose answer is the average of theirs."""

from collections.abc import Iterable

import keras

from avkeras.models.sequence_model import SequenceModel


def ensemble(models: Iterable[SequenceModel], *, name: str = "ensemble") -> SequenceModel:
    """Makes a model that averages the probabilities of several models (2019, section 3.2.9).

    In the paper these are the models after each of the last 7 epochs. Each model is copied with its weights as it
    comes, so an iterator may load one epoch after the other into the same model.

    Args:
        models: models with the same named inputs and one output of the same shape.
        name: of the ensemble; its members are called `<name>_1`, `<name>_2` and so on.

    Returns:
        A functional model with the inputs of one model, optional masks included; its output is the average, float32.
        It can be saved, loaded and exported like any Keras model.

    Raises:
        ValueError: no models, one with several outputs, or their inputs or outputs differ.

    Example:
        >>> import numpy as np
        >>> from avkeras.models.audiovisual_transformer import AudiovisualTransformer
        >>> epochs = [AudiovisualTransformer(classes=2, dims={"audio": 4, "video": 6}) for _ in range(2)]
        >>> ensemble(epochs)({"audio": np.ones((1, 3, 4)), "video": np.ones((1, 3, 6))}).shape
        TensorShape([1, 2])
    """
    copies, expected = [], None
    for index, model in enumerate(models, start=1):
        if isinstance(model.output, dict):
            raise ValueError(f"an ensemble averages one output, model {index} has {', '.join(model.output)}")
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
    outputs = [copy(inputs) for copy in copies]
    average = keras.layers.Average(name="probabilities", dtype="float32")
    return SequenceModel(inputs=inputs, outputs=average(outputs) if len(outputs) > 1 else outputs[0], name=name)


def _signature(model: SequenceModel) -> tuple:
    """Returns the shapes and types of a model's inputs and output."""
    return {key: (tensor.shape, tensor.dtype) for key, tensor in model.input.items()}, model.output.shape


def _copy(model: SequenceModel, name: str) -> SequenceModel:
    """Returns a copy of a model with its weights, under another name: names must differ within a functional model."""
    copy = type(model).from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy
