"""A SavedModel in TensorFlow's C library: its signatures as functions of arrays."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from ctypes import c_char_p, c_void_p, string_at
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.saved_models.library import TYPES, Port, Status, tensorflow_library, to_array, to_tensor
from avkeras.saved_models.runtimes import NotForLibrary
from avkeras.saved_models.wire import entries, fields

_GRAPH, _SAVER, _SIGNATURES = 2, 3, 5  # numbers of fields: of a MetaGraphDef
_INPUTS, _OUTPUTS = 1, 2  # of a SignatureDef
_INFO_NAME, _INFO_TYPE = 1, 2  # of a TensorInfo
_NODE, _NODE_NAME, _NODE_OPERATION, _NODE_INPUT = 1, 1, 2, 3  # of a GraphDef, of a NodeDef
_RESTORE = 3  # of a SaverDef
# A ConfigProto that switches TensorFlow's optimiser of graphs off.
_AS_IT_IS = bytes([0x52, 5, 0x52, 3, 0x98, 1, 1])  # graph_options.rewrite_options.disable_meta_optimizer: true


class Place(NamedTuple):
    """Where a named input or output is in the graph."""

    port: Port
    dtype: np.dtype


def load_session(folder: str | Path, name: str | None = None, *, optimised: bool = False) -> Session:
    """Loads a SavedModel.

    Args:
        folder: that holds it.
        name: how messages name it; default: the folder.
        optimised: whether TensorFlow optimises the graph first. It takes seconds, which many calls save; what
            avkeras exports of models is optimised.

    Raises:
        AvkerasError: it cannot be loaded.
        NotForLibrary: the library would leave variables without their values, as it does where Keras' own export holds
            them twice.
    """
    place = f"{name}: {folder}" if name else folder
    try:
        session = Session(folder, optimised=optimised)
    except RuntimeError as error:
        raise AvkerasError(f"{place} cannot be loaded as a SavedModel: {error}") from error
    if session.unrestored:
        named = session.unrestored[0]
        raise NotForLibrary(f"{place} holds variables that are not restored, such as {named}; write it again")
    return session


class Session:
    """A SavedModel that is loaded; `signatures` has its functions of arrays, `unrestored` variables that got no value.

    Args:
        folder: of the SavedModel.
        optimised: whether TensorFlow optimises the graph first.

    Raises:
        RuntimeError: the library cannot load it; its text says why.
    """

    def __init__(self, folder: str | Path, *, optimised: bool = False) -> None:
        library = tensorflow_library()
        options, graph, meta = library.TF_NewSessionOptions(), library.TF_NewGraph(), library.TF_NewBuffer()
        try:
            with Status(library) as status:
                if not optimised:
                    library.TF_SetConfig(options, _AS_IT_IS, len(_AS_IT_IS), status)
                path, tags = str(folder).encode("utf-8", "surrogateescape"), (c_char_p * 1)(b"serve")
                session = library.TF_LoadSessionFromSavedModel(options, None, path, tags, 1, graph, meta, status)
            described = string_at(meta.contents.data, meta.contents.length)
        except RuntimeError:
            library.TF_DeleteGraph(graph)
            raise
        finally:
            library.TF_DeleteSessionOptions(options)
            library.TF_DeleteBuffer(meta)
        weakref.finalize(self, _close, library, session, graph)
        self._library, self._session = library, session
        self.unrestored = _unrestored(described)
        self.signatures = {}
        for name, signature in entries(described, _SIGNATURES).items():
            inputs, outputs = (_places(library, graph, signature, number) for number in (_INPUTS, _OUTPUTS))
            if inputs is not None and outputs:
                self.signatures[name] = Signature(self, inputs, outputs)

    def run(self, inputs: list[tuple[Place, np.ndarray]], outputs: list[Place]) -> list[np.ndarray]:
        """Returns the values of some outputs for those of the inputs; any number of threads may call it.

        Raises:
            RuntimeError: an operation refuses its input; the text says why.
        """
        library = self._library
        given = (c_void_p * len(inputs))()
        found = (c_void_p * len(outputs))()
        try:
            for number, (_, array) in enumerate(inputs):
                given[number] = to_tensor(library, array)
            with Status(library) as status:
                library.TF_SessionRun(
                    self._session,
                    None,
                    *((Port * len(inputs))(*(place.port for place, _ in inputs)), given, len(inputs)),
                    *((Port * len(outputs))(*(place.port for place in outputs)), found, len(outputs)),
                    *(None, 0, None, status),
                )
            return [to_array(library, tensor) for tensor in found]
        finally:
            for tensor in (*given, *found):
                if tensor:
                    library.TF_DeleteTensor(tensor)


class Signature:
    """A function of named arrays to named arrays, as the signature of a SavedModel names them."""

    def __init__(self, session: Session, inputs: Mapping[str, Place], outputs: Mapping[str, Place]) -> None:
        self._session = session
        self.inputs = inputs
        self.outputs = outputs

    def only(self, *outputs: str) -> Signature:
        """Returns the function of some of its outputs; what only the others need is not computed."""
        return Signature(self._session, self.inputs, {name: self.outputs[name] for name in outputs})

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs by name.

        Raises:
            TypeError: the names are not those of the inputs.
            RuntimeError: an operation refuses its input.
        """
        if set(arrays) != set(self.inputs):
            raise TypeError(f"inputs {', '.join(sorted(self.inputs))} wanted, not {', '.join(sorted(arrays))}")
        given = [(place, np.asarray(arrays[name], place.dtype)) for name, place in self.inputs.items()]
        return dict(zip(self.outputs, self._session.run(given, list(self.outputs.values())), strict=True))


def _places(library: Any, graph: c_void_p, signature: memoryview, number: int) -> dict[str, Place] | None:
    """Returns the inputs or the outputs of a signature; None: one of them is no array of numbers."""
    found = {}
    for name, info in entries(signature, number).items():
        facts = dict(fields(info))
        operation, _, index = str(facts.get(_INFO_NAME, b""), "utf-8").rpartition(":")
        place = library.TF_GraphOperationByName(graph, operation.encode())
        if place is None or facts.get(_INFO_TYPE) not in TYPES:
            return None
        found[name] = Place(Port(place, int(index)), TYPES[facts[_INFO_TYPE]])
    return found


def _unrestored(described: bytes) -> list[str]:
    """Returns the variables of a graph that the operation that restores them does not know."""
    variables, inputs, restore = [], {}, ""
    for number, value in fields(described):
        if number == _GRAPH:
            for node in (one for kind, one in fields(value) if kind == _NODE):
                facts = list(fields(node))
                name, operation = (
                    next(str(one, "utf-8") for kind, one in facts if kind == wanted)
                    for wanted in (_NODE_NAME, _NODE_OPERATION)
                )
                inputs[name] = [str(one, "utf-8") for kind, one in facts if kind == _NODE_INPUT]
                if operation == "VarHandleOp":
                    variables.append(name)
        elif number == _SAVER:
            restore = str(dict(fields(value)).get(_RESTORE, b""), "utf-8")
    known = set(inputs.get(restore, ()))
    return [name for name in variables if name not in known]


def _close(library: Any, session: c_void_p, graph: c_void_p) -> None:
    with Status(library) as status:
        library.TF_DeleteSession(session, status)
    library.TF_DeleteGraph(graph)
