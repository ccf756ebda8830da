"""The folder of an exported model: the SavedModel, and in `assets.extra` what is needed to use and to serve it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import avkeras
from avkeras.errors import AvkerasError
from avkeras.features.saved_model import writing_saved_model
from avkeras.saved_models.frozen_graph import PLACE, write_graph
from avkeras.serving.model_card import CARD, model_card
from avkeras.serving.warm_up import write_warm_up

if TYPE_CHECKING:
    import tensorflow as tf

# TF Serving ignores this folder, but for warm-up requests, and copies it with the model.
EXTRA = "assets.extra"
DESCRIPTION = "avkeras.json"
CLASSES = "classes.txt"


def refuse_existing(directory: Path, *, overwrite: bool) -> None:
    """Raises an `AvkerasError` if the folder is there and may not be replaced."""
    if directory.exists() and not (overwrite and (directory / "saved_model.pb").is_file()):
        advice = "name another folder" if overwrite else "name another folder, or allow to overwrite it"
        raise AvkerasError(f"{directory}: exists{' and holds no SavedModel' if overwrite else ''}; {advice}.")


def write_saved_model(
    directory: Path, module: tf.Module, signatures: Mapping[str, Any], *, graph: Any, description: Mapping[str, Any]
) -> Path:
    """Writes a SavedModel with its description, classes, model card and warm-up requests, whole or not at all.

    A SavedModel that is there is replaced: call `refuse_existing` first.

    Args:
        directory: the folder to write.
        module: what holds the embedders.
        signatures: concrete functions by name.
        graph: of the model alone, for `avkeras.saved_models`.
        description: for `avkeras.json`; it has at least `kind` (`tagging` or `detection`), `classes`, `embedders` and
            `lengths`, the frames per input of a usual clip.

    Raises:
        AvkerasError: the folder cannot be written.
    """
    import tensorflow as tf

    description = {"avkeras": avkeras.__version__, **description}
    with writing_saved_model(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
            written = Path(scratch, "model")
            tf.saved_model.save(module, str(written), signatures=signatures)
            write_graph(graph, written / PLACE)
            extra = written / EXTRA
            (extra / CLASSES).write_text("".join(f"{name}\n" for name in description["classes"]), encoding="utf-8")
            text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
            (extra / DESCRIPTION).write_text(text, encoding="utf-8")
            warm = write_warm_up(extra, signatures, lengths=description["lengths"])
            (extra / CARD).write_text(model_card(description, signatures, warm_up=warm), encoding="utf-8")
            if directory.exists():
                directory.rename(Path(scratch, "old"))
            written.rename(directory)
    return directory
