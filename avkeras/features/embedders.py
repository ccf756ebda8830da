"""Embedders: pretrained networks that turn the waveform or the pictures of a clip into a row of numbers per frame.

Every embedder is a SavedModel with the call contract of TF Hub's modules, named by a known name, by a TF Hub
handle or by a folder. A waveform is `(samples,)` float32, mono, in [-1, 1], at the `sample_rate` of the embedder's
spec, 16 kHz unless it says otherwise; pictures are `(frames, height, width, 3)` float32, RGB, in [0, 1]; either becomes
`(frames, dim)`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.features.embedder import Embedder
from avkeras.features.embedder_specs import SPEC_FILE, EmbedderSpec, read_spec
from avkeras.features.registry import EMBEDDERS, KNOWN
from avkeras.features.saved_model import fingerprint, one_output
from avkeras.saved_models.frozen_graph import PLACE
from avkeras.saved_models.runtimes import NotForLibrary
from avkeras.saved_models.session import load_session

__all__ = ["KNOWN", "Embedder", "EmbedderSpec", "cache_folder", "hub_folder", "load_embedder"]

logger = logging.getLogger(__name__)


def load_embedder(
    name: str | Path,
    *,
    modality: str | None = None,
    spec: EmbedderSpec | None = None,
    cache_dir: str | Path | None = None,
    runtime: str = "python",
    optimised: bool = True,
) -> Embedder:
    """Load an embedder by known name, TF Hub handle or SavedModel folder.

    `efficientnet_lite0` and the stand-ins are built on first use and kept in the cache folder. A TF Hub
    handle is looked for in `$TFHUB_CACHE_DIR` and downloaded if it is not there. Nothing is replaced by anything
    else: what cannot be had is an error.

    Args:
        name: a name in `KNOWN`, a handle (`https://...`) or a folder. What this project builds says what it is in
            `embedder.json`; other folders and handles need `modality` or `spec`. A known name goes before a folder
            of that name.
        modality: "audio" or "video": what the embedder must be. A video SavedModel without `embedder.json` is
            described by this and by a trial call; an audio one needs its window and hop, in `spec`.
        spec: what the embedder takes and gives; default: as known, or as `embedder.json` says.
        cache_dir: where built embedders are kept; default: `$AVKERAS_CACHE`, else `~/.cache/avkeras/embedders`.
        runtime: what runs it, one of `avkeras.saved_models.runtimes.RUNTIMES`; the library runs what this project
            writes.
        optimised: by the library: whether the graph is optimised first, which takes seconds and pays for many clips.

    Returns:
        The embedder.

    Raises:
        AvkerasError: the embedder cannot be had (with what to do), is of the other modality or is not described; or
            `runtime` is the library, and it is a SavedModel of others.

    Example:
        >>> load_embedder("efficientnet_lite0", modality="video").spec.dim
        1280
    """
    name = str(name)
    folder, handle = None, None
    if name in KNOWN:
        handle, spec = KNOWN[name].handle, spec or KNOWN[name]
    elif name.startswith(("http://", "https://")):
        known = [row.spec for row in EMBEDDERS.values() if name in (row.spec.handle, *row.aliases)]
        handle, spec = name, spec or (dataclasses.replace(known[0], handle=name) if known else None)
    else:
        folder = Path(name)
        if not (folder / "saved_model.pb").is_file():
            raise AvkerasError(
                f"{name}: no such embedder. Known ones: {', '.join(KNOWN)}; "
                "otherwise give a TF Hub handle or a folder with a saved_model.pb."
            )
        spec = spec or read_spec(folder)
    if modality and spec and spec.modality != modality:
        raise AvkerasError(f"{name}: is an embedder for {spec.modality}, one for {modality} is wanted.")
    if folder is None:
        if handle and runtime == "library":
            raise NotForLibrary(f"{name}: is a module of TF Hub")
        folder = _resolve(handle, spec) if handle else _built(KNOWN[name], cache_dir)
    if runtime == "library":
        return _load_alone(name, folder, spec, optimised)
    return _load(name, folder, spec, modality)


def cache_folder(name: str, *, cache_dir: str | Path | None = None) -> Path:
    """Return the folder in which a known embedder that is built here is kept.

    Example:
        >>> cache_folder("vgg16", cache_dir="cache")
        PosixPath('cache/vgg16-2')
    """
    root = cache_dir or os.environ.get("AVKERAS_CACHE") or Path("~", ".cache", "avkeras", "embedders").expanduser()
    return Path(root, f"{name}-{KNOWN[name].version}")


def _built(spec: EmbedderSpec, cache_dir: str | Path | None) -> Path:
    row, folder = EMBEDDERS[spec.name], cache_folder(spec.name, cache_dir=cache_dir)
    if (folder / "saved_model.pb").is_file():
        return folder
    if not row.on_first_use:
        files = "".join(f" --{name} FILE" for name in row.needed)  # the others' can be downloaded
        raise AvkerasError(
            f"{spec.name}: not built yet; looked for in {folder}.\n"
            f"Build it there: python hub_models/{spec.name}.py --out {folder}{files}\n"
            f"or run on what is there: {_on_what_is_there()}"
        )
    logger.info("Building the embedder %s in %s", spec.name, folder)
    return row.writer()(folder)


def _on_what_is_there() -> str:
    specs = [row.spec for row in EMBEDDERS.values() if row.on_first_use]
    names = [f"{spec.name} ({'a stand-in, ' * spec.stand_in}{spec.modality})" for spec in specs]
    return f"the embedders {', '.join(names)} need no download"


def hub_folder(handle: str) -> Path:
    """Returns the folder that TF Hub keeps a handle in, whether it is there or not, without TF Hub itself.

    Example:
        >>> hub_folder("https://tfhub.dev/google/vggish/1").name
        'a2d9c70b5c312dce4d2cde46297518f806bd50d0'
    """
    # As its own resolver has it.
    root = os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir(), "tfhub_modules")
    return Path(root, hashlib.sha1(handle.encode()).hexdigest())


def _resolve(handle: str, spec: EmbedderSpec | None) -> Path:
    """Return the folder that TF Hub keeps a handle in, downloaded if need be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it is going away
        import tensorflow_hub as hub

    folder = hub_folder(handle)
    try:
        return Path(hub.resolve(handle))
    except (OSError, ValueError, RuntimeError) as error:  # URLError is an OSError
        raise AvkerasError(
            f"{spec.name if spec else handle}: {handle} cannot be had ({type(error).__name__}: {error}).\n"
            f"It was looked for in {folder}, then a download was tried.\n"
            f"Put the unpacked module there (saved_model.pb, variables, assets), or name another folder of that kind "
            f"by TFHUB_CACHE_DIR={folder.parent};\n"
            f"or run on what is there: {_on_what_is_there()}"
        ) from error


def _load(name: str, folder: Path, spec: EmbedderSpec | None, modality: str | None) -> Embedder:
    if spec is None and modality != "video":
        what = "its window and hop (spec)" if modality == "audio" else "its modality"
        example = (
            '{"name": "mine", "modality": "audio", "dim": 128, "window": 0.96, "hop": 0.96, "least_samples": 15600}'
        )
        raise AvkerasError(
            f"{name}: nothing says what this SavedModel is; give {what}, or write {SPEC_FILE} into {folder}, "
            f"for instance {example}"
        )
    import tensorflow as tf

    try:
        module = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise AvkerasError(f"{name}: {folder} cannot be loaded as a SavedModel: {error}") from error
    if spec is None:
        spec = _probe_video(name, module)
    function, identity = one_output(module, spec.output, name), _identity(folder, spec)
    return Embedder(spec, function, fingerprint=identity, module=module, folder=Path(folder), load_again=load_same)


def _load_alone(name: str, folder: Path, spec: EmbedderSpec | None, optimised: bool) -> Embedder:
    """Load an embedder that `export_embedder` wrote, whose signature is its call, into TensorFlow's C library."""
    if spec is None or not (folder / SPEC_FILE).is_file():
        raise NotForLibrary(f"{name}: {folder} was not written by avkeras")
    place = folder / PLACE if (folder / PLACE).is_dir() else folder
    signature = load_session(place, name, optimised=optimised).signatures.get("serving_default")
    if signature is None or len(signature.inputs) != 1:
        raise NotForLibrary(f"{name}: {folder} has no signature serving_default of one array")
    (given,), outputs = signature.inputs, signature.outputs
    output = f"output_{spec.output}" if isinstance(spec.output, int) else spec.output
    if output is None and len(outputs) == 1:
        (output,) = outputs
    if output not in outputs:
        raise AvkerasError(f"{name}: has no output {spec.output}, but {', '.join(outputs)}")
    chosen = signature.only(output)

    def embed(inputs: np.ndarray) -> np.ndarray:
        return chosen(**{given: inputs})[output]

    return Embedder(spec, embed, fingerprint=_identity(folder, spec), folder=Path(folder), load_again=load_same)


def _identity(folder: Path, spec: EmbedderSpec) -> str:
    identity = fingerprint(folder)
    if spec.output is None:
        return identity
    # Another output of the same model is another embedding.
    return hashlib.sha256(f"{identity} {spec.output}".encode()).hexdigest()


@functools.cache  # once per process, however many clips bring it along
def load_same(folder: str, spec: EmbedderSpec, identity: str) -> Embedder:
    """Load an embedder in another process, and make sure that it is the same."""
    embedder = _load(folder, Path(folder), spec, spec.modality)
    if embedder.fingerprint != identity:
        raise AvkerasError(f"{folder}: holds another {spec.name} on this machine; copy the same one to all.")
    return embedder


def _probe_video(name: str, module: Any) -> EmbedderSpec:
    """Describe a SavedModel for pictures by its signature and a call with a black picture."""
    signature = dict(getattr(module, "signatures", {})).get("serving_default")
    shapes = [tuple(s.shape) for s in signature.structured_input_signature[1].values()] if signature else []
    size = shapes[0][1:3] if shapes and len(shapes[0]) == 4 and None not in shapes[0][1:3] else None
    height, width = size or (224, 224)
    try:
        probe = np.asarray(one_output(module, None, name)(np.zeros((1, height, width, 3), np.float32)))
    except (ValueError, TypeError) as error:
        raise AvkerasError(f"{name}: does not take pictures (1, {height}, {width}, 3): {error}") from error
    if probe.ndim != 2:
        raise AvkerasError(f"{name}: gave an output of shape {probe.shape} for one picture, (1, dim) expected.")
    return EmbedderSpec(name, "video", probe.shape[1], size=size, note="described by a trial call")
