"""Taggers that need no training: embedders whose networks were trained to tell Audio Set's classes.

They need weights that are there already: `avkeras.load()` downloads nothing.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.audioset import audioset_classes, yamnet_classes
from avkeras.errors import AvkerasError
from avkeras.evaluation.decisions import Decision
from avkeras.features.embedders import cache_folder, hub_folder, load_embedder
from avkeras.features.extract import WindowReader
from avkeras.features.registry import EMBEDDERS, KNOWN
from avkeras.serving.prediction import Prediction, Window
from avkeras.serving.trained_model import TrainedModel
from avkeras.serving.windows import window_starts

if TYPE_CHECKING:
    from avkeras.features.clip_reading import ClipFeatures
    from avkeras.features.embedder import Embedder
    from avkeras.features.embedder_specs import EmbedderSpec

THRESHOLD = 0.5


@dataclasses.dataclass(frozen=True)
class Tagger:
    """A known embedder whose network also tells classes.

    Args:
        spec: of the embedder, with its scores in place of the embeddings.
        classes: returns the names of its classes, in the order of the scores.
        rows: of scores that make a window of about 10 s, of which the mean is taken.
    """

    spec: EmbedderSpec
    classes: Callable[[], tuple[str, ...]]
    rows: int


# As they are looked for. Of Audio Set's evaluation clips mn04's authors give a mean average precision of 0.432.
TAGGERS: tuple[Tagger, ...] = (
    # Its published output is the score of a whole segment.
    Tagger(
        dataclasses.replace(KNOWN["efficientat"], output=2, dim=527, window=10.24, hop=10.24),
        audioset_classes,
        rows=1,
    ),
    Tagger(dataclasses.replace(KNOWN["yamnet"], output=0, dim=521), yamnet_classes, rows=20),
)


def find_tagger(*, runtime: str = "python") -> TrainedModel:
    """Loads the best pretrained tagger that is there: EfficientAT, else YAMNet; nothing is downloaded.

    It is there if its SavedModel is where the embedder's name finds it (the cache of embedders, or TF Hub's), or if its
    published weights lie in `$AVKERAS_WEIGHTS` or in `~/.keras/models`: then it is written into the cache first.

    Args:
        runtime: what runs it, see `avkeras.features.load_embedder`.

    Returns:
        The tagger, of the kind `pretrained`, with its embedder bundled as `audio`.

    Raises:
        AvkerasError: there is none (with what to do), or the weights are others than the published ones.

    Example:
        >>> [tagger.spec.name for tagger in TAGGERS]  # looked for in this order
        ['efficientat', 'yamnet']
    """
    for tagger in TAGGERS:
        if (folder := _there(tagger.spec.name)) is not None:
            embedder = load_embedder(folder, spec=tagger.spec, runtime=runtime, optimised=False)
            facts = {"classes": tagger.classes(), "threshold": THRESHOLD, "rows": tagger.rows, "embedders": {}}
            return TrainedModel(folder, "pretrained", embedder.function, facts, bundled={"audio": embedder})
    wanted = _weights("efficientat")
    raise AvkerasError(
        f"no pretrained tagger is there: run `python hub_models/efficientat.py`, which downloads {wanted.name} "
        f"({wanted.megabytes} MB, MIT) from {wanted.url}, or put that file into $AVKERAS_WEIGHTS or ~/.keras/models; "
        "or give a model of your own (model)"
    )


class PretrainedAnswer:
    """Makes a `Prediction` of a pretrained tagger's scores, from the sound alone.

    A class gets its highest probability of the windows of about 10 s; it is present from a probability of 0.5.

    Args:
        model: what `find_tagger` returns.
        embedders: its own, which gives scores, as `audio`.
    """

    def __init__(self, model: TrainedModel, *, embedders: Mapping[str, Embedder]) -> None:
        self.classes: tuple[str, ...] = tuple(model.facts["classes"])
        self.threshold: float = model.facts["threshold"]
        self.decision = Decision("global", self.threshold)
        self.rows: int = model.facts["rows"]
        self.embedders = dict(embedders)
        self.reader = WindowReader(embedders["audio"], None)

    def __call__(self, clip: ClipFeatures, *, path: Path | None) -> Prediction:
        """Returns what the tagger says.

        Args:
            clip: its scores as the `audio`, read by `reader`.
            path: of the clip.
        """
        spec, scores = self.embedders["audio"].spec, clip.audio
        length = min(self.rows, len(scores))
        starts = window_starts(len(scores), self.rows)
        found = np.stack([scores[start : start + length].mean(axis=0) for start in starts])
        windows = tuple(
            Window(
                start * spec.hop,
                min(clip.seconds, (start + length - 1) * spec.hop + spec.window),
                self._named(row),
            )
            for start, row in zip(starts, found, strict=True)
        )
        highest = found.max(axis=0)
        return Prediction(
            path,
            self._named(highest),
            labels=tuple(self.classes[index] for index in np.flatnonzero(self.decision.decide(highest[None])[0])),
            windows=windows,
            notes=(f"tagged by {spec.name}, {len(self.classes)} classes of Audio Set, from its sound", *clip.notes),
            duration=clip.seconds,
        )

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.classes, map(float, row), strict=True))


def _there(name: str) -> Path | None:
    """Returns the folder of a tagger's SavedModel, written first if only its weights are there; None: neither."""
    folders = [cache_folder(name)]
    if KNOWN[name].handle:
        folders += [hub_folder(handle) for handle in (KNOWN[name].handle, *EMBEDDERS[name].aliases)]
    for folder in folders:
        if (folder / "saved_model.pb").is_file():
            return folder
    given = os.environ.get("AVKERAS_WEIGHTS")
    for place in ([Path(given)] if given else []) + [Path("~", ".keras", "models").expanduser()]:
        if (file := place / _weights(name).name).is_file():
            return EMBEDDERS[name].writer()(folders[0], weights=file)
    return None


def _weights(name: str):
    from avkeras.features.networks import efficientat, yamnet

    return {"efficientat": efficientat, "yamnet": yamnet}[name].WEIGHTS
