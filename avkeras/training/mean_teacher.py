"""Mean teacher training: a student that learns from labels and from the average of its own past."""

import contextlib
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from avkeras.layers.noisy_levels import NoisyLevels
from avkeras.models.array_batches import cut_for_fit
from avkeras.models.sequence_model import default_compiler
from avkeras.training.moving_average import move_all
from avkeras.training.one_pass import in_one_pass
from avkeras.training.ramp_up import ramp_up

# As in `avkeras.data.labels.SUPERVISION_CODES`, which numpy code uses: 0 says that no target of the clip may be used.
_WEAK, _STRONG = 1, 2
# What the seed of a student's noise is changed by for the teacher's where both would be the same.
_OTHER_SEED = 0x2AAAAAAA


@keras.saving.register_keras_serializable(package="avkeras")
class MeanTeacher(keras.Model):
    """Trains a detection model with weak, strong and no labels by means of a mean teacher (2022, section 3.1.5).

    The loss is the binary cross-entropy of the clip probabilities of weakly labelled clips, plus that of the frame
    probabilities of strongly labelled clips, plus `consistency_weight` times the mean squared differences between
    student and teacher, for clips and for frames, over all clips. After every step each trainable weight of the teacher
    becomes `decay * teacher + (1 - decay) * student`. No gradient enters the teacher.

    In training the teacher runs as the student does (Tarvainen and Valpola, 2017): with dropout noise of its own, and
    with batch normalisation over the batch. The moving statistics of its batch normalisation are therefore those of its
    own passes, not the student's. What is drawn once per batch, the fusion weight of `StreamWeights` (2022, section
    3.2.2), is one draw for both: else they would be two models, whose answers have no reason to agree. The teacher
    starts as the student is when `compile` is called before the first step: adapt or load the student before that.

    `model(x)` and `model.predict(x)` give the student's probabilities; `model.student` and `model.teacher` are ordinary
    models. Saving, checkpoints and `BackupAndRestore` keep both, the number of training `steps`, and the states of the
    random generators, which Keras leaves out: a run that goes on equals one that was never interrupted. It trains on
    TensorFlow, JAX and PyTorch. On several devices, see `avkeras.training.distribute`: every loss is divided by the
    number of clips or frames in the whole batch, whatever part of it a replica has.

    The targets `y` are a dict:

    * `supervision` `(batch,)`: 0 unlabelled, 1 weak, 2 strong (`avkeras.data.labels.SUPERVISION_CODES`). It stands with
      the targets since it says which of them are known; the others may hold anything, even NaN.
    * `clip` `(batch, classes)` and `frame` `(batch, frames, classes)`.
    * `frame_mask` `(batch, frames)`, optional: False marks frames behind the end of a clip, which count in no loss.

    Args:
        student: built model that gives `{"clip": (batch, classes), "frame": (batch, frames, classes)}`, probabilities.
        decay: of the moving average, per batch, also where the optimizer gathers the gradients of several.
        consistency_weight: of both squared differences.
        ramp_steps: steps in which that weight rises to its full value, by `ramp_up`; None: it has it from the first.
        warm_up: whether the moving average begins as a plain one, after step s with the decay min(1 - 1 / (s + 1),
            decay) (DCASE 2020 task 4's baseline).
        strong_clips: whether the clip probabilities of strongly labelled clips are learnt too: half of the clips' loss
            where both kinds are there (Miyazaki et al. 2020).
        teacher_noise: ratio in dB of the input `audio`, levels in dB, to noise that the teacher gets, see
            `avkeras.layers.NoisyLevels`; None: no noise.

    Example:
        >>> import numpy as np
        >>> audio = keras.Input((None, 8), name="audio")
        >>> frame = keras.layers.Dense(3, activation="sigmoid")(audio)
        >>> clip = keras.layers.GlobalAveragePooling1D()(frame)
        >>> model = MeanTeacher(keras.Model({"audio": audio}, {"clip": clip, "frame": frame}))
        >>> model.compile(keras.optimizers.Adam(1e-3))
        >>> x = {"audio": np.ones((4, 5, 8), "float32")}
        >>> y = {"supervision": np.array([0, 0, 1, 2]), "clip": np.ones((4, 3)), "frame": np.ones((4, 5, 3))}
        >>> sorted(model.fit(x, y, verbose=0).history)
        ['clip_consistency', 'frame_consistency', 'loss', 'strong_bce', 'weak_bce']
    """

    def __init__(
        self,
        student: keras.Model,
        *,
        decay: float = 0.999,
        consistency_weight: float = 2.0,
        ramp_steps: int | None = None,
        warm_up: bool = False,
        strong_clips: bool = False,
        teacher_noise: float | None = None,
        **kwargs,
    ) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must be in [0, 1], not {decay}")
        # The student casts its inputs itself, some after standardisation; the teacher is given them as they are.
        super().__init__(**{"dtype": _policy(student), **kwargs}, autocast=False)
        self.student = student
        self.teacher = type(student).from_config(student.get_config())
        self.decay = decay
        self.consistency_weight = consistency_weight
        self.ramp_steps = ramp_steps
        self.warm_up = warm_up
        self.strong_clips = strong_clips
        self.teacher_noise = teacher_noise
        self.noisy_levels = None if teacher_noise is None else NoisyLevels(snr=teacher_noise, name="noisy_levels")
        count = "int32" if keras.backend.backend() == "jax" else "int64"  # JAX has the wide one only if told so
        self.steps = self.add_weight(shape=(), dtype=count, initializer="zeros", trainable=False, name="steps")
        names = ("weak_bce", "strong_bce", "clip_consistency", "frame_consistency")
        names += ("strong_clip_bce",) if strong_clips else ()
        self.terms = {name: keras.metrics.Mean(name=name) for name in names}
        for own, other in self._pairs_of_generators(shared=False):
            seed, count = ops.convert_to_numpy(other.state)
            if seed == ops.convert_to_numpy(own.state)[0]:  # one that the student's configuration gives
                other.state.assign(np.array([seed ^ _OTHER_SEED, count]))
        self._prepare_teacher()
        self.built = True

    def fit(self, *args, **kwargs):
        """Trains as `keras.Model.fit` does; arrays are cut into batches one by one, never copied whole."""
        if kwargs.get("class_weight") is not None:
            raise ValueError("MeanTeacher takes no class_weight; its losses are of all classes alike")
        return super().fit(**cut_for_fit(*args, **kwargs))

    def _prepare_teacher(self):
        # What is frozen in the student, such as batch normalisation, is frozen here: both run alike.
        for own, other in zip(self.student._flatten_layers(), self.teacher._flatten_layers(), strict=True):
            if other.trainable != own.trainable:
                other.trainable = own.trainable
        # Not `teacher.trainable = False`: that would also turn its batch normalisation to the moving statistics.
        for weight in self.teacher.weights:
            weight.trainable = False
        if int(self.steps.numpy()) == 0:
            self.teacher.set_weights(self.student.get_weights())

    def _pairs_of_generators(self, *, shared):
        """Returns the random generators of the student's layers, each beside the teacher's."""
        return zip(*(_generators(model, shared=shared) for model in (self.student, self.teacher)), strict=True)

    def compile(self, *args, jit_compile: bool | str | None = None, **kwargs) -> None:
        """Compiles as `SequenceModel.compile` does; losses are not the caller's to give."""
        if kwargs.get("loss") is not None or len(args) > 1:
            raise ValueError("MeanTeacher has losses of its own; compile it with an optimizer alone")
        super().compile(*args, jit_compile=default_compiler(jit_compile), **kwargs)
        self._prepare_teacher()
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def make_train_function(self, force=False):
        """Makes what runs the steps of an epoch, as Keras does; TensorFlow gets ready for the first one sooner."""
        if self.train_function is None or force:
            super().make_train_function(force=force)
            self.train_function = in_one_pass(self.train_function)
        return self.train_function

    def call(self, inputs, training=False):
        """Returns the student's probabilities."""
        if training:  # the teacher, which comes after, will draw from where the student draws now
            for leader, follower in self._pairs_of_generators(shared=True):
                follower.state.assign(leader.state)
        return self.student(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of a batch and updates the mean of each of its terms."""
        if sample_weight is not None:
            raise ValueError("MeanTeacher takes no sample_weight; y['supervision'] says which targets count")
        if not isinstance(y, Mapping):
            raise ValueError("MeanTeacher needs targets y, a dict of supervision, clip and frame")
        for name in ("supervision", "clip", "frame"):
            if name not in y:
                raise ValueError(f"the targets lack '{name}'; they are a dict of supervision, clip and frame")
        student = {name: ops.cast(y_pred[name], "float32") for name in ("clip", "frame")}
        outputs = dict(student)
        if y.get("frame_mask") is not None:  # one of one frame would count for all of them
            outputs["frame_mask"] = student["frame"][:, :, 0]
        for name, value in outputs.items():
            if len(y[name].shape) != len(value.shape) or any(
                None not in pair and pair[0] != pair[1] for pair in zip(y[name].shape, value.shape, strict=True)
            ):
                raise ValueError(f"targets '{name}' have shape {y[name].shape}, the model gives {value.shape}")
        penalties = sum(self.losses)  # of the student's pass; the teacher's variables have none
        heard = x
        if self.noisy_levels is not None:
            noisy = self.noisy_levels(x["audio"], padding_mask=x.get("audio_mask"), training=training)
            heard = {**x, "audio": noisy}
        teacher = self.teacher(heard, training=training)
        teacher = {name: ops.stop_gradient(ops.cast(teacher[name], "float32")) for name in student}
        # (batch, 1, 1): which clips count; (batch, frames, 1): which frames.
        supervision = ops.reshape(y["supervision"], (-1, 1))
        weak, strong = (ops.equal(supervision, code) for code in (_WEAK, _STRONG))
        every = ops.ones_like(weak)
        real = y.get("frame_mask")
        real = ops.ones_like(student["frame"][:, :, 0], dtype="bool") if real is None else ops.cast(real, "bool")
        strong_clip = strong
        strong, real = ops.logical_and(strong, real)[:, :, None], real[:, :, None]
        terms = {
            "weak_bce": _masked_sum(ops.binary_crossentropy, y["clip"], student["clip"], weak),
            "strong_bce": _masked_sum(ops.binary_crossentropy, y["frame"], student["frame"], strong),
            "clip_consistency": _masked_sum(_squared_difference, teacher["clip"], student["clip"], every),
            "frame_consistency": _masked_sum(_squared_difference, teacher["frame"], student["frame"], real),
        }
        if self.strong_clips:
            terms["strong_clip_bce"] = _masked_sum(ops.binary_crossentropy, y["clip"], student["clip"], strong_clip)
        for name, (total, count) in terms.items():
            self.terms[name].update_state(total / ops.maximum(count, 1.0), sample_weight=count)
        counts, replicas = _of_all_replicas([count for _, count in terms.values()])
        value = {
            name: total / ops.maximum(count, 1.0)
            for (name, (total, _)), count in zip(terms.items(), counts, strict=True)
        }
        consistency = self._consistency_weight() * (value["clip_consistency"] + value["frame_consistency"])
        clip = value["weak_bce"]
        if self.strong_clips:
            of_all = dict(zip(terms, counts, strict=True))
            kinds = sum(ops.cast(of_all[name] > 0, "float32") for name in ("weak_bce", "strong_clip_bce"))
            clip = (clip + value["strong_clip_bce"]) / ops.maximum(kinds, 1.0)
        return clip + value["strong_bce"] + consistency + penalties / replicas

    def _consistency_weight(self):
        """Returns the weight at this step."""
        if self.ramp_steps is None:
            return self.consistency_weight
        return self.consistency_weight * ramp_up(self.steps.value, self.ramp_steps)

    def train_step(self, *state_and_data):
        """Trains the student on a batch, then moves the teacher towards it."""
        if keras.backend.backend() != "jax":
            logs = super().train_step(*state_and_data)
            self.update_teacher()
            with _after(state_and_data):  # a data set may read the count when it makes this very batch
                self.steps.assign_add(1)
            return logs
        # On JAX a step is a function of all variables, which it returns anew.
        logs, (trainable, others, *rest) = super().train_step(*state_and_data)
        values = [*zip(self.trainable_variables, trainable, strict=True)]
        values += zip(self.non_trainable_variables, others, strict=True)
        with keras.StatelessScope(values) as scope:
            self.update_teacher()
            self.steps.assign_add(1)
        others = [scope.get_current_value(variable) for variable in self.non_trainable_variables]
        return logs, (trainable, others, *rest)

    def update_teacher(self):
        """Moves every trainable weight of the teacher towards the student's: one step of the moving average."""
        share = ops.convert_to_tensor(1 - self.decay, self.student.variable_dtype)  # once for all weights
        if self.warm_up:
            share = ops.maximum(share, 1 / (ops.cast(self.steps.value, share.dtype) + 2))
        trained = [index for index, weight in enumerate(self.student.weights) if weight.trainable]
        teacher, student = ([model.weights[index] for index in trained] for model in (self.teacher, self.student))
        move_all(teacher, student, share)

    def _random_states(self):
        weights = {id(weight) for weight in self.weights}
        return [variable for variable in self.variables if id(variable) not in weights]

    def save_own_variables(self, store):
        """Saves the number of steps and the states of all random generators."""
        store["steps"] = self.steps
        for index, state in enumerate(self._random_states()):
            store[f"random_state_{index}"] = state

    def load_own_variables(self, store):
        """Restores what `save_own_variables` saved."""
        self.steps.assign(store["steps"])
        for index, state in enumerate(self._random_states()):
            state.assign(store[f"random_state_{index}"])

    def get_config(self):
        """Returns the constructor's values."""
        return {
            **super().get_config(),
            "student": keras.saving.serialize_keras_object(self.student),
            "decay": self.decay,
            "consistency_weight": self.consistency_weight,
            "ramp_steps": self.ramp_steps,
            "warm_up": self.warm_up,
            "strong_clips": self.strong_clips,
            "teacher_noise": self.teacher_noise,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model anew from `get_config`."""
        student = keras.saving.deserialize_keras_object(config["student"], custom_objects=custom_objects)
        return cls(**{**config, "student": student})


def _generators(model, *, shared):
    """Returns the random generators of a model's layers: `shared`: those that draw once per batch; or all others."""
    return [
        generator
        for layer in model._flatten_layers()
        if getattr(layer, "one_draw_per_batch", False) == shared
        for generator in vars(layer).values()
        if isinstance(generator, keras.random.SeedGenerator)
    ]


def _after(batch):
    """Returns a context in which TensorFlow does nothing before a batch is there; the other backends wait anyway."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([value for value in keras.tree.flatten(batch) if tf.is_tensor(value)])


def _policy(student):
    """Returns the policy that decides on loss scaling: that of the layers, which the model itself need not share."""
    policies = {layer.dtype_policy.name: layer.dtype_policy for layer in (student, *student.layers)}
    return policies.get("mixed_float16", student.dtype_policy)


def _masked_sum(function, target, output, mask):
    """Returns the sum of `function` where `mask`, and the number of places."""
    mask_all = ops.broadcast_to(mask, ops.shape(output))
    # The targets are cleaned first: a gradient of 0 times NaN is NaN.
    target = ops.where(mask_all, ops.cast(target, "float32"), 0.0)
    return ops.sum(ops.where(mask_all, function(target, output), 0.0)), ops.sum(ops.cast(mask_all, "float32"))


def _of_all_replicas(counts):
    """Returns the counts summed over the replicas of `tf.distribute`, and how many replicas there are.

    Parts of a batch hold different numbers of each kind of clip: only with the counts of the whole batch do the losses
    of the replicas add up to what one device finds.
    """
    if keras.backend.backend() != "tensorflow":
        return counts, 1
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return counts, 1
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, counts), replica.num_replicas_in_sync


def _squared_difference(target, output):
    return ops.square(target - output)
