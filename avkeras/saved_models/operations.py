"""What a SavedModel computes, as hashes of its graphs: whatever its functions are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from avkeras.saved_models.wire import fields

# Options of operations that name things or say how to run them, not what is computed.
_NAMING = ("config", "config_proto", "executor_type", "shared_name", "container", "debug_name")
_META_GRAPH = 2  # numbers of fields: of a SavedModel
_GRAPH = 2  # of a MetaGraphDef
_NODE, _LIBRARY = 1, 2  # of a GraphDef
_FUNCTION = 1  # of a FunctionDefLibrary
_FUNCTION_NODE = 3  # of a FunctionDef
_OPERATION, _INPUT, _OPTION = 2, 3, 5  # of a NodeDef
_KEY, _VALUE = 1, 2  # of an entry of a map
_IS_FUNCTION = b"\x52"  # the first byte of an AttrValue that names a function


def graph_hashes(saved_model: bytes) -> list[str]:
    """Returns a SHA-256 of the operations and their options of each graph and function of a `saved_model.pb`, sorted.

    Raises:
        ValueError: that is no SavedModel.
    """
    hashes = []
    for graph in _all(_all([saved_model], _META_GRAPH), _GRAPH):
        functions = _all(_all([graph], _LIBRARY), _FUNCTION)
        for nodes in (_all([graph], _NODE), *(_all([function], _FUNCTION_NODE) for function in functions)):
            digest = hashlib.sha256()
            for node in nodes:
                digest.update(_computed(node))
            hashes.append(digest.hexdigest())
    if not hashes:
        raise ValueError("no graph")
    return sorted(hashes)


def _all(messages: Iterable, number: int) -> list:
    return [value for message in messages for one, value in fields(message) if one == number]


def _computed(node: memoryview) -> bytes:
    """Returns what a node computes: its operation, its inputs and its options in the order of their names."""
    operation, inputs, options = b"", [], {}
    for number, value in fields(node):
        if number == _OPERATION:
            operation = bytes(value)
        elif number == _INPUT:
            inputs.append(bytes(value))
        elif number == _OPTION:
            pair = dict(fields(value))
            options[bytes(pair.get(_KEY, b"")).decode()] = bytes(pair.get(_VALUE, b""))
    told = [
        name.encode() + options[name]
        for name in sorted(options)
        if not (name.startswith("_") or name in _NAMING or options[name].startswith(_IS_FUNCTION))
    ]
    return b" ".join((operation, *inputs)) + b"".join(told)
