"""The still images of a clip for a visual embedder, and their embeddings, without holding them as floats at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.features.embedder import BATCH_PICTURES

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder
    from avkeras.features.embedder_specs import EmbedderSpec
    from avkeras.media.decoding_process import DecodingProcess, ThisProcess

# Networks that take pictures of any size scale them down to this first (OpenL3, temporally coherent embeddings), so
# larger ones are decoded to it: 64 pictures of 4K take 22 MB and not 1.6 GB.
SHORT_SIDE = 256


def load_pictures(path: str | Path, times: Sequence[float], spec: "EmbedderSpec") -> tuple[np.ndarray, np.ndarray]:
    """Reads the pictures nearest to `times` (seconds) at the size that an embedder takes, or at a bounded one.

    Args:
        path: a media file with a video track.
        times: seconds, >= 0.
        spec: of the embedder; with `size` None, the short side is 256 at most (see `load_frames`).

    Returns:
        `(pictures, seen)` as `avkeras.media.video.load_frames`.

    Raises:
        MediaError: there is no usable video.
    """
    from avkeras.media.video import load_frames

    return load_frames(path, times, size=spec.size, short_side=SHORT_SIDE if spec.size is None else None)


def iter_pictures(
    path: str | Path,
    times: Sequence[float],
    spec: "EmbedderSpec",
    *,
    decoder: "ThisProcess | DecodingProcess",
    notes: list[str] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reads the pictures nearest to ascending `times` as `load_pictures` does, but 16 at a time.

    Args:
        path: as for `load_pictures`, like `times` and `spec`.
        decoder: what decodes.
        notes: as for `avkeras.media.video.iter_frames`.

    Yields:
        `(pictures, seen)` as `avkeras.media.video.iter_frames`.
    """
    short_side = SHORT_SIDE if spec.size is None else None
    return decoder.iter_frames(path, times, size=spec.size, short_side=short_side, notes=notes)


def bounded_size(embedder: "Embedder") -> dict[str, int]:
    """Returns what a store of an embedder's must say of the size of its pictures: nothing if they have one of its own.

    Example:
        >>> from avkeras.features.embedders import load_embedder
        >>> bounded_size(load_embedder("efficientnet_lite0"))
        {}
    """
    return {"short_side": SHORT_SIDE} if embedder.spec.modality == "video" and embedder.spec.size is None else {}


def embed_pictures(pictures: np.ndarray, seen: np.ndarray, embedder: "Embedder") -> np.ndarray:
    """Embeds the seen ones of uint8 pictures, which become floats batch by batch.

    Args:
        pictures: `(pictures, height, width, 3)` uint8.
        seen: which of them show something, `(pictures,)`.
        embedder: of pictures.

    Returns:
        `(pictures, dim)` float32; zeros where there was nothing to see.

    Example:
        >>> from avkeras.features.embedders import load_embedder
        >>> embedder = load_embedder("efficientnet_lite0")
        >>> embed_pictures(np.zeros((2, 224, 224, 3), "uint8"), np.array([True, False]), embedder).shape
        (2, 1280)
    """
    embedded = np.zeros((len(seen), embedder.spec.dim), np.float32)
    shown = np.flatnonzero(seen)
    for start in range(0, len(shown), BATCH_PICTURES):
        some = shown[start : start + BATCH_PICTURES]
        embedded[some] = embedder(pictures[some].astype(np.float32) / 255)
    return embedded
