"""From stores of log-mel spectrograms and visual embeddings to what a mean teacher trains on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.labels import SUPERVISION_CODES, frame_targets
from avkeras.data.manifest import Clip, Event
from avkeras.data.pipeline import ClipSet
from avkeras.data.records import RecordReader

if TYPE_CHECKING:
    import tensorflow as tf


class DetectionSet(ClipSet):
    """The clips of one split with their inputs and the targets of clips and frames (2022, section 3.1).

    All clips are padded to `lengths`, so that training sees one shape. A clip's length is known from its spectrogram:
    to one hop, 20 ms.

    Args:
        clips: rows of the manifest; those without features are in `left_out`.
        stores: a store per input, `audio` (log-mel frames) first.
        classes: class names in the order of the model's outputs.
        lengths: frames per input, padding included, such as `{"audio": 512, "openl3": 64}`.
        pooling: log-mel frames that make one of the model's vectors.
        hop: seconds from one log-mel frame to the next.

    Example:
        >>> import tempfile
        >>> from avkeras.data.records import RecordWriter
        >>> folder = tempfile.mkdtemp() + "/audio"
        >>> with RecordWriter(folder, {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((12, 2)))
        >>> clip = Clip("a1", "a1.wav", None, "train", ("Dog",), (Event(0.2, 0.3, "Dog"),), "strong")
        >>> clips = DetectionSet([clip], {"audio": RecordReader(folder)}, ["Dog"], lengths={"audio": 16})
        >>> clips.batch([0])["audio"].shape, clips.targets_of([0])["frame"][0, :, 0].tolist()
        ((1, 16, 2), [0.0, 1.0])
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        stores: Mapping[str, RecordReader],
        classes: Sequence[str],
        *,
        lengths: Mapping[str, int],
        pooling: int = 8,
        hop: float = 313 / 16000,
    ) -> None:
        super().__init__(clips, stores, classes)
        self.lengths = dict(lengths)
        self.seconds_per_vector = pooling * hop
        self.vectors = -(-self.lengths["audio"] // pooling)
        frames = np.array([self.stores["audio"].records[clip.id].frames for clip in self.clips], np.int64)
        self._real_vectors = -(-frames // pooling)
        self.durations = np.maximum(frames - 1, 1) * hop
        self.supervision = [clip.supervision for clip in self.clips]

    @property
    def events(self) -> list[tuple[Event, ...]]:
        """The true events of each clip."""
        return [clip.events for clip in self.clips]

    @property
    def cut_events(self) -> int:
        """How many events begin behind what the model sees of their clip; training does not see them."""
        span = self.vectors * self.seconds_per_vector
        return sum(event.onset >= span for clip in self.clips for event in clip.events)

    def batch(self, indices) -> dict[str, np.ndarray]:
        """Reads clips: per input `(clips, frames, dim)`, half precision, zero-padded, and `<input>_mask`."""

        def padded(name, array):
            missing = self.lengths[name.removesuffix("_mask")] - array.shape[1]
            return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2))

        return {name: padded(name, array) for name, array in super().batch(indices).items()}

    def targets_of(self, indices) -> dict[str, np.ndarray]:
        """Returns `supervision`, `clip`, `frame` and `frame_mask` as `MeanTeacher` takes them."""
        span = self.vectors * self.seconds_per_vector
        frame = [
            frame_targets(
                (event for event in self.clips[index].events if event.onset < span),
                self.classes,
                frames=self.vectors,
                seconds=span,
            )
            for index in indices
        ]
        return {
            "supervision": np.array([SUPERVISION_CODES[self.supervision[index]] for index in indices], np.int32),
            "clip": self.targets[indices],
            "frame": np.stack(frame),
            "frame_mask": np.arange(self.vectors) < self._real_vectors[indices, None],
        }

    def load(self, indices: "tf.Tensor") -> tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]:
        """Returns inputs and targets of clips as tensors, for `avkeras.data.streams.stream_dataset`."""
        classes = len(self.classes)
        targets = {
            "supervision": ("int32", (None,)),
            "clip": ("float32", (None, classes)),
            "frame": ("float32", (None, self.vectors, classes)),
            "frame_mask": ("bool", (None, self.vectors)),
        }
        x = self._tensors(self.batch, indices, self._input_types())
        return _as_float32(x), self._tensors(self.targets_of, indices, targets)

    def dataset(self, *, batch_size: int = 32) -> "tf.data.Dataset":
        """Returns the inputs of all clips in order, for `predict` and `adapt`."""
        import tensorflow as tf

        types = self._input_types()
        indices = tf.data.Dataset.range(len(self)).batch(batch_size)
        return indices.map(lambda some: _as_float32(self._tensors(self.batch, some, types))).prefetch(2)

    def _input_types(self) -> dict[str, tuple[str, tuple]]:
        types = {}
        for name, store in self.stores.items():
            types[name] = ("float16", (None, self.lengths[name], store.dim))
            types[f"{name}_mask"] = ("bool", (None, self.lengths[name]))
        return types

    def _tensors(self, read: Callable, indices: "tf.Tensor", types: dict) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        def values(indices):
            arrays = read(indices)
            return [arrays[name] for name in types]

        found = tf.numpy_function(values, [indices], [kind for kind, _ in types.values()])
        rows = indices.shape[0]
        return {
            name: tf.ensure_shape(value, (rows, *shape[1:]))
            for value, (name, (_, shape)) in zip(found, types.items(), strict=True)
        }


def _as_float32(x: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    import tensorflow as tf

    return {name: value if value.dtype.is_bool else tf.cast(value, tf.float32) for name, value in x.items()}
