"""Layers that differ in their weights alone are traced once in a training step, however many there are."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from avkeras.layers.kernels import on_tensorflow

_COLLECTION = "avkeras_traces"


@dataclass
class _Trace:
    """A traced call: a function of variables and inputs, and which of the variables it gives new values of."""

    function: Any = None
    changed: list[int] = field(default_factory=list)


def one_trace(layer: keras.layers.Layer, call: Callable, *tensors, training: bool):
    """Returns `call(layer, *tensors, training=training)`; a training step on TensorFlow holds it once, as a function.

    TensorFlow writes a step down operation by operation, in Python, and its gradient after it. Blocks of one model
    differ in nothing but their weights: the first becomes a function of weights and inputs, which the others call. What
    is computed is the same, and the first step comes sooner.

    Args:
        layer: a built layer that adds no loss; what `get_config` tells is all that it is.
        call: a function of its class.
        *tensors: tensors, dicts of tensors, or None.
        training: as `call` takes it. In inference there is one plain graph; so there is in mixed precision, where Keras
            reads variables in another type than they are kept in.

    Example:
        >>> block = keras.layers.Dense(2)
        >>> block.build((None, 3))
        >>> one_trace(block, lambda layer, x, training: layer(x), keras.ops.ones((1, 3)), training=True).shape
        TensorShape([1, 2])
    """
    if not training or not on_tensorflow() or layer.compute_dtype != layer.variable_dtype:
        return call(layer, *tensors, training=training)
    import tensorflow as tf

    if tf.executing_eagerly():
        return call(layer, *tensors, training=training)
    tensors = keras.tree.map_structure(lambda one: None if one is None else tf.convert_to_tensor(one), tensors)
    # The traces of a graph live as long as it.
    if not (kept := tf.compat.v1.get_default_graph().get_collection_ref(_COLLECTION)):
        kept.append({})
    key, variables = _key(layer, call, tensors), layer.variables
    if key not in kept[0]:
        kept[0][key] = _traced(layer, call)
    trace = kept[0][key]
    output, values = trace.function([tf.convert_to_tensor(variable) for variable in variables], tensors)
    for index, value in zip(trace.changed, values, strict=True):
        variables[index].assign(value)
    return output


def _key(layer, call, tensors):
    """Returns what a trace depends on: values of all parts, variables, frozen parts, kinds and shapes of inputs."""
    parts = list(layer._flatten_layers())  # a part may have been changed, or put in the place of another, since
    values = [(type(part).__name__, _values(part)) for part in parts]
    frozen = tuple(part.trainable for part in parts)
    shapes = tuple((tuple(variable.shape), variable.trainable) for variable in layer.variables)
    kinds = keras.tree.map_structure(lambda one: None if one is None else (one.dtype.name, str(one.shape)), tensors)
    return call, json.dumps(values, sort_keys=True), frozen, shapes, str(kinds)


def _values(part):
    """Returns what a part is built from; of one that does not tell, what no other part has."""
    try:
        return _nameless(keras.saving.serialize_keras_object(part.get_config()))
    except NotImplementedError:
        return id(part)


def _nameless(config):
    """Returns a configuration without what tells parts apart that compute the same."""
    if isinstance(config, dict):
        return {name: _nameless(value) for name, value in config.items() if name not in ("name", "seed")}
    return [_nameless(value) for value in config] if isinstance(config, list | tuple) else config


def _traced(layer, call):
    import tensorflow as tf

    trace, variables = _Trace(), layer.variables

    def run(given, tensors):
        with keras.StatelessScope(list(zip(variables, given, strict=True))) as scope:
            output = call(layer, *tensors, training=True)
        values = [scope.get_current_value(variable) for variable in variables]
        trace.changed = [index for index, value in enumerate(given) if values[index] is not value]
        return output, [values[index] for index in trace.changed]

    # A mean teacher has no gradient: its blocks stay apart, so that TensorFlow optimises one graph for all. Apart, the
    # student's would be slower, whose gradient of the weights could not be computed beside that of the next block.
    apart = {} if layer.trainable_weights else {"experimental_attributes": {"_noinline": True}}
    trace.function = tf.function(run, autograph=False, **apart)
    return trace
