"""How a detection model (2022) answers for a clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from avkeras.evaluation.decisions import Decision
from avkeras.experiments.detection_scores import Tuning
from avkeras.features.extract_detection import MULTI_ENCODER, LogMelReader
from avkeras.features.front_end import FrontEnd
from avkeras.serving.inference_graph import WEIGHTS
from avkeras.serving.prediction import EventPrediction, Window, stand_in_notes

if TYPE_CHECKING:
    from pathlib import Path

    from avkeras.features.clip_reading import ClipFeatures
    from avkeras.features.embedder import Embedder
    from avkeras.serving.trained_model import TrainedModel

_BATCH = 16  # windows


class DetectionAnswer:
    """Makes an `EventPrediction` of a clip's spectrogram and embeddings.

    A clip that is longer than the model's 10 s is cut into windows of that length; their frame probabilities are joined
    before events are decided, so an event may run on from one into the next.

    Args:
        model: that was trained.
        embedders: of the pictures and of the sound, by the name of the input.
    """

    def __init__(self, model: TrainedModel, *, embedders: Mapping[str, Embedder]) -> None:
        self.tuning = Tuning.of(model.facts["tuning"])
        self.decision = Decision("class_wise", self.tuning.clip_thresholds)
        self.classes = self.tuning.classes
        self.embedders = dict(embedders)
        self.dims: dict[str, int] = dict(model.facts["inputs"])
        self.lengths: dict[str, int] = dict(model.facts["lengths"])
        self.max_frames = self.lengths["audio"]
        seeing = [name for name, one in self.embedders.items() if one.spec.modality == "video"]
        self.visual_frames = max((self.lengths[name] for name in seeing), default=64)
        front_end = model.facts.get("front_end")
        self.front_end = MULTI_ENCODER if front_end is None else FrontEnd(**front_end)
        self.reader = LogMelReader(
            self.embedders,
            front_end=self.front_end,
            visual_frames=self.visual_frames,
            whole=True,
            log_mel=model.log_mel,
        )
        self._answer = model.answer

    def __call__(self, clip: ClipFeatures, *, path: Path | None) -> EventPrediction:
        """Returns what the model says.

        Args:
            clip: read by `reader`.
            path: of the clip.
        """
        window = self.front_end.seconds(self.max_frames)
        inputs = self._inputs(clip, window)
        count = len(inputs["audio"])
        parts = [
            self._answer(**{name: value[first : first + _BATCH] for name, value in inputs.items()})
            for first in range(0, count, _BATCH)
        ]
        scores = np.concatenate([row for part in parts for row in np.asarray(part["frame_probabilities"])])
        by_window = np.concatenate([np.asarray(part["clip_probabilities"]) for part in parts])
        duration = clip.seconds
        span = len(scores) * self.tuning.seconds_per_vector
        (events,) = self.tuning.events(scores[None], durations=[min(duration, span)])
        highest = by_window.max(axis=0)
        notes = stand_in_notes(self.embedders) + list(clip.notes)
        shares = [row for part in parts for row in np.asarray(part.get(WEIGHTS, ()))]
        weights = tuple(dict(zip(self.dims, map(float, row), strict=True)) for row in shares)
        if count > 1:
            notes.append(f"longer than a clip in training: cut into {count} windows")
        return EventPrediction(
            path,
            self._named(highest),
            labels=self.tuning.labels(highest[None])[0],
            events=events,
            windows=tuple(
                Window(place * window, min((place + 1) * window, duration), self._named(row))
                for place, row in enumerate(by_window)
            ),
            notes=tuple(notes),
            duration=duration,
            scores=scores,
            seconds_per_vector=self.tuning.seconds_per_vector,
            log_mel=clip.audio,
            log_mel_hop=self.front_end.seconds(1),
            encoder_weights=weights,
            window=window,
        )

    def _inputs(self, clip: ClipFeatures, window: float) -> dict[str, np.ndarray]:
        """Returns the model's inputs by window, padded to one length, with masks."""
        count = -(-len(clip.audio) // self.max_frames)
        levels = np.arange(self.max_frames, count * self.max_frames, self.max_frames)
        inputs = _padded("audio", np.split(clip.audio, levels), None, self.max_frames)
        shown = np.searchsorted(clip.times, window * np.arange(1, count))
        absent = {name: [np.zeros((0, dim), np.float32)] * count for name, dim in self.dims.items()}
        for name in list(self.dims)[1:]:
            windows, seen = clip.heard.get(name, absent[name]), None
            if name in clip.visual:
                windows, seen = np.split(clip.visual[name], shown), np.split(clip.seen, shown)
            inputs |= _padded(name, windows, seen, self.lengths[name])
        return inputs

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.classes, map(float, row), strict=True))


def _padded(name: str, windows, masks, length: int) -> dict[str, np.ndarray]:
    """Returns `(windows, length, dim)` and the mask of what is real, under the names of the model's inputs."""
    values = np.zeros((len(windows), length, windows[0].shape[1]), np.float32)
    mask = np.zeros((len(windows), length), bool)
    for place, rows in enumerate(windows):
        values[place, : len(rows)] = rows
        mask[place, : len(rows)] = True if masks is None else masks[place]
    return {name: values, f"{name}_mask": mask}
