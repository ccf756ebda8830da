"""Predict the sounds in a media file with an exported model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from avkeras.errors import AvkerasError, MediaError
from avkeras.features.embedders import KNOWN, Embedder, EmbedderSpec, load_embedder
from avkeras.features.extract import ClipEmbeddings, embed_clip
from avkeras.serving.export import read_description

if TYPE_CHECKING:
    import tensorflow as tf

_BATCH_WINDOWS = 32


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
    """What a model says about a file.

    Args:
        path: the file.
        probabilities: per class, the highest of the windows.
        present: the classes whose probability reaches the threshold.
        windows: the parts that were predicted; one, if the file is no longer than a clip in training.
        notes: what was padded, missing or replaced by a stand-in, a line each.
    """

    path: Path
    probabilities: dict[str, float]
    present: tuple[str, ...]
    windows: tuple[Window, ...]
    notes: tuple[str, ...]


class Predictor:
    """An exported model with its embedders, ready for media files; `load_predictor` makes one.

    Args:
        function: from a dict of embeddings and masks to a dict that holds `probabilities` `(batch, classes)`.
        description: what `avkeras.serving.export.export_model` wrote beside the model.
        embedders: per modality; the one for sound is always needed.

    Example:
        >>> predictor = load_predictor("runs/dcase2017_av/audio+video/saved_model")
        >>> predictor.predict("clip.mp4").present
        ('Train horn',)
    """

    def __init__(
        self,
        function: Callable[..., Mapping[str, tf.Tensor]],
        *,
        description: Mapping[str, Any],
        embedders: Mapping[str, Embedder],
    ) -> None:
        self.classes: tuple[str, ...] = tuple(description["classes"])
        self.threshold: float | list[float] = description["threshold"]
        self.frames: int | None = description["frames"]
        self.dims: dict[str, int] = description["inputs"]
        self.embedders = dict(embedders)
        self._function = function

    def predict(self, path: str | Path, *, video: str | Path | None = None) -> Prediction:
        """Predict the classes of sound in a media file.

        A file that is longer than the clips in training is cut into windows of their length, the last one so that it
        ends with the file; they are predicted one by one and a class gets its highest probability, because a short
        sound would vanish in the mean of a long file. A file without usable video is predicted from its sound.

        Args:
            path: any file that `avkeras.media.audio.load_audio` reads.
            video: the file with the pictures, if it is another one.

        Raises:
            MediaError: the file's sound cannot be used; or it has no usable video and the model only sees.

        Example:
            >>> predictor.predict("clip.mp4").probabilities
            {'Train': 0.93, 'Car': 0.04}
        """
        path = Path(path)
        sees = "video" in self.dims
        clip = embed_clip(
            path,
            (video or path) if sees else None,
            audio_embedder=self.embedders["audio"],
            video_embedder=self.embedders["video"] if sees else None,
        )
        if clip.video is None and list(self.dims) == ["video"]:
            raise MediaError(path, f"this model only sees ({'; '.join(clip.notes)}): use one that also hears")
        notes = [self._stand_in_note(modality) for modality in self.dims]
        starts = self._window_starts(len(clip.times))
        length = min(self.frames or len(clip.times), len(clip.times))
        found = np.concatenate(
            [
                self._predict_windows(clip, starts[first : first + _BATCH_WINDOWS], length)
                for first in range(0, len(starts), _BATCH_WINDOWS)
            ]
        )
        half = self.embedders["audio"].spec.window / 2
        windows = tuple(
            Window(float(clip.times[start] - half), float(clip.times[start + length - 1] + half), self._named(row))
            for start, row in zip(starts, found, strict=True)
        )
        if len(starts) > 1:
            seconds = windows[0].end - windows[0].start
            notes.append(f"longer than a clip in training: highest of {len(starts)} windows of {seconds:.1f} s")
        highest = found.max(axis=0)
        present = np.flatnonzero(highest >= np.asarray(self.threshold))
        return Prediction(
            path,
            self._named(highest),
            tuple(self.classes[index] for index in present),
            windows,
            tuple(note for note in (*notes, *clip.notes) if note),
        )

    def _window_starts(self, frames: int) -> list[int]:
        """Return the first frame of each window."""
        if self.frames is None or frames <= self.frames:
            return [0]
        starts = list(range(0, frames - self.frames + 1, self.frames))
        return starts if starts[-1] + self.frames == frames else [*starts, frames - self.frames]

    def _predict_windows(self, clip: ClipEmbeddings, starts: list[int], length: int) -> np.ndarray:
        """Return the probabilities `(windows, classes)` of a batch of windows of one length."""
        import tensorflow as tf

        frames = len(clip.times)
        inputs = {}
        for modality, dim in self.dims.items():
            embedded = clip.audio if modality == "audio" else clip.video
            mask = np.ones(frames, bool) if modality == "audio" else clip.seen
            if embedded is None:
                embedded, mask = np.zeros((frames, dim), np.float32), np.zeros(frames, bool)
            for name, array in ((modality, embedded), (f"{modality}_mask", mask)):
                inputs[name] = tf.constant(np.stack([array[start : start + length] for start in starts]))
        return self._function(**inputs)["probabilities"].numpy()

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.classes, map(float, row), strict=True))

    def _stand_in_note(self, modality: str) -> str:
        spec = self.embedders[modality].spec
        return f"{modality} embedder {spec.name}: {spec.note or 'a stand-in'}" if spec.stand_in else ""


def load_predictor(directory: str | Path, *, embedders: Mapping[str, Embedder] | None = None) -> Predictor:
    """Load an exported model for prediction on media files.

    Embedders that are bundled with the model are used. Others are loaded by name or TF Hub handle, or given; they
    must be the very ones that the model was trained on.

    Args:
        directory: the SavedModel that `avkeras.serving.export.export_model` wrote, or the folder of a system of a
            run, which holds one as `saved_model`.
        embedders: per modality, in place of bundled or known ones: for those that live in a folder of yours.

    Returns:
        The predictor.

    Raises:
        AvkerasError: no such model, or an embedder cannot be had or is another one than in training.

    Example:
        >>> load_predictor("runs/dcase2017_av/audio+video/saved_model").classes[0]
        'Train horn'
    """
    import tensorflow as tf

    directory = Path(directory)
    if (directory / "saved_model" / "saved_model.pb").is_file():
        directory = directory / "saved_model"
    description = read_description(directory)
    try:
        loaded = tf.saved_model.load(str(directory))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise AvkerasError(f"{directory}: cannot be loaded as a SavedModel: {error}") from error
    found = dict(embedders or {})
    for modality in dict.fromkeys(("audio", *description["inputs"])):
        if modality not in description["embedders"] and modality not in found:
            raise AvkerasError(f"{directory}: does not say which embedder its {modality} had; give it (embedders).")
        if modality not in description["embedders"]:
            continue
        trained = description["embedders"][modality]
        spec = EmbedderSpec(**trained["spec"])
        if modality not in found and description["bundled"]:
            found[modality] = Embedder(spec, loaded.embed[modality], fingerprint=trained["fingerprint"], module=loaded)
        elif modality not in found:
            found[modality] = load_trained(spec, directory)
        if found[modality].fingerprint != trained["fingerprint"]:
            raise AvkerasError(
                f"{directory}: its {modality} embedder was {spec.name}, and the {found[modality].spec.name} that is "
                "there computes something else (fingerprints differ); give the one of training."
            )
    return Predictor(loaded.signatures["serving_default"], description=description, embedders=found)


def load_trained(spec: EmbedderSpec, directory: str | Path) -> Embedder:
    """Load the embedder that a model was trained on, by its known name or its handle.

    Args:
        spec: what the model's description says of it.
        directory: of the model, for errors.

    Raises:
        AvkerasError: it is known by neither, or cannot be had.
    """
    if spec.name in KNOWN:
        return load_embedder(spec.name, modality=spec.modality)
    if spec.handle:
        return load_embedder(spec.handle, spec=spec)
    raise AvkerasError(
        f"{directory}: its {spec.modality} embedder {spec.name} is neither bundled nor known by name; "
        "load it from its folder and give it (embedders)."
    )
