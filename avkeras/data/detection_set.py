"""From stores of log-mel spectrograms and visual embeddings to what a mean teacher trains on."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.data.dataset_options import as_written
from avkeras.data.embedding_tensors import embedding_reader
from avkeras.data.labels import SUPERVISION_CODES, frame_targets
from avkeras.data.manifest import Clip, Event
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
        >>> x, y = clips.load(np.array([0]))
        >>> x["audio"].shape, y["frame"][0, :, 0].numpy().tolist()
        (TensorShape([1, 16, 2]), [0.0, 1.0])
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

    @functools.cached_property
    def _readers(self) -> dict[str, Callable]:
        ids = [clip.id for clip in self.clips]
        return {name: embedding_reader(store, ids, frames=self.lengths[name]) for name, store in self.stores.items()}

    def _frame_targets(self) -> np.ndarray:
        span = self.vectors * self.seconds_per_vector
        targets = np.zeros((len(self), self.vectors, len(self.classes)), bool)  # a quarter of float32 for many clips
        for clip, frames in zip(self.clips, targets, strict=True):
            events = (event for event in clip.events if event.onset < span)
            frames[:] = frame_targets(events, self.classes, frames=self.vectors, seconds=span)
        return targets

    @functools.cached_property
    def _tables(self) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        tables = {
            "supervision": np.array([SUPERVISION_CODES[kind] for kind in self.supervision], np.int32),
            "clip": self.targets,
            "frame": self._frame_targets(),
            "frame_mask": np.arange(self.vectors) < self._real_vectors[:, None],
        }
        with tf.init_scope():  # also when first called inside a function
            return {name: tf.constant(table) for name, table in tables.items()}

    def load(self, indices: "tf.Tensor") -> tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]:
        """Reads clips `(batch,)`, for `avkeras.data.streams.stream_dataset`.

        Returns:
            Inputs `(batch, frames, dim)` with their masks, and the targets `supervision`, `clip`, `frame` and
            `frame_mask` as `MeanTeacher` takes them.
        """
        import tensorflow as tf

        targets = {name: tf.gather(table, indices) for name, table in self._tables.items()}
        targets["frame"] = tf.cast(targets["frame"], tf.float32)
        # Not in half precision: what is done to a batch before the model, such as mixup, computes with it.
        inputs = {
            name: value if value.dtype.is_bool else tf.cast(value, tf.float32)
            for name, value in self.inputs(indices).items()
        }
        return inputs, targets

    def dataset(self, *, batch_size: int = 32) -> "tf.data.Dataset":
        """Returns the inputs of all clips in order, for `predict` and `adapt`."""
        import tensorflow as tf

        indices = tf.data.Dataset.range(len(self)).batch(batch_size)
        return as_written(indices.map(self.inputs).prefetch(2))
