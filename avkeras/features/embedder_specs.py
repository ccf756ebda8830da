"""What each embedder takes and gives, and the ones that are known by name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

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
        size: video: height and width of the pictures; None for any: they are decoded to a short side of 256 at most.
        output: index or key of the embeddings among several outputs.
        licence: of the weights.
        stand_in: True if it only stands in for a pretrained network that cannot be had.
        note: what a reader of a report should know.
        version: raised when what the project's own builder writes changes.
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

    def __post_init__(self) -> None:
        if self.modality not in ("audio", "video"):
            raise AvkerasError(f"{self.name}: modality {self.modality!r}; 'audio' or 'video' is wanted.")
        if self.modality == "audio" and not (self.window and self.hop and self.least_samples):
            raise AvkerasError(f"{self.name}: an audio embedder needs window and hop (seconds) and least_samples.")
        if self.size is not None:  # a list when read from JSON
            object.__setattr__(self, "size", tuple(self.size))


KNOWN: Mapping[str, EmbedderSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            EmbedderSpec(
                "vggish",
                "audio",
                128,
                handle="https://tfhub.dev/google/vggish/1",
                window=0.96,
                hop=0.96,
                least_samples=15_600,
                licence="Apache-2.0",
                note="VGGish (Hershey et al., 2017), before activation, without PCA",
            ),
            EmbedderSpec(
                "yamnet",
                "audio",
                1024,
                handle="https://tfhub.dev/google/yamnet/1",
                window=0.96,
                hop=0.48,
                least_samples=15_600,
                output=1,
                licence="Apache-2.0",
                note="YAMNet's embeddings; the module pads the end of a clip to a whole hop",
            ),
            EmbedderSpec(
                "vgg16",
                "video",
                4096,
                size=(224, 224),
                licence="CC BY 4.0",
                note="VGG16 (Simonyan and Zisserman, 2015), fc2 after its ReLU, ImageNet",
            ),
            EmbedderSpec(
                "openl3",
                "video",
                512,
                licence="CC BY 4.0",
                note="OpenL3's image network (Cramer et al., 2019), mel256, environmental videos, 512 values; "
                "pictures of any size, scaled to a short side of 256, middle 224 x 224, in [0, 1]",
            ),
            EmbedderSpec(
                "tce",
                "video",
                2048,
                licence="CSIRO Non-Commercial Source Code Licence 1.0 (its repository's; the weights are not named)",
                note="temporally coherent embeddings (Knights et al., 2020), ResNet-50 trunk, Kinetics-400; "
                "pictures of any size, scaled to a short side of 256, middle 224 x 224",
            ),
            EmbedderSpec(
                "efficientnet_lite0",
                "video",
                1280,
                size=(224, 224),
                licence="Apache-2.0",
                note="EfficientNet-Lite0, pooled features, ImageNet",
            ),
            EmbedderSpec(
                "vggish_stand_in",
                "audio",
                128,
                window=0.96,
                hop=0.96,
                least_samples=15_600,
                stand_in=True,
                note="a stand-in, NOT VGGish: log-mel statistics of VGGish's front end, mixed by random weights",
            ),
            EmbedderSpec(
                "picture_stand_in",
                "video",
                256,
                size=(64, 64),
                stand_in=True,
                note="a stand-in, NOT a trained network: colours and edges on a grid",
            ),
        )
    }
)

# The same module at Kaggle, to which tfhub.dev forwards; each handle has its own place in the cache.
ALIASES = {"https://www.kaggle.com/models/google/vggish/TensorFlow2/vggish/1": "vggish"}


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
