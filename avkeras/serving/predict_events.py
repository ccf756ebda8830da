"""Predict the sound events in a media file with a trained detection model, and draw them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError, MediaError
from avkeras.experiments.detection_scores import Tuning
from avkeras.features.extract_detection import HOP, LEAST_SAMPLES, SAMPLE_RATE, picture_times
from avkeras.features.pictures import embed_pictures, load_pictures
from avkeras.runs.run_folder import INPUTS_FILE
from avkeras.serving.export import read_description

if TYPE_CHECKING:
    import keras

    from avkeras.features.embedders import Embedder


@dataclass(frozen=True)
class EventPrediction:
    """What a detection model says about a file.

    Args:
        path: the file.
        events: those detected, by onset.
        labels: classes that are heard somewhere, by the clip probabilities.
        probabilities: clip probability per class, the highest of the windows.
        scores: frame probabilities `(vectors, classes)`.
        seconds_per_vector: length of such a frame.
        duration: of the file, in seconds.
        log_mel: the spectrogram in dB, `(frames, bands)`, each window of it with a peak of its own.
        notes: what was missing or replaced by a stand-in, a line each.
        encoder_weights: of each window, the weight that each encoder got by its name; an absent input gets 0.
        window: length of a window in seconds; the last one may be shorter.
    """

    path: Path
    events: tuple[Event, ...]
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    scores: np.ndarray
    seconds_per_vector: float
    duration: float
    log_mel: np.ndarray
    notes: tuple[str, ...]
    encoder_weights: tuple[dict[str, float], ...]
    window: float


class EventPredictor:
    """A trained detection model with its embedders, ready for media files; `load_event_predictor` makes one.

    Args:
        model: `MultiEncoder`, with the audio weight of inference set; or an exported one.
        tuning: thresholds and filters.
        visual: embedder of each visual input, by the name of the input.
        visual_frames: pictures per window.
        max_frames: log-mel frames per window.

    Example:
        >>> predictor = load_event_predictor("runs/detection")
        >>> predictor.predict("clip.mp4").events
        (Event(onset=1.252, offset=3.13, label='Dog'),)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        tuning: Tuning,
        visual: Mapping[str, Embedder],
        visual_frames: int = 64,
        max_frames: int = 512,
    ) -> None:
        self.model = model
        self.tuning = tuning
        self.visual = dict(visual)
        self.visual_frames = visual_frames
        self.max_frames = max_frames

    def predict(self, path: str | Path, *, video: str | Path | None = None) -> EventPrediction:
        """Predict the events in a media file.

        A file that is longer than the model's 10 s is cut into windows of that length; their frame probabilities are
        joined before events are decided, so an event may run on from one into the next. A file without usable video is
        predicted from its sound.

        Args:
            path: any file that `avkeras.media.audio.load_audio` reads.
            video: the file with the pictures, if it is another one.

        Raises:
            MediaError: the file's sound cannot be used.

        Example:
            >>> predictor.predict("clip.mp4").labels
            ('Dog', 'Speech')
        """
        from avkeras.features.log_mel import log_mel
        from avkeras.media.audio import load_audio

        path = Path(path)
        heard: list[str] = []
        waveform = load_audio(path, sample_rate=SAMPLE_RATE, notes=heard)
        window = self.max_frames * HOP
        starts = range(0, max(1, len(waveform) - LEAST_SAMPLES + 1), window)
        parts = [waveform[start : start + window - 1] for start in starts]
        parts = [np.pad(part, (0, max(0, LEAST_SAMPLES - len(part)))) for part in parts]
        levels = [log_mel(part).numpy() for part in parts]
        embedded, notes = self._pictures(video or path, starts, parts)
        notes = [
            f"picture embedder {embedder.spec.name}: {embedder.spec.note or 'a stand-in'}"
            for embedder in self.visual.values()
            if embedder.spec.stand_in
        ] + [*heard, *notes]
        if len(parts) > 1:
            notes.append(f"longer than a clip in training: cut into {len(parts)} windows")
        inputs = self._stacked({"audio": levels, **embedded}, len(parts))
        found = self.model.predict(inputs, batch_size=16, verbose=0)
        scores = np.concatenate(list(found["frame"]))
        duration = len(waveform) / SAMPLE_RATE
        span = len(scores) * self.tuning.seconds_per_vector
        (events,) = self.tuning.events(scores[None], durations=[min(duration, span)])
        clip = found["clip"].max(axis=0)
        return EventPrediction(
            path,
            events,
            self.tuning.labels(clip[None])[0],
            dict(zip(self.tuning.classes, map(float, clip), strict=True)),
            scores,
            self.tuning.seconds_per_vector,
            duration,
            np.concatenate(levels),
            tuple(notes),
            self._encoder_weights(inputs),
            window / SAMPLE_RATE,
        )

    def _encoder_weights(self, inputs: Mapping[str, np.ndarray]) -> tuple[dict[str, float], ...]:
        """Returns the weights that the model's decoder gives its encoders, window by window."""
        layer = self.model.get_layer("stream_weights")
        present = np.stack([inputs[f"{name}_mask"].any(axis=1) for name in layer.encoders], axis=1)
        return tuple(dict(zip(layer.encoders, map(float, row), strict=True)) for row in np.asarray(layer(present)))

    def _pictures(self, path: str | Path, starts, parts) -> tuple[dict, list[str]]:
        """Returns per visual input the embeddings and masks of each window, and what was missing."""
        if not self.visual:
            return {}, []
        options = {"max_frames": self.max_frames, "visual_frames": self.visual_frames}
        times = [
            start / SAMPLE_RATE + picture_times(len(part), **options) for start, part in zip(starts, parts, strict=True)
        ]
        ends = np.cumsum([len(some) for some in times])[:-1]
        nothing = [(np.zeros((0, 1), np.float32), np.zeros(0, bool))] * len(parts)
        found, notes = {}, []
        for name, embedder in self.visual.items():
            try:
                pictures, seen = load_pictures(path, np.concatenate(times), embedder.spec)
            except MediaError as error:
                found[name] = nothing
                notes = [f"video not used: {error.reason}"]
                continue
            if not seen.all():
                notes = [f"video missing in {np.count_nonzero(~seen)} of {len(seen)} frames"]
            rows = embed_pictures(pictures, seen, embedder)
            found[name] = list(zip(np.split(rows, ends), np.split(seen, ends), strict=True))
        return found, notes

    def _stacked(self, windows: Mapping[str, list], count: int) -> dict[str, np.ndarray]:
        """Returns the model's inputs: windows padded to one length, with masks."""
        inputs = {}
        for name, parts in windows.items():
            length = self.max_frames if name == "audio" else self.visual_frames
            dim = self.model.input[name].shape[-1]
            inputs[name] = np.zeros((count, length, dim), np.float32)
            inputs[f"{name}_mask"] = np.zeros((count, length), bool)
            for place, part in enumerate(parts):
                rows, seen = part if isinstance(part, tuple) else (part, np.ones(len(part), bool))
                if seen.any():
                    inputs[name][place, : len(rows)] = rows
                    inputs[f"{name}_mask"][place, : len(rows)] = seen
        return inputs


def load_event_predictor(folder: str | Path, *, visual: Mapping[str, Embedder] | None = None) -> EventPredictor:
    """Load a detection model from the folder of its run, or an exported one.

    Args:
        folder: what `avkeras.experiments.detection.run_sound_event_detection` or
            `avkeras.serving.export_detection.export_detection_model` wrote.
        visual: exported model: embedders that live in a folder of yours, by the name of the input.

    Returns:
        The predictor.

    Raises:
        AvkerasError: the folder holds no finished run, or an embedder cannot be had or is another one than in training.

    Example:
        >>> load_event_predictor("runs/detection").tuning.classes[0]
        'Alarm_bell_ringing'
    """
    import keras

    from avkeras.features.embedders import load_embedder
    from avkeras.serving.exported_events import load_exported

    folder = Path(folder)
    if (folder / "saved_model.pb").is_file():
        return EventPredictor(**load_exported(folder, visual=visual))
    if missing := [name for name in ("model.keras", "tuning.json", INPUTS_FILE) if not (folder / name).is_file()]:
        raise AvkerasError(f"{folder}: holds no finished detection model ({missing[0]} is missing)")
    inputs = json.loads((folder / INPUTS_FILE).read_text(encoding="utf-8"))
    visual = {}
    for name, trained in inputs["visual"].items():
        visual[name] = load_embedder(trained["embedder"], modality="video")
        if visual[name].fingerprint != trained["fingerprint"]:
            raise AvkerasError(
                f"{folder}: its {name} embedder computed something else in training (fingerprints differ); "
                f"put that one back at {trained['embedder']}"
            )
    return EventPredictor(
        keras.saving.load_model(folder / "model.keras", compile=False),
        tuning=Tuning.read(folder / "tuning.json"),
        visual=visual,
        visual_frames=inputs["visual_frames"],
        max_frames=inputs["max_frames"],
    )


def is_detection_model(folder: str | Path) -> bool:
    """Returns whether a folder is that of a detection run, or of an exported detection model."""
    folder = Path(folder)
    if (folder / "saved_model.pb").is_file():
        return read_description(folder).get("kind") == "detection"
    return (folder / "tuning.json").is_file()
