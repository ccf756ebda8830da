"""A trained model as the graph that answers: weights are constants, and what depends on them alone is worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from avkeras.saved_models.frozen_graph import described, frozen, is_mask, optimised

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from avkeras.features.front_end import FrontEnd

WEIGHTS = "encoder_weights"


def answer_function(model: keras.Model) -> Any:
    """Returns a `tf.function` from a model's named inputs to its named answers.

    Args:
        model: takes a dict of tensors and masks and gives a tensor, or a dict of them; of one that weighs encoders,
            their weights are an answer too.
    """
    import tensorflow as tf

    whole = answering_model(model)

    @tf.function(autograph=False)
    def answer(**inputs):
        return named_answers(whole(inputs, training=False))

    return answer


def answering_model(model: keras.Model) -> keras.Model:
    """Returns a model whose outputs are all that it answers: of one that weighs encoders, their weights too."""
    return model.with_encoder_weights() if hasattr(model, "with_encoder_weights") else model


def inference_graph(model: keras.Model) -> Any:
    """Returns the graph of a model as a `MetaGraphDef` with the signatures `serving_default` and `embeddings`.

    There are no functions and no variables in it, so it is loaded in a fraction of the time of the model. A mask that
    is not given, as `embeddings` has none, is one of ones.

    Args:
        model: see `answer_function`.
    """
    with _in_serving_graph(model):
        function = answer_function(model).get_concrete_function(**input_specs(model))
    specs, names = function.structured_input_signature[1], sorted(function.structured_outputs)
    inputs, outputs, graph = frozen(function, specs=specs, outputs=names)
    unmasked = {name: one for name, one in inputs.items() if not is_mask(name)}
    signatures = {"serving_default": (inputs, outputs), "embeddings": (unmasked, outputs)}
    return optimised(described(graph, signatures))


def with_levels(model: Any, front_end: FrontEnd) -> Any:
    """Returns a graph with a signature `levels` beside its own, from a `waveform` to what a front end makes of it.

    Args:
        model: the graph, of `inference_graph`.
        front_end: of the model.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2

    graph = tf.Graph()
    with graph.as_default(), tf.name_scope("front_end"):  # no name of the model's graph begins so
        waveform = tf.compat.v1.placeholder(tf.float32, (None,), name="waveform")
        levels = tf.identity(front_end.log_mel(waveform), name="levels")
    more = described(graph, {"levels": ({"waveform": waveform}, {"levels": levels})})
    both = meta_graph_pb2.MetaGraphDef()
    both.CopyFrom(model)
    both.graph_def.node.extend(more.graph_def.node)
    both.signature_def["levels"].CopyFrom(more.signature_def["levels"])
    return both


def graph_function(graph: Any) -> Any:
    """Returns what `inference_graph` describes as a function of named tensors, all of them, to named ones.

    Args:
        graph: that it describes.
    """
    import tensorflow as tf

    outputs = graph.signature_def["serving_default"].outputs

    @tf.function(autograph=False)
    def answer(**inputs):
        given = {f"{name}:0": tensor for name, tensor in inputs.items()}
        tensors = [one.name for one in outputs.values()]
        found = tf.import_graph_def(graph.graph_def, input_map=given, return_elements=tensors, name="")
        return dict(zip(outputs, found, strict=True))

    return answer


def input_specs(model: keras.Model) -> dict[str, tf.TensorSpec]:
    """Returns what a model takes, by name."""
    import tensorflow as tf

    return {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in model.input.items()}


def named_answers(found: Any, convert: Callable = lambda value: value) -> dict[str, Any]:
    """Returns a model's outputs by the names that answers have.

    Args:
        found: one tensor, or a dict of them.
        convert: takes each of them.

    Example:
        >>> named_answers({"clip": 0.5, "frame": 0.25, "encoder_weights": [1.0, 0.0]})
        {'clip_probabilities': 0.5, 'frame_probabilities': 0.25, 'encoder_weights': [1.0, 0.0]}
    """
    if not isinstance(found, Mapping):
        return {"probabilities": convert(found)}
    return {name if name == WEIGHTS else f"{name}_probabilities": convert(value) for name, value in found.items()}


@contextmanager
def _in_serving_graph(model: keras.Model) -> Iterator[None]:
    """Tells layers what they are called for: what they work out of weights alone is done once there; none branches."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "in_serving_graph")]
    for layer in layers:
        layer.in_serving_graph = True
    try:
        yield
    finally:
        for layer in layers:
            layer.in_serving_graph = False
