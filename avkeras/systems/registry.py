"""Which published systems there are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from avkeras.errors import AvkerasError
from avkeras.systems.system import PublishedSystem

# By task; each is a module of this room that holds its `SYSTEM`.
NAMES: Mapping[str, tuple[str, ...]] = {
    "tagging": ("gated_crnn", "gccaps", "cnn_transformer", "cnn_gru", "two_stream"),
    "detection": ("crnn_2020", "crnn_2021", "conformer_encoder", "transformer_encoder", "audiovisual_crnn"),
}


def find_system(name: str) -> PublishedSystem:
    """Returns a published system.

    Args:
        name: as `avkeras systems` lists it.

    Raises:
        AvkerasError: there is none of this name.

    Example:
        >>> find_system("gccaps").published[0].value
        58.6
    """
    known = [known for names in NAMES.values() for known in names]
    if name not in known:
        raise AvkerasError(f"system: '{name}' is none of {', '.join(known)}")
    return importlib.import_module(f"avkeras.systems.{name}").SYSTEM
