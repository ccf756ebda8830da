"""The values of the papers' experiments: what a run is given. The defaults are the papers'."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.features.log_mel import LOG_MEL
from avkeras.systems.registry import NAMES, find_system

# Values that a published system has of its own, or not at all.
_OF_THE_PAPERS = {
    "tagging": (
        *("embedders", "systems", "first", "second", "positions", "attention", "aggregation"),
        *("blocks", "dim", "num_heads", "dropout"),
    ),
    "detection": (
        *("visual", "encoders", "visual_frames", "block", "training_weight", "random_low", "weights"),
        *("gate", "modality_dropout", "absent_token", "late_fusion", "tied_encoders", "availability"),
        *("key_dim", "hidden_dim"),
        *("kernel_size", "class_token", "final_norm", "filters", "pooling", "frontend_kernel_size", "momentum"),
        *("blocks", "dim", "num_heads", "dropout", "decay_steps", "decay_rate", "staircase"),
    ),
}
# name -> (first input, second input): the best rows of the 2019 paper's table 1, with positions on video
SYSTEMS = {"audio": ("audio", "audio"), "video": ("video", "video"), "audio+video": ("video", "audio")}


@dataclass
class ExperimentValues:
    """Values that both papers' experiments have.

    Args:
        data: manifest; None: demo soundscapes, made on first use.
        system: published system that is trained in place of the paper's, see `avkeras systems`; None: the paper's.
        options: of the system, each as `name=value`; `avkeras systems NAME` tells them.
        out: folder of the run.
        records: folder of the features; None: `records` beside the manifest.
        blocks: of each encoder, and as many of the decoder.
        dim: width of the model.
        num_heads: attention heads.
        dropout: rate.
        epochs: to train for, at most.
        steps_per_epoch: batches per epoch.
        learning_rate: of the optimizer at the first step.
        patience: epochs that early stopping compares with; 0: it never stops early.
        decision: rule that makes classes, or events, of probabilities.
        precision: `float32`, `mixed_float16` or `mixed_bfloat16`.
        demo_clips: train, validation and test clips of the demo data.
        seed: of everything random.
        workers: threads that decode media.
    """

    data: Path | None = None
    system: str | None = None
    options: Sequence[str] = ()
    out: Path = Path("runs/run")
    records: Path | None = None
    blocks: int = 3
    dim: int = 128
    num_heads: int = 3
    dropout: float = 0.1
    epochs: int = 30
    steps_per_epoch: int = 300
    learning_rate: float = 0.001
    patience: int = 0
    decision: str = ""
    precision: str = "float32"
    demo_clips: tuple[int, int, int] = (480, 120, 200)
    seed: int = 0
    workers: int = 2


@dataclass
class AudioTagging(ExperimentValues):
    """Values of the tagging experiment (2019, section 3).

    Args:
        embedders: of the sound and of the pictures: names, TF Hub handles or folders.
        systems: which of `audio`, `video` and `audio+video` to train.
        first: modality of the encoder's input, `audio` or `video`: with `second`, one model of any row of table 1 is
            trained in place of `systems`; None: those.
        second: modality of the decoder's input.
        positions: modalities with positional encodings, where a model takes them; perhaps none.
        attention: `softmax`, `sigmoid` or `normalized_sigmoid`.
        aggregation: `mean` or `max`.
        batch_size: clips per batch.
        max_ratio: most common class to rarest in the drawn batches.
        balance: what keeps to it: `heard`, all labels of the drawn clips; `drawn`, the labels that are drawn; `none`.
        keep: epochs in the ensemble.
        ensemble: which: the `last`, or those that are `best` by micro-F1 on validation at 0.5.
        decision: rule that makes classes of probabilities: `global`, `class_wise`, `automatic` or `capsule`, see
            `avkeras.evaluation.choose_decision`.
        complete_only: leave out clips without video, as the paper does; otherwise they are trained on and scored too.
    """

    out: Path = Path("runs/dcase2017_av")
    embedders: Sequence[str] = ("vggish", "vgg16")
    systems: Sequence[str] = tuple(SYSTEMS)
    first: str | None = None
    second: str | None = None
    positions: Sequence[str] = ("video",)
    attention: str = "sigmoid"
    aggregation: str = "mean"
    batch_size: int = 40
    max_ratio: float = 5.0
    balance: str = "heard"
    patience: int = 7
    keep: int = 7
    ensemble: str = "last"
    decision: str = "global"
    complete_only: bool = True


@dataclass
class SoundEventDetection(ExperimentValues):
    """Values of the detection experiment (2022, section 3.1), with random weights in training.

    Args:
        visual: embedders of the pictures, one encoder each: names, TF Hub handles or folders; none: audio only.
        encoders: in place of `visual`: `log_mel`, and any embedders of sound or of pictures, one encoder each; none:
            `log_mel` and those of `visual`.
        visual_frames: still images per 10 s.
        block: `transformer` or `conformer`.
        training_weight: weight of the audio encoder while training; None: drawn for each batch from U(`random_low`, 1).
        random_low: least random weight.
        weights: of the audio encoder in inference, from which validation chooses.
        gate: weights depend on the encoder states too (section 4), see `avkeras.layers.StreamWeights`.
        modality_dropout: share of the clips that lack an input beside audio in training though they have it.
        absent_token: a learnt vector stands in for the encoder states of an absent input.
        late_fusion: `logits` or `probabilities` of a decoder per encoder are weighed; `none`: there is one decoder.
        tied_encoders: the encoders share their blocks.
        availability: shares, from 0 to 1, of the test clips with video to which theirs is left, in rows of their own.
        key_dim: width of one head.
        hidden_dim: width of the feed-forwards' first map.
        kernel_size: of the conformer's depthwise convolution, in frames.
        class_token: its place in the decoder's sequence, `first` or `last`.
        final_norm: whether the transformer's encoders and decoder end with a normalisation.
        filters: output channels of each stack of the convolutional front end.
        pooling: frames and bands that each stack pools into one, as `[[2, 2], ...]`.
        frontend_kernel_size: of its convolutions, in frames and bands.
        momentum: of all batch normalisation: the part of the moving statistics that a step keeps.
        batch: strong, weak and unlabelled clips per batch; 0 of a kind that the data lacks.
        teacher: folder of a detection run whose model labels the unlabelled clips, which become strong; None: none.
        decay_steps: steps in which the rate falls by `decay_rate`.
        decay_rate: factor of the rate per `decay_steps`.
        staircase: whether the rate falls at once after each `decay_steps`, not a little with every step.
        teacher_decay: of the teacher's moving average, per step.
        consistency_weight: of the differences between student and teacher.
        mixup_rate: share of the batches (or clips) that are mixed.
        mixup_scope: whether a whole `batch` is mixed or not, at one ratio per kind of supervision, or each `clip`.
        mixup_concentration: both parameters of the beta distribution of the ratios.
        time_shift: deviation of circular shifts in time of half of the clips, in log-mel frames, for models of
            `log_mel` alone; 0: none.
        select: the student of the `last` epoch, or of the `best` by event-based F1 on validation at 0.5, filtered over
            7 frames; then `patience` counts epochs without a better one.
        decision: of events: `median`, class-wise thresholds and median filters; `double`, two thresholds per class,
            gaps filled and short events dropped, both tuned on validation; `fixed`, 0.5 and a median filter of 7.
        postprocessing: tried beside the median filters, tuned on validation and scored in `postprocessing.csv`: `boxes`
            (sound event bounding boxes), `hysteresis` (two thresholds, gaps filled); not in the paper.
    """

    out: Path = Path("runs/dcase2020_multi_encoder")
    visual: Sequence[str] = ("vgg16",)
    encoders: Sequence[str] = ()
    visual_frames: int = 64
    block: str = "transformer"
    training_weight: float | None = None
    random_low: float = 0.25
    weights: Sequence[float] = (0.25, 0.5, 0.75, 0.875)
    gate: bool = False
    modality_dropout: float = 0.0
    absent_token: bool = False
    late_fusion: str = "none"
    tied_encoders: bool = False
    availability: Sequence[float] = ()
    key_dim: int = 128
    hidden_dim: int = 512
    kernel_size: int = 7
    class_token: str = "first"
    final_norm: bool = True
    filters: Sequence[int] = (16, 32, 64, 128, 128, 128, 128)
    pooling: Sequence[tuple[int, int]] = ((2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 1))
    frontend_kernel_size: int = 3
    momentum: float = 0.9
    epochs: int = 100
    steps_per_epoch: int = 250
    batch: tuple[int, int, int] = (32, 32, 64)
    teacher: Path | None = None
    decay_steps: int = 10000
    decay_rate: float = 0.1
    staircase: bool = False
    teacher_decay: float = 0.999
    consistency_weight: float = 2.0
    mixup_rate: float = 1 / 3
    mixup_scope: str = "batch"
    mixup_concentration: float = 0.2
    time_shift: float = 0.0
    select: str = "last"
    decision: str = "median"
    postprocessing: Sequence[str] = ()
    demo_clips: tuple[int, int, int] = (160, 40, 60)

    @property
    def embedders(self) -> tuple[str, ...]:
        """The embedders, as they were named, that feed an encoder each beside that of the spectrogram."""
        return tuple(name for name in self.encoders or self.visual if name != LOG_MEL)


EXPERIMENTS = {"tagging": AudioTagging, "detection": SoundEventDetection}


def system_values(name: str, **changes: Any) -> ExperimentValues:
    """Returns the values of an experiment with a published system, as it was published.

    Args:
        name: of the system.
        **changes: values that are otherwise.

    Raises:
        AvkerasError: there is none of this name.

    Example:
        >>> values = system_values("gccaps", seed=1)
        >>> values.batch_size, values.decision, values.seed
        (44, 'capsule', 1)
    """
    system = find_system(name)
    return EXPERIMENTS[system.task](**{"out": Path("runs") / name, **system.values, "system": name, **changes})


def check_system(values: ExperimentValues) -> None:
    """Refuses a system of the other experiment, and values that the system does not have.

    Raises:
        AvkerasError: with what to do.
    """
    task = next(task for task, kind in EXPERIMENTS.items() if isinstance(values, kind))
    if values.system is None:
        if values.options:
            raise AvkerasError("options: they are those of a system; name it too (system)")
        return
    system = find_system(values.system)
    if system.task != task:
        known = ", ".join(NAMES[task])
        there = f"there are {known}" if known else "there is none yet"
        raise AvkerasError(f"system: {values.system} is for {system.task}; for {task} {there}")
    system.options_of(values.options)
    defaults = type(values)(**system.values)
    for name in _OF_THE_PAPERS[task]:
        if system.embeds and name in ("embedders", "visual", "encoders", "visual_frames"):
            continue
        given = getattr(values, name)
        wanted = getattr(defaults, name)
        if (tuple(given) != tuple(wanted)) if isinstance(given, list) else (given != wanted):
            known = ", ".join(system.options) or "none"
            raise AvkerasError(f"{name}: {values.system} has no such value; it has the options {known} (options)")


def wanted_systems(values: AudioTagging) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Returns first input, second input and modalities with positions of each model to train, by its name.

    Raises:
        AvkerasError: a name is not known, or only one of `first` and `second` is given.

    Example:
        >>> wanted_systems(AudioTagging(first="video", second="audio", positions=()))
        {'video-audio': ('video', 'audio', ())}
    """
    if values.system:
        first = "video" if find_system(values.system).embeds else "audio"
        return {values.system: (first, "audio", ())}
    if (values.first is None) != (values.second is None):
        raise AvkerasError("first, second: give both, for a model of these inputs, or neither, to train systems")
    if values.first is not None:
        places = (values.first, values.second)
        if unknown := set(places) - {"audio", "video"}:
            raise AvkerasError(f"first, second: '{unknown.pop()}' is none of audio, video")
        systems = {"-".join(places): places}
    else:
        if unknown := [name for name in values.systems if name not in SYSTEMS]:
            raise AvkerasError(f"systems: '{unknown[0]}' is none of {', '.join(SYSTEMS)}")
        systems = {name: SYSTEMS[name] for name in values.systems}
    if unknown := set(values.positions) - {"audio", "video"}:
        raise AvkerasError(f"positions: '{unknown.pop()}' is none of audio, video")
    return {
        name: (*places, tuple(modality for modality in values.positions if modality in places))
        for name, places in systems.items()
    }
