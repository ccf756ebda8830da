"""What a detection run is given and what it gives: its values, its files, its report (2022)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avkeras.data.manifest import Manifest
from avkeras.experiments.detection_scores import Tuning
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.extract import Summary

INPUTS_FILE = "inputs.json"
POOLING = 8  # log-mel frames make one vector of the model
REPORT_FILE = "report.html"
FILES = (
    "report.html (curves, classes, thresholds, examples with highest loss, in a browser)",
    "model.keras (the student), teacher.keras, classes.txt, inputs.json (embedders)",
    "tuning.json (audio weight, thresholds, filters), metrics.csv (losses per epoch), config.json",
    "extraction.csv (clips that were padded, cut or failed), left_out.csv",
    "predictions.tsv, ground_truth.tsv, durations.tsv, scores/ (for `avkeras evaluate`), clip_probabilities.csv",
)


@dataclass
class SoundEventDetection:
    """Values of the experiment (2022, section 3.1); the defaults are the paper's, with random weights.

    Args:
        data: manifest; None: demo soundscapes, made on first use.
        out: folder of the run.
        records: folder of the features; None: `records` beside the manifest.
        visual: embedders of the pictures, one encoder each: names, TF Hub handles or folders; none: audio only.
        visual_frames: still images per 10 s.
        block: `transformer` or `conformer`.
        training_weight: weight of the audio encoder while training; None: drawn for each batch from U(0.25, 1).
        weights: of the audio encoder in inference, from which validation chooses.
        blocks: of each encoder, and of the decoder.
        dim: width of the model.
        num_heads: attention heads.
        key_dim: width of one head.
        hidden_dim: width of the feed-forwards' first map.
        dropout: rate.
        filters: output channels of the convolutional front end.
        epochs: to train for.
        steps_per_epoch: batches per epoch.
        batch: strong, weak and unlabelled clips per batch.
        learning_rate: of rectified Adam at the first step.
        decay_steps: steps in which the rate falls by `decay_rate`.
        decay_rate: factor of the rate per `decay_steps`.
        teacher_decay: of the teacher's moving average, per step.
        consistency_weight: of the differences between student and teacher.
        mixup_rate: share of the batches that are mixed.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        demo_clips: train, validation and test clips of the demo data.
        seed: of everything random.
        workers: threads that decode media.
    """

    data: Path | None = None
    out: Path = Path("runs/dcase2020_multi_encoder")
    records: Path | None = None
    visual: Sequence[str] = ("vgg16",)
    visual_frames: int = 64
    block: str = "transformer"
    training_weight: float | None = None
    weights: Sequence[float] = (0.25, 0.5, 0.75, 0.875)
    blocks: int = 3
    dim: int = 128
    num_heads: int = 3
    key_dim: int = 128
    hidden_dim: int = 512
    dropout: float = 0.1
    filters: Sequence[int] = (16, 32, 64, 128, 128, 128, 128)
    epochs: int = 100
    steps_per_epoch: int = 250
    batch: tuple[int, int, int] = (32, 32, 64)
    learning_rate: float = 0.001
    decay_steps: int = 10000
    decay_rate: float = 0.1
    teacher_decay: float = 0.999
    consistency_weight: float = 2.0
    mixup_rate: float = 1 / 3
    precision: str = "float32"
    demo_clips: tuple[int, int, int] = (160, 40, 60)
    seed: int = 0
    workers: int = 2


@dataclass(frozen=True)
class VisualInput:
    """An embedder of pictures as a run knows it.

    Args:
        given: how the values name it: a name, a TF Hub handle or a folder.
        spec: what it takes and gives.
        fingerprint: of its weights.
    """

    given: str
    spec: EmbedderSpec
    fingerprint: str


@dataclass(frozen=True)
class DetectionFeatures:
    """What the experiment trains on.

    Args:
        stores: folder of the features per input: `audio`, then the visual embedders by name.
        visual: the visual embedders by name.
        summary: of the extraction.
    """

    stores: dict[str, Path]
    visual: dict[str, VisualInput]
    summary: Summary

    def of(self, names: Sequence[str]) -> "DetectionFeatures":
        """Returns the features with some of the visual embedders only, as the values name them."""
        visual = {name: one for name, one in self.visual.items() if one.given in names}
        stores = {name: folder for name, folder in self.stores.items() if name == "audio" or name in visual}
        return DetectionFeatures(stores, visual, self.summary)


@dataclass
class DetectionReport:
    """What a run did.

    Args:
        values: of the experiment.
        manifest: the clips.
        inputs: of the model: `audio`, then the visual embedders.
        stand_ins: embedders that only stand in for pretrained ones.
        summary: of the extraction.
        tuning: what was chosen on validation.
        rows: metrics per part of the test clips.
        left_out: id and reason of each clip that was not used.
        cut_events: events that begin behind the 10 s that the model sees of their clip.
    """

    values: SoundEventDetection
    manifest: Manifest
    inputs: tuple[str, ...]
    stand_ins: list[str]
    summary: Summary
    tuning: Tuning | None = None
    rows: list[dict] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    cut_events: int = 0

    @property
    def model_name(self) -> str:
        """What was trained, in a few words."""
        kinds = {0: "audio only", 1: "bi-encoder", 2: "tri-encoder"}
        visual = [name for name in self.inputs if name != "audio"]
        kind = kinds.get(len(visual), f"{1 + len(visual)} encoders")
        return f"{kind} {self.values.block}" + (f" with {' and '.join(visual)}" if visual else "")
