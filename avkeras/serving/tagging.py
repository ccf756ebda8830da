"""How a tagging model (2019, or a published system) answers for a clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.evaluation.decisions import Decision
from avkeras.features.extract import WindowReader
from avkeras.features.extract_detection import LogMelReader
from avkeras.features.front_end import FrontEnd
from avkeras.serving.prediction import Prediction, Window, stand_in_notes
from avkeras.serving.windows import window_starts

if TYPE_CHECKING:
    from pathlib import Path

    from avkeras.features.clip_reading import ClipFeatures
    from avkeras.features.embedder import Embedder
    from avkeras.serving.trained_model import TrainedModel

_BATCH = 32  # windows


class TaggingAnswer:
    """Makes a `Prediction` of a clip's embeddings, or of its spectrogram where the model has a front end for sound.

    A clip that is longer than those in training is cut into windows of their length, the last one so that it ends with
    the clip. A class gets its highest probability, because a short sound would vanish in the mean of a long clip.

    Args:
        model: that was trained.
        embedders: by modality; the one for sound is always needed, as its windows say when pictures are taken.
    """

    def __init__(self, model: TrainedModel, *, embedders: Mapping[str, Embedder]) -> None:
        front_end = model.facts.get("front_end")
        self.front_end = FrontEnd(**front_end) if front_end else None
        if "audio" not in embedders and not front_end:
            raise AvkerasError(f"{model.folder}: does not say which embedder its audio had; give it (embedders)")
        self.classes: tuple[str, ...] = tuple(model.facts["classes"])
        self.threshold: float | list[float] = model.facts["threshold"]
        self.decision = Decision(model.facts.get("decision", "global"), self.threshold)
        self.frames: int | None = model.facts["frames"]
        self.dims: dict[str, int] = dict(model.facts["inputs"])
        if missing := sorted(set(self.dims) - set(embedders) - ({"audio"} if front_end else set())):
            raise AvkerasError(f"{model.folder}: does not say which embedder its {missing[0]} had; give it (embedders)")
        self.embedders = dict(embedders)
        if self.front_end:
            self.reader = LogMelReader({}, front_end=self.front_end, whole=True, log_mel=model.log_mel)
        else:
            self.reader = WindowReader(embedders["audio"], embedders["video"] if "video" in self.dims else None)
        self._answer = model.answer

    def __call__(self, clip: ClipFeatures, *, path: Path | None) -> Prediction:
        """Returns what the model says.

        Args:
            clip: read by `reader`.
            path: of the clip.

        Raises:
            AvkerasError: the clip has no usable video, and the model only sees.
        """
        if not clip.visual and list(self.dims) == ["video"]:
            reason = "; ".join(clip.notes) or "no pictures are given"
            raise AvkerasError(f"{path or 'waveform'}: this model only sees ({reason}): use one that also hears")
        frames = len(clip.audio)
        starts = window_starts(frames, self.frames)
        length = min(self.frames or frames, frames)
        inputs = window_inputs(clip, self.dims, starts, length)
        found = np.concatenate(
            [
                np.asarray(
                    self._answer(**{name: value[first : first + _BATCH] for name, value in inputs.items()})[
                        "probabilities"
                    ]
                )
                for first in range(0, len(starts), _BATCH)
            ]
        )
        # What was padded at the end is no part of the clip.
        spans = [(start, min(end, clip.seconds)) for start, end in self._spans(frames, starts, length)]
        windows = tuple(Window(*span, self._named(row)) for span, row in zip(spans, found, strict=True))
        notes = stand_in_notes({name: self.embedders[name] for name in self.dims if name in self.embedders})
        if len(starts) > 1:
            seconds = windows[0].end - windows[0].start
            notes.append(f"longer than a clip in training: highest of {len(starts)} windows of {seconds:.1f} s")
        highest = found.max(axis=0)
        present = np.flatnonzero(self.decision.decide(highest[None])[0])
        return Prediction(
            path,
            self._named(highest),
            labels=tuple(self.classes[index] for index in present),
            windows=windows,
            notes=(*notes, *clip.notes),
            duration=clip.seconds,
        )

    def _spans(self, frames: int, starts: Iterable[int], length: int) -> list[tuple[float, float]]:
        """Returns begin and end of each window in seconds."""
        if self.front_end:
            return [(self.front_end.seconds(start), self.front_end.seconds(start + length)) for start in starts]
        audio = self.embedders["audio"]
        times, half = audio.frame_times(frames), audio.spec.window / 2
        return [(float(times[start] - half), float(times[start + length - 1] + half)) for start in starts]

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.classes, map(float, row), strict=True))


def window_inputs(
    clip: ClipFeatures, dims: Mapping[str, int], starts: Iterable[int], length: int
) -> dict[str, np.ndarray]:
    """Returns the inputs of a model for some windows of a clip, with masks: False throughout where there is no video.

    Args:
        clip: its embeddings.
        dims: width of the model's inputs by modality.
        starts: first frame of each window.
        length: frames of a window.

    Returns:
        By modality `(windows, length, dim)` float32, and `<modality>_mask` `(windows, length)` bool.
    """
    frames, inputs = len(clip.audio), {}
    for modality, dim in dims.items():
        rows, mask = (
            (clip.audio, np.ones(frames, bool)) if modality == "audio" else (clip.visual.get(modality), clip.seen)
        )
        if rows is None:
            rows, mask = np.zeros((frames, dim), np.float32), np.zeros(frames, bool)
        for name, values in ((modality, rows.astype(np.float32, copy=False)), (f"{modality}_mask", mask)):
            inputs[name] = np.stack([values[start : start + length] for start in starts])
    return inputs
