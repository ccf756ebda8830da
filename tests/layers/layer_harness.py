"""One helper that runs a layer through all that is asked of every layer of avkeras.

check_layer(FeedForward, {"hidden_dim": 24, "output_dim": 16}, np.ones((2, 5, 16), "float32"),
            alternatives={"hidden_dim": 8, "output_dim": 4, "activation": "swish", "dropout": 0.5})
"""

import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def check_layer(
    layer_class: type[keras.layers.Layer],
    config: Mapping,
    inputs,
    *,
    call: Callable | None = None,
    alternatives: Mapping | None = None,
    policies: tuple[str, ...] = POLICIES,
    dynamic: bool = True,
    tolerance: float = 1e-6,
    half_tolerance: float = 0.1,
) -> None:
    """Checks configuration, build, eager and symbolic calls, a fit step, reload, precisions, constructor values.

    Args:
        layer_class: the layer.
        config: constructor values. Those left out keep their defaults.
        inputs: an array, or a dict of call arguments to arrays or dicts of arrays; or a function of the
            configuration that returns one of these (where an alternative asks for other inputs).
        call: `call(layer, inputs, **options) -> outputs`; default: `layer(inputs)`, or `layer(**inputs)` for a dict.
            `options` is empty or `training`.
        alternatives: for *every* constructor value another one, which must change a sub-layer or the outputs.
        policies: precisions to try.
        dynamic: whether the layer must also run with frames unknown: axis 1 of masks and of inputs of rank 3 and more.
        tolerance: between two runs of the same computation.
        half_tolerance: between half and full precision.
    """
    case = _Case(layer_class, dict(config), inputs, call)
    _check_config(case)
    _check_build(case)
    _check_call_defaults(case)
    _check_symbolic(case, tolerance, dynamic)
    for policy in policies:
        _check_precision(case, policy, half_tolerance)
    _check_alternatives(case, alternatives or {})
    _check_fit(case)  # last: it changes the weights


class _Case:
    """A layer class with a configuration, inputs and the way to call it.

    `base` is a layer that serves all checks: to build one takes longer than most checks do.
    """

    def __init__(self, layer_class, config, inputs, call):
        self.layer_class, self.config, self._inputs, self._call = layer_class, config, inputs, call

    @property
    def inputs(self):
        return self._inputs(self.config) if callable(self._inputs) else self._inputs

    @functools.cached_property
    def base(self):
        return self.layer()

    @functools.cached_property
    def outputs(self):
        return _flat(self.call(self.base))

    def changed(self, **values):
        return _Case(self.layer_class, {**self.config, **values}, self._inputs, self._call)

    def layer(self, **options):
        """Returns a new layer, its weights drawn from the same seed every time."""
        keras.utils.set_random_seed(1)
        layer = self.layer_class(**self.config, **options)
        self.call(layer)
        return layer

    def call(self, layer, inputs=None, **options):
        inputs = self.inputs if inputs is None else inputs
        if self._call:
            return self._call(layer, inputs, **options)
        options = {name: value for name, value in options.items() if name in inspect.signature(layer.call).parameters}
        return layer(**inputs, **options) if isinstance(inputs, Mapping) else layer(inputs, **options)

    def model(self, layer, dynamic=False):
        """Returns a functional model of the layer alone."""
        symbols = keras.tree.map_structure(lambda array: _symbol(array, dynamic), self.inputs)
        outputs = self.call(layer, symbols)
        return keras.Model(keras.tree.flatten(symbols), keras.tree.flatten(outputs))


def _symbol(array, dynamic):
    shape = list(array.shape[1:])
    if dynamic and (array.ndim > 2 or (array.ndim == 2 and array.dtype == bool)):
        shape[0] = None
    return keras.Input(shape, dtype=array.dtype.name)


def _flat(structure):
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(structure)]


def _assert_equal(first, second, tolerance, what):
    first, second = _flat(first), _flat(second)
    assert len(first) == len(second), what
    for one, other in zip(first, second, strict=True):
        assert one.shape == other.shape, what
        assert one.dtype == other.dtype, what
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=what)


def _parameters(layer_class):
    """Names the constructor's values, those of base classes of ours included."""
    names = {}
    for base in layer_class.__mro__:
        if base.__module__.split(".")[0] in ("keras", "builtins"):
            break
        if "__init__" in vars(base):
            found = inspect.signature(base.__init__).parameters.values()
            names |= dict.fromkeys(p.name for p in found if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
    return [name for name in names if name != "self"]


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def _sublayers(layer):
    return list(layer._flatten_layers(include_self=False))


def _check_config(case):
    layer = case.base
    config = layer.get_config()
    missing = set(_parameters(case.layer_class)) - set(config)
    assert not missing, f"get_config lacks {missing}"
    for name, value in case.config.items():
        if isinstance(value, str | int | float | tuple | list):
            assert config[name] == _plain(value), f"get_config changed {name}"
    registered = keras.saving.get_registered_name(case.layer_class)
    assert registered == f"avkeras>{case.layer_class.__name__}", f"registered as {registered}"
    serialized = keras.saving.serialize_keras_object(layer)
    for copy in (case.layer_class.from_config(config), keras.saving.deserialize_keras_object(serialized)):
        assert type(copy) is case.layer_class
        assert copy.get_config() == config
        case.call(copy)
        assert [w.shape for w in copy.weights] == [w.shape for w in layer.weights]
        copy.set_weights(layer.get_weights())
        _assert_equal(case.call(copy), case.outputs, 0, "a layer made from the configuration answers otherwise")


def _check_build(case):
    """The weights come from the shapes alone, and all sub-layers have names of their own."""
    layer, inputs = case.base, case.inputs
    paths = [weight.path for weight in layer.weights]
    assert len(set(paths)) == len(paths), f"two weights of one path: {paths}"
    again = case.layer(name=layer.name)
    assert [weight.path for weight in again.weights] == paths, "a sub-layer has no fixed name"
    built = case.layer_class(**case.config)
    if case.layer_class.build is not keras.layers.Layer.build:
        shapes = keras.tree.map_structure(lambda array: _Shape(array.shape), inputs)
        first, *others = inspect.signature(built.build).parameters
        if not isinstance(inputs, Mapping):
            shapes = {first: shapes}
        elif first == "input_shape":  # the name that Keras gives to the shape of the only input
            shapes = {first: next(iter(shapes.values()))}
        else:
            shapes = {f"{name}_shape": shape for name, shape in shapes.items() if f"{name}_shape" in (first, *others)}
        built.build(**keras.tree.map_structure(lambda leaf: leaf.shape, shapes))
    assert [w.shape for w in built.weights] == [w.shape for w in layer.weights], "build does not create all weights"


def _check_call_defaults(case):
    """The layer answers without its optional call arguments, as it does with their documented defaults."""
    layer, inputs = case.layer_class(**case.config), case.inputs
    parameters = inspect.signature(layer.call).parameters
    needed = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    given = inputs if isinstance(inputs, Mapping) and set(inputs) <= set(parameters) else {needed[0]: inputs}
    given = {name: given[name] for name in needed}
    outputs = layer(**given)
    assert all(np.isfinite(output).all() for output in _flat(outputs)), "with call defaults"
    defaults = {name: parameter.default for name, parameter in parameters.items() if name not in needed}
    _assert_equal(layer(**given, **defaults), outputs, 0, "call defaults that are given")


class _Shape:
    """A shape that `keras.tree` takes for a leaf."""

    def __init__(self, shape):
        self.shape = tuple(shape)


def _check_symbolic(case, tolerance, dynamic):
    eager, arrays = case.outputs, keras.tree.flatten(case.inputs)
    model = case.model(case.base)
    static = [tuple(output.shape[1:]) for output in model.outputs]
    assert static == [output.shape[1:] for output in eager], f"static shapes {static}"
    for symbol, output in zip(model.outputs, eager, strict=True):
        assert keras.backend.standardize_dtype(symbol.dtype) == output.dtype.name, "static dtype"
    if dynamic:
        model = case.model(case.base, dynamic=True)
    _assert_equal(model.predict_on_batch(arrays), eager, 10 * tolerance, "in a graph")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    _assert_equal(loaded(arrays), eager, tolerance, "after save and load")
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old, err_msg="a weight that was not saved")


def _floats(tensors):
    return [
        t for t in keras.tree.flatten(tensors) if keras.backend.is_float_dtype(keras.backend.standardize_dtype(t.dtype))
    ]


def _check_fit(case):
    layer = case.base
    with tf.GradientTape() as tape:
        outputs = _floats(case.call(layer, training=True))
        random = np.random.default_rng(0)
        loss = sum(tf.reduce_sum(output * random.normal(size=output.shape).astype("float32")) for output in outputs)
    variables = layer.trainable_variables
    assert np.isfinite(loss)
    for variable, gradient in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True):
        assert gradient is not None, f"no gradient reaches {variable.path}"
        assert np.isfinite(gradient).all(), f"gradient of {variable.path}"
    if variables:
        model = case.model(layer)
        model = keras.Model(model.inputs, _floats(model.outputs))
        targets = [np.ones_like(output) for output in outputs]
        model.compile("sgd", ["mse"] * len(targets), run_eagerly=True)  # graphs of training: models have tests
        history = model.fit(keras.tree.flatten(case.inputs), targets, batch_size=len(targets[0]), verbose=0).history
        assert np.isfinite(history["loss"]).all()
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


def _check_precision(case, policy, tolerance):
    layer = case.layer(dtype=policy)
    layer.set_weights(case.base.get_weights())
    assert layer.dtype_policy.name == policy
    for part in _sublayers(layer):
        assert part.dtype_policy.name == policy, f"{part.name} has the policy {part.dtype_policy.name}"
    assert all(weight.dtype == "float32" for weight in layer.trainable_weights)
    outputs, wanted = _floats(case.call(layer)), _floats(case.outputs)
    for output, value in zip(outputs, wanted, strict=True):
        assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype, f"{policy} gives {output.dtype}"
        output = np.asarray(keras.ops.cast(output, "float32"))
        assert np.isfinite(output).all(), policy
        np.testing.assert_allclose(output, value, rtol=tolerance, atol=tolerance, err_msg=policy)
    restored = case.layer_class.from_config(layer.get_config())
    assert restored.dtype_policy.name == policy


def _check_alternatives(case, alternatives):
    untold = set(_parameters(case.layer_class)) - set(alternatives)
    assert not untold, f"no alternative value for {untold}"
    parts, values = _parts(case), _values(case)
    for name, value in alternatives.items():
        changed = case.changed(**{name: value})
        reaches = changed.base.get_config()[name] != case.base.get_config()[name]
        assert reaches, f"{name} does not reach get_config"
        # To ask for outputs takes long, and most values show in a sub-layer.
        same = _parts(changed) == parts and _equal(_values(changed), values)
        assert not same, f"{name} changes no sub-layer, weight or output"


def _parts(case):
    """What the constructor's values may change: sub-layers."""
    return [(type(part).__name__, part.get_config()) for part in _sublayers(case.base)]


def _values(case):
    """What they may change else: initial weights, outputs with and without training."""
    return case.base.get_weights() + case.outputs + _flat(case.call(case.base, training=True))


def _equal(before, after):
    return len(before) == len(after) and all(map(np.array_equal, before, after))
