"""How often TensorFlow's optimiser goes over the graph of a step before the first one: once."""

import functools
from collections.abc import Callable

from avkeras.layers.kernels import on_tensorflow


def in_one_pass(function: Callable) -> Callable:
    """Returns a `tf.function` so that TensorFlow's optimiser goes over its graph once, not twice.

    Large steps begin seconds earlier: the second pass finds next to nothing in them. Where there is no GPU, passes
    are left out that reckon with its memory, its layouts and its recurrent layers. Results are the same.

    Args:
        function: that Keras made for the steps of an epoch; of another backend, it is returned as it is.

    Example:
        >>> import tensorflow as tf
        >>> float(in_one_pass(tf.function(lambda x: x + 1))(1.0))
        2.0
    """
    if not on_tensorflow():
        return function
    from tensorflow.python.eager import context

    def run(*args, **kwargs):
        eager = context.context()
        before = eager.function_call_options  # of this thread
        eager.function_call_options = _once(before.executor_type, before.config_proto_serialized)
        try:
            return function(*args, **kwargs)
        finally:
            eager.function_call_options = before

    return run


@functools.cache
def _once(executor: str | None, settings: bytes):
    """Returns how TensorFlow calls functions by these settings, but for the passes."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.eager import context

    config = config_pb2.ConfigProto.FromString(settings)
    passes = config.graph_options.rewrite_options
    passes.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    if not tf.config.list_physical_devices("GPU"):
        passes.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
        for idle in ("layout_optimizer", "implementation_selector"):
            setattr(passes, idle, rewriter_config_pb2.RewriterConfig.OFF)
    return context.FunctionCallOptions(executor_type=executor, config_proto=config)
