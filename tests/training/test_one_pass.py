"""TensorFlow's optimiser goes over a step once, and nothing else is otherwise."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.eager import context

from avkeras.training.one_pass import in_one_pass


def settings_now():
    return config_pb2.ConfigProto.FromString(context.context().function_call_options.config_proto_serialized)


def test_the_settings_hold_during_the_call_alone_also_where_it_fails():
    before, seen = settings_now(), []

    def step(fails):
        seen.append(settings_now())
        if fails:
            raise ValueError("as asked")
        return 3

    assert in_one_pass(step)(False) == 3
    assert settings_now() == before
    with pytest.raises(ValueError, match="as asked"):
        in_one_pass(step)(fails=True)
    assert settings_now() == before
    passes = seen[0].graph_options.rewrite_options
    assert passes.meta_optimizer_iterations == rewriter_config_pb2.RewriterConfig.ONE
    for one in (seen[0], before):
        one.graph_options.ClearField("rewrite_options")
    assert seen[0] == before


def test_what_the_user_sets_is_kept():
    seen = []
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"layout_optimizer": False})
    try:
        in_one_pass(lambda: seen.append(settings_now()))()
    finally:
        tf.config.optimizer.set_experimental_options({"layout_optimizer": before.get("layout_optimizer", True)})
    assert seen[0].graph_options.rewrite_options.layout_optimizer == rewriter_config_pb2.RewriterConfig.OFF


def test_a_graph_gives_what_it_gave():
    values = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    function = tf.function(lambda x: tf.nn.relu(x @ values) + 2 * (x @ values))
    # Sums of 64 products, which another processor may add in another order where operations are joined.
    np.testing.assert_allclose(in_one_pass(function)(values), function(values), rtol=1e-5, atol=1e-4)
