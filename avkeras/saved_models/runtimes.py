"""What runs a trained model: TensorFlow's Python, or its C library alone, which starts in a fraction of the time."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from typing import TypeVar

from avkeras.errors import AvkerasError
from avkeras.saved_models.library import tensorflow_library

RUNTIMES = ("library", "python")

logger = logging.getLogger(__name__)
Found = TypeVar("Found")


class NotForLibrary(AvkerasError):
    """The C library cannot run this alone; its text says why."""


def with_runtime(load: Callable[[str], Found], runtime: str | None) -> Found:
    """Returns what a function loads, by the runtime that is wanted or by the faster one.

    The library runs the same operations on the same SavedModels, so answers differ by rounding at most. It saves the
    import of TensorFlow, so it is taken where that has not been imported yet; the log says where it cannot be taken.

    Args:
        load: takes the name of a runtime, and raises `NotForLibrary` where that cannot be the library.
        runtime: one of `RUNTIMES`; None: the library, if TensorFlow is not imported yet and `load` can do with it.

    Raises:
        AvkerasError: no such runtime, or the library was asked for and cannot be used.
    """
    if runtime not in (None, *RUNTIMES):
        raise AvkerasError(f"runtime {runtime!r}: one of {', '.join(RUNTIMES)} is wanted")
    if runtime == "python" or (runtime is None and "tensorflow" in sys.modules):
        return load("python")
    try:
        if tensorflow_library() is None:
            raise NotForLibrary(_why_no_library())
        return load("library")
    except NotForLibrary as error:
        if runtime == "library":
            raise
        logger.info("TensorFlow's Python is imported: %s", error)
    return load("python")


def _why_no_library() -> str:
    if importlib.util.find_spec("tensorflow") is None:
        return "TensorFlow is not installed"
    return "this TensorFlow brings no C library along"
