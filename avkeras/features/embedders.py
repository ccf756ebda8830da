"""Embedders: pretrained networks that turn the waveform or the pictures of a clip into a row of numbers per frame.

Every embedder is a SavedModel with the call contract of TF Hub's modules, named by a known name, by a TF Hub
handle or by a folder. A waveform is `(samples,)` float32, mono, 16 kHz, in [-1, 1]; pictures are
`(frames, height, width, 3)` float32, RGB, in [0, 1]; either becomes `(frames, dim)`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.features.embedder_specs import ALIASES, KNOWN, SPEC_FILE, EmbedderSpec, read_spec
from avkeras.features.saved_model import fingerprint, one_output

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["KNOWN", "Embedder", "EmbedderSpec", "cache_folder", "load_embedder"]

SAMPLE_RATE = 16_000
_CHUNK_WINDOWS = 64  # about a minute of sound at a time, so that memory does not grow with the clip
_BATCH_PICTURES = 32

logger = logging.getLogger(__name__)


class Embedder:
    """A loaded embedder, called with numpy arrays.

    Args:
        spec: what it takes and gives.
        function: TensorFlow callable from a waveform or a batch of pictures to `(frames, dim)`.
        fingerprint: names what computes the embeddings; changes whenever they may change.
        module: the object that holds the weights. A `tf.Module` that calls `function` and is saved must hold it too.
        folder: that it was loaded from; it is loaded from there again in another process.

    Example:
        >>> embedder = load_embedder("vggish_stand_in")
        >>> embedder(np.zeros(160_000, "float32")).shape
        (10, 128)
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        function: Callable[[Any], tf.Tensor],
        *,
        fingerprint: str,
        module: Any = None,
        folder: Path | None = None,
    ) -> None:
        self.spec = spec
        self.function = function
        self.fingerprint = fingerprint
        self.module = module
        self.folder = folder

    def __reduce__(self) -> tuple:
        """Pickle as the folder that it was loaded from."""
        if self.folder is None:
            raise AvkerasError(f"{self.spec.name}: was not loaded from a folder, so other processes cannot have it.")
        return _load_same, (str(self.folder.resolve()), self.spec, self.fingerprint)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Embed the waveform or the pictures of one clip.

        A waveform that is shorter than one window is padded with zeros to one window (TF Hub's modules would give
        no frame at all); `padding` says by how much. What is left after the last whole window is not embedded,
        by VGGish's contract.

        Args:
            array: a waveform `(samples,)` or pictures `(frames, height, width, 3)`, of any length: the network
                sees about a minute or 32 pictures at a time.

        Returns:
            `(frames, dim)` float32.

        Raises:
            AvkerasError: an input of another shape, type or range, or an output of another width.
        """
        array = np.asarray(array)
        if self.spec.modality == "audio":
            self._check_waveform(array)
            parts = self._chunks(np.pad(array, (0, self.padding(len(array)))))
        else:
            self._check_pictures(array)
            parts = (array[start : start + _BATCH_PICTURES] for start in range(0, len(array), _BATCH_PICTURES))
        rows = [np.zeros((0, self.spec.dim), np.float32)]
        for part in parts:
            embedded = np.asarray(self.function(part.astype(np.float32, copy=False)), np.float32)
            if embedded.ndim != 2 or embedded.shape[1] != self.spec.dim:
                raise AvkerasError(
                    f"{self.spec.name}: gave an output of shape {embedded.shape}, (frames, {self.spec.dim}) expected."
                )
            rows.append(embedded)
        return np.concatenate(rows)

    def padding(self, samples: int) -> int:
        """Return how many zeros a waveform of so many samples gets: up to one window, 0 if it has one.

        Example:
            >>> load_embedder("vggish_stand_in").padding(8_000)
            7600
        """
        return max(0, (self.spec.least_samples or 0) - samples)

    def frame_times(self, frames: int) -> np.ndarray:
        """Return the centres of an audio embedder's frames in seconds: 0.48 + 0.96 i for VGGish.

        Raises:
            AvkerasError: a video embedder, whose pictures are taken at times of the caller's choice.

        Example:
            >>> load_embedder("vggish_stand_in").frame_times(2)
            array([0.48, 1.44])
        """
        if self.spec.modality != "audio":
            raise AvkerasError(f"{self.spec.name}: a video embedder has no frame times of its own.")
        return self.spec.window / 2 + self.spec.hop * np.arange(frames)

    def _chunks(self, waveform: np.ndarray):
        """Cut a waveform where frames begin, so that the parts' frames are those of the whole."""
        hop = round(self.spec.hop * SAMPLE_RATE)
        step = _CHUNK_WINDOWS * hop
        whole = step - hop + self.spec.least_samples
        start = 0
        while len(waveform) - start > whole:
            yield waveform[start : start + whole]
            start += step
        yield waveform[start:]

    def _check_waveform(self, array: np.ndarray) -> None:
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
            raise AvkerasError(
                f"{self.spec.name}: takes a mono waveform (samples,) of floats in [-1, 1], "
                f"not an array {array.shape} of {array.dtype}."
            )
        if not len(array):
            raise AvkerasError(f"{self.spec.name}: the waveform is empty.")

    def _check_pictures(self, array: np.ndarray) -> None:
        height, width = self.spec.size or ("height", "width")
        fits = array.ndim == 4 and array.shape[3] == 3 and self.spec.size in (None, array.shape[1:3])
        if not fits:
            wanted = f"(frames, {height}, {width}, 3)"
            raise AvkerasError(f"{self.spec.name}: takes RGB pictures {wanted}, not an array {array.shape}.")
        if not np.issubdtype(array.dtype, np.floating) or (array.size and array.max() > 1.001):
            raise AvkerasError(f"{self.spec.name}: takes pictures as floats in [0, 1]; divide 8-bit values by 255.")


def load_embedder(
    name: str | Path,
    *,
    modality: str | None = None,
    spec: EmbedderSpec | None = None,
    cache_dir: str | Path | None = None,
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

    Returns:
        The embedder.

    Raises:
        AvkerasError: the embedder cannot be had (with what to do), is of the other modality or is not described.

    Example:
        >>> load_embedder("efficientnet_lite0", modality="video").spec.dim
        1280
    """
    name = str(name)
    folder, handle = None, None
    if name in KNOWN:
        handle, spec = KNOWN[name].handle, spec or KNOWN[name]
    elif name.startswith(("http://", "https://")):
        known = [known for known in KNOWN.values() if known.handle == name or ALIASES.get(name) == known.name]
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
        folder = _resolve(handle, spec) if handle else _built(KNOWN[name], cache_dir)
    return _load(name, folder, spec, modality)


def cache_folder(name: str, *, cache_dir: str | Path | None = None) -> Path:
    """Return the folder in which a known embedder that is built here is kept.

    Example:
        >>> cache_folder("vgg16", cache_dir="cache")
        PosixPath('cache/vgg16-1')
    """
    root = cache_dir or os.environ.get("AVKERAS_CACHE") or Path("~", ".cache", "avkeras", "embedders").expanduser()
    return Path(root, f"{name}-{KNOWN[name].version}")


def _built(spec: EmbedderSpec, cache_dir: str | Path | None) -> Path:
    from avkeras.features import build_embedders

    folder = cache_folder(spec.name, cache_dir=cache_dir)
    if (folder / "saved_model.pb").is_file():
        return folder
    builders = {
        "efficientnet_lite0": build_embedders.build_efficientnet_lite0,
        "picture_stand_in": build_embedders.build_picture_stand_in,
        "vggish_stand_in": build_embedders.build_vggish_stand_in,
    }
    if spec.name not in builders:
        weights = " --weights FILE" if spec.name == "tce" else ""  # the others' can be downloaded
        raise AvkerasError(
            f"{spec.name}: not built yet; looked for in {folder}.\n"
            f"Build it there: python hub_models/{spec.name}.py --out {folder}{weights}\n"
            f"or run on what is there: {_on_what_is_there()}"
        )
    logger.info("Building the embedder %s in %s", spec.name, folder)
    return builders[spec.name](folder)


def _on_what_is_there() -> str:
    return "--embedders vggish_stand_in efficientnet_lite0 (the first is a stand-in, not VGGish)"


def _resolve(handle: str, spec: EmbedderSpec | None) -> Path:
    """Return the folder that TF Hub keeps a handle in, downloaded if need be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it is going away
        import tensorflow_hub as hub
        from tensorflow_hub import resolver

    folder = Path(resolver.tfhub_cache_dir(use_temp=True), hashlib.sha1(handle.encode()).hexdigest())
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
    identity = fingerprint(folder)
    if spec.output is not None:  # another output of the same model is another embedding
        identity = hashlib.sha256(f"{identity} {spec.output}".encode()).hexdigest()
    function = one_output(module, spec.output, name)
    return Embedder(spec, function, fingerprint=identity, module=module, folder=Path(folder))


@functools.cache  # once per process, however many clips bring it along
def _load_same(folder: str, spec: EmbedderSpec, identity: str) -> Embedder:
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
