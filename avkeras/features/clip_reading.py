"""A clip's media become features: what is decoded goes to the networks piece by piece, so that none is held whole."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from avkeras.errors import AvkerasError, MediaError
from avkeras.features.pictures import iter_pictures

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder

logger = logging.getLogger(__name__)

Embed = Callable[[str, np.ndarray], "Future[np.ndarray]"]  # from an embedder's name and its input to rows to come


@dataclass
class Heard:
    """The sound of a clip.

    Args:
        parts: rows to come, `(frames, dim)` each, one part after the other.
        samples: of the waveform at 16 kHz, as it was used.
        notes: what was padded or cut, a line each.
    """

    parts: Sequence[Future]
    samples: int
    notes: list[str] = field(default_factory=list)

    def rows(self) -> np.ndarray:
        """Returns the rows `(frames, dim)`; waits for them, and raises what the network raised."""
        return np.concatenate([part.result() for part in self.parts])


@dataclass
class Seen:
    """The still images of a clip.

    Args:
        mask: which of them show something, `(pictures,)`; None: no video.
        parts: rows to come of those, by embedder.
        notes: what is missing, a line each.
    """

    mask: np.ndarray | None = None
    parts: Mapping[str, Sequence[Future]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class ClipFeatures:
    """A clip as features.

    Args:
        audio: `(frames, dim)`.
        visual: by embedder `(pictures, dim)`, zeros where there is nothing to see; empty: no video.
        mask: which pictures show something, `(pictures,)`, or None: no video.
        times: of the pictures in seconds, `(pictures,)`.
        notes: what was padded, cut, replaced or missing, a line each.
    """

    audio: np.ndarray
    visual: dict[str, np.ndarray]
    mask: np.ndarray | None
    times: np.ndarray
    notes: list[str]


class ClipReader(Protocol):
    """What one of the systems makes of a clip."""

    networks: Mapping[str, "Embedder"]
    visual: Mapping[str, "Embedder"]  # those of `networks` that take pictures

    def hear(self, path: str | Path, embed: Embed) -> Heard:
        """Decodes the sound; raises `MediaError` when it cannot be used."""

    def times(self, heard: Heard) -> np.ndarray:
        """Returns the times of the still images, ascending seconds; waits for the rows of the sound if need be."""


def see(path: str | Path, times: np.ndarray, visual: Mapping[str, "Embedder"], embed: Embed) -> Seen:
    """Decodes the pictures nearest to `times`, once per size that is wanted, and has what shows something embedded.

    Video that cannot be used makes the clip one without video, and the notes say so.
    """
    mask, parts = None, {name: [] for name in visual}
    try:
        for size in dict.fromkeys(embedder.spec.size for embedder in visual.values()):
            names = [name for name, embedder in visual.items() if embedder.spec.size == size]
            masks = []
            for pictures, shown in iter_pictures(path, times, visual[names[0]].spec):
                masks.append(shown)
                if shown.any():
                    for name in names:
                        parts[name].append(embed(name, pictures[shown]))
            mask = np.concatenate(masks)
    except MediaError as error:
        return Seen(notes=[f"video not used: {error.reason}"])
    if not mask.any():
        return Seen(notes=["video not used: it shows nothing at the times of the still images"])
    missing = np.count_nonzero(~mask)
    return Seen(mask, parts, [f"video missing in {missing} of {len(times)} frames"] if missing else [])


def bring_together(heard: Heard, seen: Seen, times: np.ndarray) -> ClipFeatures:
    """Returns the features of a clip; waits for the rows, and raises what a network raised."""
    visual = {}
    for name, parts in seen.parts.items():
        rows = np.concatenate([part.result() for part in parts])
        visual[name] = np.zeros((len(seen.mask), rows.shape[1]), rows.dtype)
        visual[name][seen.mask] = rows
    return ClipFeatures(heard.rows(), visual, seen.mask, times, [*heard.notes, *seen.notes])


def read_clip(reader: ClipReader, audio: str | Path, video: str | Path | None) -> ClipFeatures:
    """Reads one clip, decoding and embedding by turns; `ClipPipeline` does many side by side.

    Raises:
        MediaError: when the sound cannot be used.
    """

    def embed(name: str, array: np.ndarray) -> Future:
        rows = Future()
        embedder = reader.networks[name]
        rows.set_result(embedder.embed_piece(array if name not in reader.visual else array.astype(np.float32) / 255))
        return rows

    heard = reader.hear(audio, embed)
    times = reader.times(heard)
    seen = Seen() if video is None or not reader.visual else see(video, times, reader.visual, embed)
    return bring_together(heard, seen, times)


def failure_reason(clip: str, error: Exception) -> str:
    """Returns in one line why a clip has no features; an error that nobody foresaw is logged with its traceback.

    Example:
        >>> failure_reason("a1", MediaError("a1.wav", "no such file"))
        'no such file'
    """
    if isinstance(error, MediaError):
        return error.reason
    if not isinstance(error, AvkerasError):
        logger.error("clip %s", clip, exc_info=error)
        return " ".join(f"{type(error).__name__}: {error}".split())
    return " ".join(str(error).split())
