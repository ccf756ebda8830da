"""A trained model as the graph that answers: weights are constants, and what depends on them alone is worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from avkeras.features.front_end import FrontEnd

WEIGHTS = "encoder_weights"
LIBRARY = "library"  # the folder of the graph beside what else an exported model has
# Passes of TensorFlow's optimiser that suit one kind of processor: who serves the model lets them run.
_LEFT_TO_SERVING = ("remapping", "layout_optimizer")


def answer_function(model: keras.Model) -> Any:
    """Returns a `tf.function` from a model's named inputs to its named answers.

    Args:
        model: takes a dict of tensors and masks and gives a tensor, or a dict of them; of one that weighs encoders,
            their weights are an answer too.
    """
    import tensorflow as tf

    whole = model.with_encoder_weights() if hasattr(model, "with_encoder_weights") else model

    @tf.function(autograph=False)
    def answer(**inputs):
        return named_answers(whole(inputs, training=False))

    return answer


def inference_graph(model: keras.Model) -> Any:
    """Returns the graph of a model as a `MetaGraphDef` with the signatures `serving_default` and `embeddings`.

    There are no functions and no variables in it, so it is loaded in a fraction of the time of the model. A mask that
    is not given, as `embeddings` has none, is one of ones.

    Args:
        model: see `answer_function`.
    """
    with _constant_weights(model):
        function = answer_function(model).get_concrete_function(**input_specs(model))
    inputs, outputs, graph = _frozen(function)
    unmasked = {name: one for name, one in inputs.items() if not is_mask(name)}
    signatures = {"serving_default": (inputs, outputs), "embeddings": (unmasked, outputs)}
    described = _described(graph, signatures)
    described.graph_def.CopyFrom(_optimised(described))
    return described


def with_levels(described: Any, front_end: FrontEnd) -> Any:
    """Returns a graph with a signature `levels` beside its own, from a `waveform` to what a front end makes of it.

    Args:
        described: the graph, of `inference_graph`.
        front_end: of the model.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2

    graph = tf.Graph()
    with graph.as_default(), tf.name_scope("front_end"):  # no name of the model's graph begins so
        waveform = tf.compat.v1.placeholder(tf.float32, (None,), name="waveform")
        levels = tf.identity(front_end.log_mel(waveform), name="levels")
    more = _described(graph, {"levels": ({"waveform": waveform}, {"levels": levels})})
    both = meta_graph_pb2.MetaGraphDef()
    both.CopyFrom(described)
    both.graph_def.node.extend(more.graph_def.node)
    both.signature_def["levels"].CopyFrom(more.signature_def["levels"])
    return both


def graph_function(described: Any) -> Any:
    """Returns what `inference_graph` describes as a function of named tensors, all of them, to named ones.

    Args:
        described: the graph.
    """
    import tensorflow as tf

    outputs = described.signature_def["serving_default"].outputs

    @tf.function(autograph=False)
    def answer(**inputs):
        given = {f"{name}:0": tensor for name, tensor in inputs.items()}
        tensors = [one.name for one in outputs.values()]
        found = tf.import_graph_def(described.graph_def, input_map=given, return_elements=tensors, name="")
        return dict(zip(outputs, found, strict=True))

    return answer


def write_graph(described: Any, folder: Path) -> None:
    """Writes a graph as a SavedModel for `avkeras.saved_models`.

    Args:
        described: the graph, of `inference_graph`.
        folder: that is made.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[described])
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString(deterministic=True))


def is_mask(name: str) -> bool:
    """Tells whether a model's input is a mask, which may be left out."""
    return name.endswith("_mask")


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
def _constant_weights(model: keras.Model) -> Iterator[None]:
    """Tells layers that their weights will be constants: what they work out of weights alone is then done once."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "constant_weights")]
    for layer in layers:
        layer.constant_weights = True
    try:
        yield
    finally:
        for layer in layers:
            layer.constant_weights = False


def _frozen(function: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Graph]:
    """Returns named inputs and outputs of a graph that does what a function does, and the graph."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = function.structured_input_signature[1]
    frozen = convert_variables_to_constants_v2(function)
    graph, inputs = tf.Graph(), {}
    with graph.as_default():
        for name in sorted(specs, key=is_mask):
            shape, dtype = specs[name].shape, specs[name].dtype
            if is_mask(name):
                ones = tf.ones(tf.shape(inputs[name.removesuffix("_mask")])[:2], dtype)
                inputs[name] = tf.compat.v1.placeholder_with_default(ones, shape, name=name)
            else:
                inputs[name] = tf.compat.v1.placeholder(dtype, shape, name=name)
        found = tf.import_graph_def(
            frozen.graph.as_graph_def(),
            input_map={one.name: inputs[one.op.name] for one in frozen.inputs},
            return_elements=[one.name for one in frozen.outputs],
            name="model",
        )
        names = sorted(function.structured_outputs)  # the order in which TensorFlow flattens a dict
        outputs = {name: tf.identity(one, name=name) for name, one in zip(names, found, strict=True)}
    return inputs, outputs, graph


def _described(graph: tf.Graph, signatures: Mapping[str, tuple[Mapping[str, tf.Tensor], ...]]) -> Any:
    """Returns a graph and its signatures as a `MetaGraphDef`."""
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2

    described = meta_graph_pb2.MetaGraphDef(graph_def=graph.as_graph_def())
    described.meta_info_def.tags.append("serve")
    described.meta_info_def.tensorflow_version = tf.__version__
    for name, (inputs, outputs) in signatures.items():
        signature = described.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for named, tensors in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for key, tensor in tensors.items():
                shape = tensor.shape.as_proto()
                info = meta_graph_pb2.TensorInfo(
                    name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=shape
                )
                named[key].CopyFrom(info)
    return described


def _optimised(described: Any) -> Any:
    """Returns the graph of a `MetaGraphDef` with what can be worked out now worked out."""
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    config = config_pb2.ConfigProto()
    passes = config.graph_options.rewrite_options
    passes.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    for name in _LEFT_TO_SERVING:
        setattr(passes, name, rewriter_config_pb2.RewriterConfig.OFF)
    passes.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    return tf_optimizer.OptimizeGraph(config, described)
