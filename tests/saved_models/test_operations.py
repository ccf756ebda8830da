"""Hashes of graphs: those of TensorFlow's own classes for the messages, and equal for equal models alone."""

import hashlib

import pytest

from avkeras.saved_models.operations import graph_hashes

NAMING = ("config", "config_proto", "executor_type", "shared_name", "container", "debug_name")


def write(folder):
    import tensorflow as tf

    module = tf.Module()
    module.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def call(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.softmax(x * module.factor), lambda: tf.reverse(x, [0]))

    module.__call__ = call
    tf.saved_model.save(module, str(folder))
    return (folder / "saved_model.pb").read_bytes()


def by_protobuf(data):
    """The same hashes, by the classes that TensorFlow's Python has."""
    from tensorflow.core.protobuf import saved_model_pb2

    hashes = []
    for meta_graph in saved_model_pb2.SavedModel.FromString(data).meta_graphs:
        graph = meta_graph.graph_def
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            digest = hashlib.sha256()
            for node in nodes:
                digest.update(" ".join((node.op, *node.input)).encode())
                for name in sorted(node.attr):
                    value = node.attr[name]
                    if not (name.startswith("_") or name in NAMING or value.HasField("func")):
                        digest.update(name.encode() + value.SerializeToString(deterministic=True))
            hashes.append(digest.hexdigest())
    return sorted(hashes)


def test_they_are_those_of_tensorflows_own_classes(tmp_path):
    from avkeras.features.networks.picture_stand_in import write as write_stand_in

    data = write(tmp_path / "module")
    assert len(graph_hashes(data)) > 3
    assert graph_hashes(data) == by_protobuf(data)
    data = (write_stand_in(tmp_path / "stand_in") / "saved_model.pb").read_bytes()
    assert graph_hashes(data) == by_protobuf(data)


def test_names_of_functions_do_not_count_and_operations_do(tmp_path):
    one, again = write(tmp_path / "one"), write(tmp_path / "again")
    assert one != again
    assert graph_hashes(one) == graph_hashes(again)
    import tensorflow as tf

    module = tf.Module()
    module.__call__ = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "another"))
    assert graph_hashes((tmp_path / "another" / "saved_model.pb").read_bytes()) != graph_hashes(one)


@pytest.mark.parametrize("data", [b"", b"\x12\x05abc", b"no SavedModel at all"])
def test_what_is_no_saved_model_is_refused(data):
    with pytest.raises(ValueError):
        graph_hashes(data)
