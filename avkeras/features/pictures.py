"""The still images of a clip as a visual embedder takes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder
    from avkeras.features.embedder_specs import EmbedderSpec
    from avkeras.media.decoding_process import DecodingProcess, ThisProcess

# Networks that take pictures of any size scale them down to this first (OpenL3, temporally coherent embeddings), so
# larger ones are decoded to it: 64 pictures of 4K take 22 MB and not 1.6 GB.
SHORT_SIDE = 256


def iter_pictures(
    path: str | Path,
    times: Sequence[float],
    spec: "EmbedderSpec",
    *,
    decoder: "ThisProcess | DecodingProcess",
    notes: list[str] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reads the pictures nearest to `times` at the size that an embedder takes, or at a bounded one, 16 at a time.

    Args:
        path: a media file with a video track.
        times: ascending seconds, >= 0.
        spec: of the embedder; with `size` None, the short side is 256 at most (see `avkeras.media.video.iter_frames`).
        decoder: what decodes.
        notes: as for `avkeras.media.video.iter_frames`.

    Yields:
        `(pictures, seen)` as `avkeras.media.video.iter_frames`.

    Raises:
        MediaError: there is no usable video.
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
