"""TensorFlow's C library, as its package brings it along, opened without importing the package."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

# The library's numbers for types.
TYPES = {
    1: np.dtype("float32"),
    2: np.dtype("float64"),
    3: np.dtype("int32"),
    4: np.dtype("uint8"),
    5: np.dtype("int16"),
    6: np.dtype("int8"),
    9: np.dtype("int64"),
    10: np.dtype("bool"),
    19: np.dtype("float16"),
}
NUMBERS = {dtype: number for number, dtype in TYPES.items()}


class Port(ctypes.Structure):
    """An output of an operation (`TF_Output`)."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class Buffer(ctypes.Structure):
    """Bytes that the library holds (`TF_Buffer`)."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


_FUNCTIONS = {
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewGraph": (c_void_p,),
    "TF_DeleteGraph": (None, c_void_p),
    "TF_NewSessionOptions": (c_void_p,),
    "TF_SetConfig": (None, c_void_p, c_char_p, c_size_t, c_void_p),
    "TF_DeleteSessionOptions": (None, c_void_p),
    "TF_NewBuffer": (POINTER(Buffer),),
    "TF_DeleteBuffer": (None, POINTER(Buffer)),
    "TF_LoadSessionFromSavedModel": (
        *(c_void_p, c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, POINTER(Buffer), c_void_p),
    ),
    "TF_GraphOperationByName": (c_void_p, c_void_p, c_char_p),
    "TF_SessionRun": (
        *(None, c_void_p, c_void_p, POINTER(Port), POINTER(c_void_p), c_int),
        *(POINTER(Port), POINTER(c_void_p), c_int, POINTER(c_void_p), c_int, c_void_p, c_void_p),
    ),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_AllocateTensor": (c_void_p, c_int, POINTER(c_int64), c_int, c_size_t),
    "TF_DeleteTensor": (None, c_void_p),
    "TF_TensorData": (c_void_p, c_void_p),
    "TF_TensorByteSize": (c_size_t, c_void_p),
    "TF_TensorType": (c_int, c_void_p),
    "TF_NumDims": (c_int, c_void_p),
    "TF_Dim": (c_int64, c_void_p, c_int),
}


@functools.cache
def tensorflow_library() -> Any | None:
    """Returns TensorFlow's C library with the types of its functions; None: this TensorFlow does not bring it along."""
    found = importlib.util.find_spec("tensorflow")
    for folder in (found and found.submodule_search_locations) or ():
        for name in ("libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib"):
            if Path(folder, name).is_file():
                return _typed(ctypes.CDLL(str(Path(folder, name))))
    return None


def _typed(library: Any) -> Any | None:
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name, None)
        if function is None:
            return None
        function.restype, function.argtypes = result, arguments
    return library


class Status:
    """What the library says of a call: `with Status() as status`, an error becomes a `RuntimeError`."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __enter__(self) -> c_void_p:
        self._status = self._library.TF_NewStatus()
        return self._status

    def __exit__(self, kind, error, trace) -> None:
        try:
            if error is None and self._library.TF_GetCode(self._status):
                raise RuntimeError(self._library.TF_Message(self._status).decode("utf-8", "replace"))
        finally:
            self._library.TF_DeleteStatus(self._status)


def to_tensor(library: Any, array: np.ndarray) -> c_void_p:
    """Returns a tensor of the library with an array's values, to be deleted by the caller."""
    array = np.ascontiguousarray(array)
    shape = (c_int64 * array.ndim)(*array.shape)
    tensor = library.TF_AllocateTensor(NUMBERS[array.dtype], shape, array.ndim, array.nbytes)
    ctypes.memmove(library.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
    return tensor


def to_array(library: Any, tensor: c_void_p) -> np.ndarray:
    """Returns an array with the values of a tensor of the library."""
    shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
    array = np.empty(shape, TYPES[library.TF_TensorType(tensor)])
    ctypes.memmove(array.ctypes.data, library.TF_TensorData(tensor), array.nbytes)
    return array
