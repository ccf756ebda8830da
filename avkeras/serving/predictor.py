"""Trained models on clips: one class for the models of both papers, from a run's folder or exported."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.media.decoding_process import PATIENCE, DecoderUnavailable, DecodingProcess
from avkeras.saved_models.runtimes import with_runtime
from avkeras.serving.prediction import Prediction
from avkeras.serving.trained_embedders import Given, trained_embedders
from avkeras.serving.trained_model import TrainedModel, load_trained


def load(
    path: str | Path | None = None,
    *,
    embedders: Given = (),
    patience: float = PATIENCE,
    runtime: str | None = None,
) -> Predictor:
    """Loads a trained model for clips, or the best pretrained tagger that is there.

    Args:
        path: the folder of a run (of a tagging run, the system with the best F1 on test is taken), of a system of a
            tagging run, or an exported SavedModel. None: EfficientAT or else YAMNet, which tell sounds of Audio Set's
            classes without any training; what was found is said in the notes of each prediction, nothing is downloaded.
        embedders: embedders, or their names or folders, in place of what the folder says of them: by the name of the
            model's input, or in any order. They must be the very ones of training.
        patience: seconds for which nothing may come of decoding a file (10 s of sound, 16 pictures) before it is given
            up, like one that is damaged.
        runtime: "python": TensorFlow as it is imported; "library": its C library alone, which runs the same operations
            and starts in a fraction of the time, for SavedModels that avkeras wrote, without embedders in them. None:
            the library, where TensorFlow is not imported yet and the model allows it.

    Returns:
        The predictor.

    Raises:
        AvkerasError: the folder holds no model, an embedder cannot be had or is another one than in training, there is
            no pretrained tagger (with what to do), or patience is not above 0.

    Example:
        >>> load("runs/tagging/audio+video")
        Predictor('runs/tagging/audio+video': tagging of 17 classes)
    """
    return with_runtime(functools.partial(_load, path, embedders, patience), runtime)


def _load(path: str | Path | None, embedders: Given, patience: float, runtime: str) -> Predictor:
    if path is None:
        from avkeras.serving.pretrained import find_tagger

        if embedders:
            raise AvkerasError("embedders: they go with a model; a pretrained tagger has its own")
        model = find_tagger(runtime=runtime)
        return Predictor(model, embedders=model.bundled, patience=patience)
    model = load_trained(path, runtime=runtime)
    described = model.facts["embedders"]
    found = trained_embedders(described, folder=model.folder, given=embedders, bundled=model.bundled, runtime=runtime)
    return Predictor(model, embedders=found, patience=patience)


class Predictor:
    """A trained or pretrained model with its embedders, ready for clips; `avkeras.load` makes one.

    Files are decoded in a process of their own, which starts with the first one and is kept for the next: one at which
    decoding hangs or crashes is a file that cannot be used, and the others are answered.

    Args:
        model: of a run, or exported.
        embedders: by input, those of training.
        patience: as for `avkeras.load`.

    Example:
        >>> detector = load("runs/detection")
        >>> detector.kind, detector.classes[:2]
        ('detection', ('Alarm_bell_ringing', 'Blender'))
    """

    def __init__(self, model: TrainedModel, *, embedders, patience: float = PATIENCE) -> None:
        if not patience > 0:
            raise AvkerasError(f"patience {patience}: a number of seconds above 0 is wanted")
        if model.kind == "detection":
            from avkeras.serving.detection import DetectionAnswer as Answer
        elif model.kind == "pretrained":
            from avkeras.serving.pretrained import PretrainedAnswer as Answer
        else:
            from avkeras.serving.tagging import TaggingAnswer as Answer
        self.answer = Answer(model, embedders=embedders)
        self.model = model
        self.folder: Path = model.folder
        self.kind: str = model.kind
        self.classes: tuple[str, ...] = self.answer.classes
        self.embedders = self.answer.embedders
        self.patience = patience
        self._idle: list[DecodingProcess] = []

    def __repr__(self) -> str:
        return f"Predictor({str(self.folder)!r}: {self.kind} of {len(self.classes)} classes)"

    def predict(
        self,
        clip: str | Path | np.ndarray | Sequence[str | Path],
        *,
        video: str | Path | None = None,
        rate: int | None = None,
        pictures: np.ndarray | None = None,
        picture_times: Sequence[float] | None = None,
        picture_rate: float | None = None,
    ) -> Prediction | list[Prediction]:
        """Says what is heard in a media file, in several, or in a waveform.

        The features are computed by what extracted those of training. A clip without usable video is answered from its
        sound. What is longer than a clip in training is predicted in windows.

        Args:
            clip: a media file; or a list of them; or a waveform `(samples,)` or `(samples, channels)`, floats in
                [-1, 1] or integers of their type's scale, with `rate`.
            video: the file with the pictures, if it is not the clip itself.
            rate: of a waveform, in Hz.
            pictures: to a waveform: `(pictures, height, width, 3)` uint8 RGB.
            picture_times: of each picture, in seconds from the start of the waveform.
            picture_rate: or how many there are per second, the first at 0.

        Returns:
            A `Prediction`. For a list of files a list, in which a file that cannot be used has its reason as `error`;
            the others are answered.

        Raises:
            MediaError: the one file's sound cannot be used.
            AvkerasError: the arguments do not fit each other, or the clip has no video and the model only sees.
            DecoderUnavailable: the process that decodes cannot be started.

        Example:
            >>> tagger = load("runs/tagging/audio+video")
            >>> [len(found.probabilities) for found in tagger.predict(["clip.mp4", "clip.wav"])]
            [17, 17]
            >>> tagger.predict(np.zeros(16_000, "float32"), rate=16_000).notes
            ('its sound is silent: it stays below 0.0001 of full scale',)
        """
        if rate is not None or isinstance(clip, np.ndarray):
            return self._predict_waveform(clip, video, rate, pictures, picture_times, picture_rate)
        if pictures is not None or picture_times is not None or picture_rate is not None:
            raise AvkerasError("pictures: they go with a waveform and its rate; for files give video")
        if isinstance(clip, str | Path):
            with self.decoder() as decoder:
                return self._predict(Path(clip), Path(clip if video is None else video), decoder, path=Path(clip))
        if video is not None:
            raise AvkerasError("video: it goes with one file, not with a list of them")
        return [self._predict_or_say_why(Path(one)) for one in clip]

    @contextmanager
    def decoder(self) -> Iterator[DecodingProcess]:
        """Gives a process that decodes, one to each thread that asks; it is kept for the next that does."""
        try:
            decoder = self._idle.pop()
        except IndexError:
            decoder = DecodingProcess(patience=self.patience)
        try:
            yield decoder
        finally:
            self._idle.append(decoder)

    def _predict_waveform(self, samples, video, rate, pictures, picture_times, picture_rate) -> Prediction:
        from avkeras.features.clip_arrays import Arrays, Pictures, Waveform

        if rate is None:
            raise AvkerasError("rate: give the rate of the waveform, in Hz")
        sound = Waveform(np.asarray(samples), rate)
        if pictures is None:
            with self.decoder() as decoder:
                return self._predict("waveform", video, Arrays(sound, decoder))
        if video is not None or (picture_times is None) == (picture_rate is None):
            raise AvkerasError("pictures: give their picture_times or their picture_rate, and no video")
        if picture_times is None:
            if not picture_rate > 0:
                raise AvkerasError(f"picture_rate: more than 0 pictures a second wanted, not {picture_rate}")
            picture_times = np.arange(len(pictures)) / picture_rate
        return self._predict("waveform", "pictures", Arrays(sound, Pictures(pictures, picture_times)))

    def _predict(self, sound, shown: str | Path | None, decoder, *, path: Path | None = None) -> Prediction:
        from avkeras.features.clip_reading import read_clip

        return self.answer(read_clip(self.answer.reader, sound, shown, decoder=decoder), path=path)

    def _predict_or_say_why(self, file: Path) -> Prediction:
        from avkeras.features.clip_reading import failure_reason

        try:
            return self.predict(file)
        except DecoderUnavailable:  # no file's fault
            raise
        except Exception as error:  # nothing that one file does stops the others
            reason = failure_reason(str(file), error).removeprefix(f"{file}: ")
            return Prediction(file, {}, error=reason)
