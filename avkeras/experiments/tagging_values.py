"""What a tagging run is given and what it gives: its values, its files, its results (2019)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avkeras.data.manifest import Manifest
from avkeras.features.extract import Summary

# name -> (first input, second input, modalities with positions): the best rows of the paper's table 1
SYSTEMS = {
    "audio": ("audio", "audio", ()),
    "video": ("video", "video", ("video",)),
    "audio+video": ("video", "audio", ("video",)),
}


# of each system; the run's folder holds report.html, results.csv, config.json and extraction.csv
FILES = ("metrics.csv", "epochs/", "model.keras", "predictions.csv", "curves.png", "attention/", "saved_model/")
REPORT_FILE = "report.html"


@dataclass
class AudioTagging:
    """Values of the experiment (2019, section 3); the defaults are the paper's.

    Args:
        data: manifest; None: demo soundscapes, made on first use.
        out: folder of the run.
        records: folder of the embeddings; None: `records` beside the manifest.
        embedders: of the sound and of the pictures: names, TF Hub handles or folders.
        systems: which of `audio`, `video` and `audio+video` to train.
        attention: `softmax`, `sigmoid` or `normalized_sigmoid`.
        aggregation: `mean` or `max`.
        blocks: encoder blocks, and as many decoder blocks.
        dim: width of the model, its feed-forward maps and heads.
        num_heads: attention heads.
        dropout: rate.
        epochs: at most.
        steps_per_epoch: batches per epoch.
        batch_size: clips per batch.
        max_ratio: most common class to rarest in the drawn batches.
        patience: epochs that early stopping compares with.
        keep: last epochs in the ensemble.
        learning_rate: of Adam.
        complete_only: leave out clips without video, as the paper does; otherwise they are trained on and scored too.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        demo_clips: train, validation and test clips of the demo data.
        seed: of everything random.
        workers: threads that decode media.
    """

    data: Path | None = None
    out: Path = Path("runs/dcase2017_av")
    records: Path | None = None
    embedders: Sequence[str] = ("vggish", "vgg16")
    systems: Sequence[str] = tuple(SYSTEMS)
    attention: str = "sigmoid"
    aggregation: str = "mean"
    blocks: int = 3
    dim: int = 128
    num_heads: int = 3
    dropout: float = 0.1
    epochs: int = 30
    steps_per_epoch: int = 300
    batch_size: int = 40
    max_ratio: float = 5.0
    patience: int = 7
    keep: int = 7
    learning_rate: float = 0.001
    complete_only: bool = True
    precision: str = "float32"
    demo_clips: tuple[int, int, int] = (480, 120, 200)
    seed: int = 0
    workers: int = 2


@dataclass
class SystemResult:
    """What one system reached.

    Args:
        system: its name.
        folder: its files: `metrics.csv`, `epochs`, `model.keras`, `predictions.csv`, pictures, `saved_model`.
        threshold: the global one that is best on validation.
        f1: micro-F1 on all test clips that it can be scored on.
        f1_with_video: micro-F1 on the test clips with video; None: there are none.
        clips: how many test clips `f1` is of.
        accuracy: share of the test clips whose one label is the most probable class; None: clips have several labels.
        epochs: that it was trained for.
    """

    system: str
    folder: Path
    threshold: float
    f1: float
    f1_with_video: float | None
    clips: int
    accuracy: float | None
    epochs: int


@dataclass
class Report:
    """What a run did: the values, the extraction's summary, the systems' results, and what was left out and why."""

    values: AudioTagging
    manifest: Manifest
    embedders: list[str]
    stand_ins: list[str]
    summary: Summary
    results: list[SystemResult] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
