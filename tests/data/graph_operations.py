"""What the functions of a data set are made of."""

import tensorflow as tf


def python_in(make_dataset):
    """Returns the names of the operations of a data set that call Python."""
    graph = tf.function(lambda: next(iter(make_dataset()))).get_concrete_function().graph.as_graph_def()
    operations = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
    assert any("Dataset" in name for name in operations)
    return {name for name in operations if "PyFunc" in name}
