"""Functions as graphs that TensorFlow's C library loads in a fraction of the time: without functions and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

# Where such a graph lies beside a SavedModel: TensorFlow takes no notice of this folder.
PLACE = "assets.extra/library"
# Passes of TensorFlow's optimiser that suit one kind of processor: who runs the graph lets them run.
_LEFT_TO_RUNNING = ("remapping", "layout_optimizer")


def is_mask(name: str) -> bool:
    """Tells whether a model's input is a mask, which may be left out."""
    return name.endswith("_mask")


def frozen(
    function: Any, *, specs: Mapping[str, tf.TensorSpec], outputs: Sequence[str]
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Graph]:
    """Returns named inputs and outputs of a graph that does what a function does, and the graph.

    The values of variables are constants in it. A mask that is not given is one of ones.

    Args:
        function: concrete.
        specs: of its inputs, by name.
        outputs: names for what it gives, in TensorFlow's order.
    """
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    # What `convert_variables_to_constants_v2` does, but for the function that it makes of the graph, which takes nine
    # tenths of its time. Loops stay whole: of loops that were taken apart before, TensorFlow's optimiser joins nodes.
    variables = convert_to_constants._FunctionConverterDataInEager(
        func=function, lower_control_flow=False, aggressive_inlining=False
    )
    constant, _ = convert_to_constants._replace_variables_by_constants(converter_data=variables)
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
            constant,
            input_map={f"{name}:0": tensor for name, tensor in inputs.items()},
            return_elements=[one.name for one in function.outputs],
            name="model",
        )
        named = {name: tf.identity(one, name=name) for name, one in zip(outputs, found, strict=True)}
    return inputs, named, graph


def described(graph: tf.Graph, signatures: Mapping[str, tuple[Mapping[str, tf.Tensor], ...]]) -> Any:
    """Returns a graph and its signatures as a `MetaGraphDef`.

    Args:
        graph: the graph.
        signatures: by name, inputs and outputs by their names.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2

    found = meta_graph_pb2.MetaGraphDef(graph_def=graph.as_graph_def())
    found.meta_info_def.tags.append("serve")
    found.meta_info_def.tensorflow_version = tf.__version__
    for name, (inputs, outputs) in signatures.items():
        signature = found.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for named, tensors in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for key, tensor in tensors.items():
                shape = tensor.shape.as_proto()
                info = meta_graph_pb2.TensorInfo(
                    name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=shape
                )
                named[key].CopyFrom(info)
    return found


def optimised(graph: Any) -> Any:
    """Returns a `MetaGraphDef` with what can be worked out now worked out.

    Args:
        graph: that it describes.
    """
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    config = config_pb2.ConfigProto()
    passes = config.graph_options.rewrite_options
    passes.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    for name in _LEFT_TO_RUNNING:
        setattr(passes, name, rewriter_config_pb2.RewriterConfig.OFF)
    passes.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    graph.graph_def.CopyFrom(tf_optimizer.OptimizeGraph(config, graph))
    _set_loops_free(graph.graph_def)
    return graph


def _set_loops_free(graph: tf.compat.v1.GraphDef) -> None:
    """Lets who runs a graph take its loops apart, and run them side by side where they have no state."""
    from tensorflow.python.framework import op_def_registry

    bodies = [node for function in graph.library.function for node in function.node_def]
    loops = [node for node in (*graph.node, *bodies) if node.op == "While"]
    known = [op_def_registry.get(node.op) for node in bodies if node.op != "While"]
    free = all(one is not None and not one.is_stateful for one in known)
    for loop in loops:
        loop.op = "StatelessWhile" if free else "While"
        loop.attr["_lower_using_switch_merge"].b = True


def write_graph(graph: Any, folder: Path) -> None:
    """Writes a graph as a SavedModel for `avkeras.saved_models`.

    Args:
        graph: a `MetaGraphDef`.
        folder: that is made.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[graph])
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString(deterministic=True))
