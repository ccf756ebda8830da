"""The embedders that are known by name: one row each, which is all that the rest of the house knows of them.

A row's network and `write`, which makes a SavedModel of it, are in `networks`; `hub_models` has a script for each.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from avkeras.features.embedder_specs import EmbedderSpec


@dataclasses.dataclass(frozen=True)
class KnownEmbedder:
    """An embedder that is known by name, and how its SavedModel is made.

    Args:
        spec: what it takes and gives, with its licence and its TF Hub handle.
        module: of `avkeras.features.networks`, whose `write` makes the SavedModel.
        files: arguments of `write` that name files, and what these are.
        needed: those of `files` without which nothing can be written.
        switches: arguments of `write` that are true or false, and what for.
        aliases: other handles of the same module.
        on_first_use: whether it is written when it is first asked for, which takes seconds and no download.
    """

    spec: EmbedderSpec
    module: str
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    needed: tuple[str, ...] = ()
    switches: Mapping[str, str] = dataclasses.field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    on_first_use: bool = False

    def writer(self) -> Callable[..., Path]:
        """Return the function that writes the SavedModel into a folder.

        Example:
            >>> EMBEDDERS["picture_stand_in"].writer()("model")
            PosixPath('model')
        """
        return importlib.import_module(f"avkeras.features.networks.{self.module}").write


EMBEDDERS: Mapping[str, KnownEmbedder] = MappingProxyType(
    {
        row.spec.name: row
        for row in (
            KnownEmbedder(
                EmbedderSpec(
                    "vggish",
                    "audio",
                    128,
                    handle="https://tfhub.dev/google/vggish/1",
                    window=0.96,
                    hop=0.96,
                    least_samples=15_600,
                    licence="Apache-2.0",
                    version=2,
                    note="VGGish (Hershey et al., 2017), before activation, without PCA",
                ),
                module="vggish",
                files={
                    "checkpoint": "the published vggish_model.ckpt",
                    "pca": "vggish_pca_params.npz: whiten the embeddings, quantise them to 8 bits, as AudioSet's are",
                },
                needed=("checkpoint",),
                aliases=("https://www.kaggle.com/models/google/vggish/TensorFlow2/vggish/1",),
            ),
            KnownEmbedder(
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
                    version=2,
                    note="YAMNet's embeddings; the module pads the end of a clip to a whole hop",
                ),
                module="yamnet",
                files={"weights": "yamnet.h5; default: ~/.keras/models, or a download"},
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "efficientat",
                    "audio",
                    384,
                    window=0.32,
                    hop=0.32,
                    least_samples=10_240,
                    output=1,
                    licence="MIT",
                    version=2,
                    note="EfficientAT's mn04 (Schmid et al., 2023), features of every 0.32 s, Audio Set",
                    sample_rate=32_000,
                ),
                module="efficientat",
                files={"weights": "mn04_as_mAP_432.pt; default: ~/.keras/models, or a download"},
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "vgg16",
                    "video",
                    4096,
                    size=(224, 224),
                    licence="CC BY 4.0",
                    version=2,
                    note="VGG16 (Simonyan and Zisserman, 2015), fc2 after its ReLU, ImageNet",
                ),
                module="vgg16",
                files={"weights": "Keras' weight file; default: ~/.keras/models, or a download"},
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "openl3",
                    "video",
                    512,
                    licence="CC BY 4.0",
                    version=2,
                    note="OpenL3's image network (Cramer et al., 2019), mel256, environmental videos, 512 values; "
                    "pictures of any size, scaled to a short side of 256, middle 224 x 224, in [0, 1]",
                ),
                module="openl3",
                files={"weights": "openl3_image_mel256_env-v0_4_0.h5.gz, or unpacked; default: a download"},
                switches={"signed": "give the network pictures in [-1, 1]; default: in [0, 1]"},
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "tce",
                    "video",
                    2048,
                    licence="CSIRO Non-Commercial Source Code Licence 1.0 "
                    "(its repository's; the weights are not named)",
                    version=2,
                    note="temporally coherent embeddings (Knights et al., 2020), ResNet-50 trunk, Kinetics-400; "
                    "pictures of any size, scaled to a short side of 256, middle 224 x 224",
                ),
                module="tce",
                files={"weights": "PyTorch checkpoint of csiro-robotics/TCE, ResNet-50"},
                needed=("weights",),
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "efficientnet_lite0",
                    "video",
                    1280,
                    size=(224, 224),
                    licence="Apache-2.0",
                    version=2,
                    note="EfficientNet-Lite0, pooled features, ImageNet",
                ),
                module="efficientnet_lite0",
                files={"weights": "PyTorch checkpoint; default: the installed package's"},
                on_first_use=True,
            ),
            KnownEmbedder(
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
                module="stand_in",
                on_first_use=True,
            ),
            KnownEmbedder(
                EmbedderSpec(
                    "picture_stand_in",
                    "video",
                    256,
                    size=(64, 64),
                    stand_in=True,
                    note="a stand-in, NOT a trained network: colours and edges on a grid",
                ),
                module="picture_stand_in",
                on_first_use=True,
            ),
        )
    }
)
KNOWN: Mapping[str, EmbedderSpec] = MappingProxyType({name: row.spec for name, row in EMBEDDERS.items()})
