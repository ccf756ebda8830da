"""What an embedder takes and gives, also as the file `embedder.json` beside a SavedModel."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from avkeras.errors import AvkerasError

SPEC_FILE = "embedder.json"


@dataclasses.dataclass(frozen=True)
class EmbedderSpec:
    """What an embedder takes and gives.

    Args:
        name: its name, also in reports.
        modality: "audio" or "video".
        dim: values per frame.
        handle: its TF Hub handle, if it has one.
        window: audio: seconds that a frame stands for.
        hop: audio: seconds from a frame to the next.
        least_samples: audio: the fewest samples that give a frame; shorter clips are padded to it.
        sample_rate: audio: of the waveform, in Hz.
        size: video: height and width of the pictures; None for any: they are decoded to a short side of 256 at most.
        output: index or key of the embeddings among several outputs.
        licence: of the weights.
        stand_in: True if it only stands in for a pretrained network that cannot be had.
        note: what a reader of a report should know.
        version: raised when what the project's own builder writes changes.

    Example:
        >>> EmbedderSpec("mine", "audio", 512, window=0.96, hop=0.48, least_samples=15_600).sample_rate
        16000
    """

    name: str
    modality: str
    dim: int
    handle: str | None = None
    window: float | None = None
    hop: float | None = None
    least_samples: int | None = None
    size: tuple[int, int] | None = None
    output: int | str | None = None
    licence: str = ""
    stand_in: bool = False
    note: str = ""
    version: int = 1
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.modality not in ("audio", "video"):
            raise AvkerasError(f"{self.name}: modality {self.modality!r}; 'audio' or 'video' is wanted.")
        if self.modality == "audio" and not (self.window and self.hop and self.least_samples):
            raise AvkerasError(f"{self.name}: an audio embedder needs window and hop (seconds) and least_samples.")
        if not 1000 <= self.sample_rate == int(self.sample_rate):
            raise AvkerasError(f"{self.name}: sample_rate {self.sample_rate}; a whole number of Hz is wanted.")
        if self.size is not None:  # a list when read from JSON
            object.__setattr__(self, "size", tuple(self.size))


def read_spec(folder: Path) -> EmbedderSpec | None:
    """Return what a folder's `embedder.json` says, or None if there is no such file.

    Raises:
        AvkerasError: the file does not describe an embedder.
    """
    path = folder / SPEC_FILE
    if not path.is_file():
        return None
    try:
        return EmbedderSpec(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AvkerasError) as error:
        raise AvkerasError(f"{path}: does not describe an embedder: {error}") from error
