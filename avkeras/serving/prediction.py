"""What a trained model says about a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from avkeras.data.manifest import Event


class Window(NamedTuple):
    """A part of a clip, predicted by itself.

    Args:
        start: in seconds.
        end: in seconds.
        probabilities: per class.
    """

    start: float
    end: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Prediction:
    """What a model says about a clip.

    Args:
        path: the file; None: a waveform was given.
        probabilities: per class, the highest of the windows.
        labels: the classes whose probability reaches its threshold.
        events: of a detection model: what was detected, by onset.
        windows: the parts that were predicted; one, if the clip is no longer than those in training.
        notes: what was padded, missing, remarkable or replaced by a stand-in, a line each.
        duration: of the clip in seconds.
        error: why there is no prediction, in one line: only in answers to a list of files.
    """

    path: Path | None
    probabilities: dict[str, float]
    labels: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    windows: tuple[Window, ...] = ()
    notes: tuple[str, ...] = ()
    duration: float = 0.0
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns it as a value for `json.dumps`, without what only figures need."""
        fields: dict[str, Any] = {"path": None if self.path is None else str(self.path)}
        if self.error:
            return fields | {"error": self.error}
        return fields | {
            "probabilities": self.probabilities,
            "labels": list(self.labels),
            "events": [event._asdict() for event in self.events],
            "windows": [window._asdict() for window in self.windows],
            "notes": list(self.notes),
            "duration": self.duration,
        }


@dataclass(frozen=True, kw_only=True)
class EventPrediction(Prediction):
    """What a detection model says about a clip, with what figures show of it.

    Args:
        scores: frame probabilities `(vectors, classes)`.
        seconds_per_vector: length of such a frame.
        log_mel: the spectrogram in dB, `(frames, bands)`, each window of it with a peak of its own.
        log_mel_hop: seconds from one of its frames to the next.
        encoder_weights: of each window, the weight that each encoder got by its name; an absent input gets 0;
            empty, where the model weighs none.
        window: length of a window in seconds; the last one may be shorter.
    """

    scores: np.ndarray
    seconds_per_vector: float
    log_mel: np.ndarray
    log_mel_hop: float
    encoder_weights: tuple[Mapping[str, float], ...]
    window: float


def stand_in_notes(embedders: Mapping[str, Any]) -> list[str]:
    """Returns a line for each embedder that only stands in for a pretrained one."""
    specs = [embedder.spec for embedder in embedders.values()]
    return [f"{spec.modality} embedder {spec.name}: {spec.note or 'a stand-in'}" for spec in specs if spec.stand_in]
