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
from avkeras.media.decoding_process import DecodingProcess, ThisProcess

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder

logger = logging.getLogger(__name__)

Embed = Callable[[str, np.ndarray], "Future[np.ndarray]"]  # from an embedder's name and its input to rows to come
Decoder = ThisProcess | DecodingProcess


@dataclass
class SoundRows:
    """The sound of a clip, embedded or as levels.

    Args:
        parts: rows to come, `(frames, dim)` each, one part after the other.
        seconds: of the sound, as it was used.
        notes: what was padded, cut or replaced, a line each.
        heard: rows to come of embedders beside, by name; of each window of the clip one.
    """

    parts: Sequence[Future]
    seconds: float
    notes: list[str] = field(default_factory=list)
    heard: Mapping[str, Sequence[Future]] = field(default_factory=dict)

    @property
    def all_parts(self) -> list[Future]:
        """All rows that are to come."""
        return [*self.parts, *(part for parts in self.heard.values() for part in parts)]

    def rows(self) -> np.ndarray:
        """Returns the rows `(frames, dim)`; waits for them, and raises what the network raised."""
        return np.concatenate([part.result() for part in self.parts])


@dataclass
class PictureRows:
    """The still images of a clip, embedded.

    Args:
        seen: which of them show something, `(pictures,)`; None: no video.
        parts: rows to come of those, by embedder.
        notes: what is missing, a line each.
    """

    seen: np.ndarray | None = None
    parts: Mapping[str, Sequence[Future]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class ClipFeatures:
    """A clip as features.

    Args:
        audio: `(frames, dim)`.
        visual: by embedder `(pictures, dim)`, zeros where there is nothing to see; empty: no video.
        seen: which pictures show something, `(pictures,)`, or None: no video.
        times: of the pictures in seconds, `(pictures,)`.
        seconds: of the sound, as it was used.
        notes: what was padded, cut, replaced or missing, a line each.
        heard: by embedder of the sound beside `audio`, a `(frames, dim)` of each window of the clip.
    """

    audio: np.ndarray
    visual: dict[str, np.ndarray]
    seen: np.ndarray | None
    times: np.ndarray
    seconds: float
    notes: list[str]
    heard: dict[str, list[np.ndarray]] = field(default_factory=dict)


class ClipReader(Protocol):
    """What one of the systems makes of a clip."""

    networks: Mapping[str, "Embedder"]
    visual: Mapping[str, "Embedder"]  # those of `networks` that take pictures

    def read_sound(self, path: str | Path, embed: Embed, decoder: Decoder) -> SoundRows:
        """Decodes the sound and has it embedded; raises `MediaError` when it cannot be used."""

    def picture_times(self, sound: SoundRows) -> np.ndarray:
        """Returns the times of the still images, ascending seconds; waits for the rows of the sound if need be."""


def read_pictures(
    path: str | Path, times: np.ndarray, visual: Mapping[str, "Embedder"], embed: Embed, decoder: Decoder
) -> PictureRows:
    """Decodes the pictures nearest to `times`, once per size that is wanted, and has what shows something embedded.

    Video that cannot be used makes the clip one without video, and the notes say so.
    """
    seen, parts, notes = None, {name: [] for name in visual}, []
    try:
        for size in dict.fromkeys(embedder.spec.size for embedder in visual.values()):
            names = [name for name, embedder in visual.items() if embedder.spec.size == size]
            shown = []
            for pictures, some in iter_pictures(path, times, visual[names[0]].spec, decoder=decoder, notes=notes):
                shown.append(some)
                if some.any():
                    for name in names:
                        parts[name].append(embed(name, pictures[some]))
            seen = np.concatenate(shown)
    except MediaError as error:
        return PictureRows(notes=[f"video not used: {error.reason}"])
    notes = list(dict.fromkeys(notes))  # each size says what is damaged
    if not seen.any():
        return PictureRows(notes=["video not used: it shows nothing at the times of the still images", *notes])
    missing = np.count_nonzero(~seen)
    if missing:
        notes.insert(0, f"video missing in {missing} of {len(times)} frames")
    return PictureRows(seen, parts, notes)


def clip_features(sound: SoundRows, pictures: PictureRows, times: np.ndarray) -> ClipFeatures:
    """Returns the features of a clip; waits for the rows, and raises what a network raised."""
    visual = {}
    for name, parts in pictures.parts.items():
        rows = np.concatenate([part.result() for part in parts])
        visual[name] = np.zeros((len(pictures.seen), rows.shape[1]), rows.dtype)
        visual[name][pictures.seen] = rows
    heard = {name: [part.result() for part in parts] for name, parts in sound.heard.items()}
    notes = [*sound.notes, *pictures.notes]
    return ClipFeatures(sound.rows(), visual, pictures.seen, times, sound.seconds, notes, heard)


def read_clip(
    reader: ClipReader, audio: str | Path, video: str | Path | None, *, decoder: Decoder | None = None
) -> ClipFeatures:
    """Reads one clip, decoding and embedding by turns; `ClipPipeline` does many side by side.

    Args:
        reader: what one of the systems makes of a clip.
        audio: the file with its sound.
        video: the file with its pictures; None: there is none.
        decoder: what decodes; default: this process.

    Raises:
        MediaError: when the sound cannot be used.
    """
    decoder = decoder or ThisProcess()

    def embed(name: str, array: np.ndarray) -> Future:
        rows = Future()
        embedder = reader.networks[name]
        rows.set_result(embedder.embed_piece(array if name not in reader.visual else array.astype(np.float32) / 255))
        return rows

    sound = reader.read_sound(audio, embed, decoder)
    times = reader.picture_times(sound)
    pictures = PictureRows()
    if video is not None and reader.visual:
        pictures = read_pictures(video, times, reader.visual, embed, decoder)
    return clip_features(sound, pictures, times)


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
