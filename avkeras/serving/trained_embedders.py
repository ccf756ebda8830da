"""The embedders of a trained model: bundled with it, given, or loaded anew, but the very ones of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.registry import KNOWN

Given = Mapping[str, Embedder | str | Path] | Iterable[Embedder | str | Path]


def trained_embedders(
    described: Mapping[str, Mapping[str, Any]],
    *,
    folder: Path,
    given: Given = (),
    bundled: Mapping[str, Any] | None = None,
    runtime: str = "python",
) -> dict[str, Embedder]:
    """Returns the embedder of each input of a model.

    Args:
        described: by input, what the model's folder says of its embedder: `fingerprint`, and `spec` or how it was named
            in training (`embedder`), or both.
        folder: of the model, for errors.
        given: embedders, or their names or folders, in place of what the folder says: by input, or in any order.
        bundled: by input, embedders that are saved with the model.
        runtime: what runs those that are loaded, see `avkeras.features.load_embedder`.

    Raises:
        AvkerasError: one cannot be had, or a given one is none of those of training.
    """
    from avkeras.features.embedders import load_embedder

    found = {}
    named = given.items() if isinstance(given, Mapping) else [(None, one) for one in given]
    for name, one in named:
        if isinstance(one, str | Path):
            spec = (described.get(name) or {}).get("spec")
            one = load_embedder(one, modality=spec["modality"] if spec else None, runtime=runtime, optimised=False)
        places = [place for place, trained in described.items() if trained["fingerprint"] == one.fingerprint]
        if not places:
            wanted = ", ".join(f"{_title(trained)} ({place})" for place, trained in described.items()) or "none"
            raise AvkerasError(
                f"{folder}: its embedders were {wanted}; {one.spec.name} is another one, or computes something else "
                "(fingerprints differ): give those of training"
            )
        found |= dict.fromkeys(places, one)
    for name, trained in described.items():
        if name in (bundled or {}):
            found.setdefault(name, bundled[name])
        if name not in found:
            found[name] = _load(trained, name, folder, runtime)
    return {name: found[name] for name in described}


def _load(trained: Mapping[str, Any], name: str, folder: Path, runtime: str) -> Embedder:
    """Loads an embedder as it was named in training, by its known name or by its handle."""
    from avkeras.features.embedders import load_embedder

    spec = EmbedderSpec(**trained["spec"]) if trained.get("spec") else None
    source = trained.get("embedder")
    if source is None and spec is not None:
        source = spec.name if spec.name in KNOWN else spec.handle
    if source is None:
        raise AvkerasError(
            f"{folder}: its {name} embedder {_title(trained)} is neither bundled nor known by name; give it or its "
            "folder (embedders)"
        )
    in_folder = source not in KNOWN and "://" not in source
    if in_folder and not Path(source).exists():
        raise AvkerasError(
            f"{folder}: its {name} embedder was loaded from {source}, which is not there; give it or its folder "
            "(embedders)"
        )
    modality, spec = spec.modality if spec else "video", None if in_folder else spec
    embedder = load_embedder(source, modality=modality, spec=spec, runtime=runtime, optimised=False)
    if embedder.fingerprint != trained["fingerprint"]:
        raise AvkerasError(
            f"{folder}: its {name} embedder {source} computed something else in training (fingerprints differ); give "
            "the one of training (embedders)"
        )
    return embedder


def _title(trained: Mapping[str, Any]) -> str:
    return trained["spec"]["name"] if trained.get("spec") else str(trained.get("embedder"))
