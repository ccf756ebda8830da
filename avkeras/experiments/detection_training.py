"""The mean teacher of a detection run: built from its values, trained so that it can be interrupted."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import SUPERVISION
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection_scores import fixed_event_f1
from avkeras.features.extract_detection import MULTI_ENCODER
from avkeras.systems.registry import find_system

if TYPE_CHECKING:
    from avkeras.training.mean_teacher import MeanTeacher


def build_mean_teacher(
    values: SoundEventDetection, *, visual_dims: Mapping[str, int], classes: Sequence[str]
) -> "MeanTeacher":
    """Returns a compiled `MeanTeacher` of a `MultiEncoder` (2022, section 3.1.5), or of a published system.

    Args:
        values: of the experiment.
        visual_dims: width of the embeddings per input, of pictures or of sound.
        classes: names of the classes.
    """
    import keras

    from avkeras.models.multi_encoder import MultiEncoder
    from avkeras.training.mean_teacher import MeanTeacher
    from avkeras.training.rectified_adam import RectifiedAdam

    keras.utils.set_random_seed(values.seed)
    shared = {"decay": values.teacher_decay, "consistency_weight": values.consistency_weight}
    if values.system:
        system = find_system(values.system)
        schedule = {name: getattr(values, name) for name in ("epochs", "steps_per_epoch")}
        options = system.options_of(values.options) | ({"dims": visual_dims} if system.embeds else {})
        student = system.build(classes=len(classes), dtype=values.precision, training=True, **options)
        model = MeanTeacher(student, **shared, **system.teacher(**schedule))
        model.compile(system.optimizer(learning_rate=values.learning_rate, **schedule))
        return model
    student = MultiEncoder(
        classes=list(classes),
        visual_dims=visual_dims,
        block=values.block,
        training_weight=values.training_weight,
        random_low=values.random_low,
        gate=values.gate,
        modality_dropout=values.modality_dropout,
        absent_token=values.absent_token,
        late_fusion=values.late_fusion,
        tied_encoders=values.tied_encoders,
        max_frames=MULTI_ENCODER.frames,
        blocks=values.blocks,
        dim=values.dim,
        num_heads=values.num_heads,
        key_dim=values.key_dim,
        hidden_dim=values.hidden_dim,
        kernel_size=values.kernel_size,
        frontend_kernel_size=values.frontend_kernel_size,
        class_token=values.class_token,
        final_norm=values.final_norm,
        dropout=values.dropout,
        filters=values.filters,
        pooling=values.pooling,
        momentum=values.momentum,
        dtype=values.precision,
    )
    model = MeanTeacher(student, **shared)
    model.compile(
        RectifiedAdam(
            keras.optimizers.schedules.ExponentialDecay(
                values.learning_rate, values.decay_steps, values.decay_rate, staircase=values.staircase
            )
        )
    )
    return model


def train_mean_teacher(
    model: "MeanTeacher",
    training: DetectionSet,
    values: SoundEventDetection,
    *,
    validation: DetectionSet | None = None,
    verbose: int | str = 0,
) -> None:
    """Trains to the last epoch; it can be killed and goes on, see `avkeras.training.run.resumable_fit`.

    Args:
        model: from `build_mean_teacher`.
        training: clips of the three kinds of supervision.
        values: of the experiment; `metrics.csv`, `epochs` and the logs for TensorBoard go to its `out`.
        validation: clips by which the best epoch is chosen, where the values ask for it: the student ends with it.
        verbose: of `fit`.
    """
    from avkeras.data.streams import StreamSampler, stream_dataset
    from avkeras.training.callbacks import BestEpoch, LastEpochs
    from avkeras.training.distribute import scope_of
    from avkeras.training.run import resumable_fit, standardise as set_statistics

    def standardise():
        set_statistics(model.student, training.dataset(batch_size=sum(values.batch)))
        with scope_of(model):
            model.compile(model.optimizer)  # the teacher takes the statistics over

    def batches(first_step: int):
        counts = dict(zip(SUPERVISION, values.batch, strict=True))
        return stream_dataset(
            StreamSampler(training.supervision, counts=counts, seed=values.seed),
            training.load,
            steps=values.epochs * values.steps_per_epoch,
            start_step=first_step,
            augment=_augment(values),
        )

    best = None
    if values.select == "best":
        seen = validation.dataset(batch_size=sum(values.batch))
        best = BestEpoch(
            values.out,
            lambda: fixed_event_f1(validation, model.student.predict(seen, verbose=0)),
            weights=model.student,
            patience=values.patience,
        )
        if best.stopped(LastEpochs(values.out / "epochs").done()):
            model.student.load_weights(best.file)
            return
    resumable_fit(
        model,
        batches,
        folder=values.out,
        epochs=values.epochs,
        steps_per_epoch=values.steps_per_epoch,
        before_first=standardise,
        callbacks=[best] if best else [],
        verbose=verbose,
    )
    if best:
        model.student.load_weights(best.file)


def _augment(values: SoundEventDetection) -> Callable | None:
    """Returns what is done to a batch before it is trained on; None: nothing."""
    from avkeras.data.mixup import mixup
    from avkeras.data.time_shift import time_shift

    steps = []
    if values.time_shift:
        steps.append(partial(time_shift, deviation=values.time_shift))
    if values.mixup_rate:
        per_clip = values.mixup_scope == "clip"
        options = {"rate": values.mixup_rate, "concentration": values.mixup_concentration}
        steps.append(partial(mixup, per_clip=per_clip, **options))

    def all_of_them(x, y, *, seed):
        for step in steps:
            x, y = step(x, y, seed=seed)
        return x, y

    return all_of_them if len(steps) > 1 else next(iter(steps), None)
