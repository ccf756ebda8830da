"""The mean teacher of the 2022 experiment: built from its values, trained so that it can be interrupted."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from avkeras.data.manifest import SUPERVISION
from avkeras.features.extract_detection import MAX_FRAMES

if TYPE_CHECKING:
    from avkeras.data.detection_set import DetectionSet
    from avkeras.experiments.detection import SoundEventDetection
    from avkeras.training.mean_teacher import MeanTeacher


def build_mean_teacher(
    values: "SoundEventDetection", *, visual_dims: dict[str, int], classes: Sequence[str]
) -> "MeanTeacher":
    """Returns a compiled `MeanTeacher` of a `MultiEncoder` (2022, section 3.1.5).

    Args:
        values: of the experiment.
        visual_dims: width of the embeddings per visual input.
        classes: names of the classes.
    """
    import keras

    from avkeras.models.multi_encoder import MultiEncoder
    from avkeras.training.mean_teacher import MeanTeacher
    from avkeras.training.rectified_adam import RectifiedAdam

    keras.utils.set_random_seed(values.seed)
    student = MultiEncoder(
        classes=list(classes),
        visual_dims=visual_dims,
        block=values.block,
        training_weight=values.training_weight,
        max_frames=MAX_FRAMES,
        blocks=values.blocks,
        dim=values.dim,
        num_heads=values.num_heads,
        key_dim=values.key_dim,
        hidden_dim=values.hidden_dim,
        dropout=values.dropout,
        filters=values.filters,
        dtype=values.precision,
    )
    model = MeanTeacher(student, decay=values.teacher_decay, consistency_weight=values.consistency_weight)
    model.compile(
        RectifiedAdam(
            keras.optimizers.schedules.ExponentialDecay(values.learning_rate, values.decay_steps, values.decay_rate)
        )
    )
    return model


def train_mean_teacher(
    model: "MeanTeacher", training: "DetectionSet", values: "SoundEventDetection", *, verbose: int | str = 0
) -> None:
    """Trains to the last epoch, from the last whole one that the run's folder holds.

    An interrupted run goes on to the same end as an uninterrupted one; a kill at any moment costs one epoch at most.
    On several devices, build the model in the scope of `avkeras.training.distribute.strategy()`; several machines share
    the run's folder, and the first one writes to it.

    Args:
        model: from `build_mean_teacher`.
        training: clips of the three kinds of supervision.
        values: of the experiment; `metrics.csv`, `epochs` and the logs for TensorBoard go to its `out`.
        verbose: of `fit`.
    """
    import keras

    from avkeras.data.mixup import mixup
    from avkeras.data.streams import StreamSampler, stream_dataset
    from avkeras.training.callbacks import LastEpochs, MetricsFile
    from avkeras.training.distribute import fit, is_chief

    # Not BackupAndRestore: a kill while it writes spoils the only copy; LastEpochs replaces whole files.
    last_epochs = LastEpochs(values.out / "epochs", keep=1)
    done = 0
    if files := last_epochs.files():
        done = int(files[-1].name.split("-")[1].split(".")[0])
        model.load_weights(files[-1])
    else:
        model.student.adapt(training.dataset(batch_size=sum(values.batch)))
        with model.distribute_strategy.scope():
            model.compile(model.optimizer)  # the teacher takes the statistics over
    if done >= values.epochs:
        return
    counts = dict(zip(SUPERVISION, values.batch, strict=True))
    sampler = StreamSampler(training.supervision, counts=counts, seed=values.seed)
    batches = stream_dataset(
        sampler,
        training.load,
        steps=values.epochs * values.steps_per_epoch,
        start_step=done * values.steps_per_epoch,
        augment=partial(mixup, rate=values.mixup_rate) if values.mixup_rate else None,
    )
    writers = [
        MetricsFile(values.out / "metrics.csv"),
        last_epochs,
        keras.callbacks.TensorBoard(str(values.out / "tensorboard"), write_graph=False),
    ]
    fit(
        model,
        batches,
        epochs=values.epochs,
        initial_epoch=done,
        steps_per_epoch=values.steps_per_epoch,
        callbacks=writers if is_chief(model.distribute_strategy) else (),
        verbose=verbose,
    )
