"""From stores of embeddings to tf.data sets that `model.fit` and `model.predict` take."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.dataset_options import as_written
from avkeras.data.embedding_tensors import embedding_reader
from avkeras.data.labels import clip_targets
from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader
from avkeras.data.sampling import BalancedSampler

if TYPE_CHECKING:
    import tensorflow as tf


class ClipSet:
    """The clips of one split with their embeddings and targets.

    Clips that have no embeddings are left out; `left_out` says which and why.

    Args:
        clips: rows of the manifest.
        stores: a store per modality; the first one's records decide which clips there are.
        classes: class names in the order of the model's outputs.
        complete_only: leave out clips that lack a modality, as the 2019 paper does.

    Example:
        >>> import tempfile
        >>> from avkeras.data.records import RecordWriter
        >>> folder = tempfile.mkdtemp() + "/audio"
        >>> with RecordWriter(folder, {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((3, 2)))
        >>> clips = [Clip("a1", "a1.wav", None, "test", ("Car",))]
        >>> clips = ClipSet(clips, {"audio": RecordReader(folder)}, ["Bus", "Car"])
        >>> clips.targets.tolist(), clips.inputs(np.array([0]))["audio"].shape
        ([[0.0, 1.0]], TensorShape([1, 3, 2]))
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        stores: Mapping[str, RecordReader],
        classes: Sequence[str],
        *,
        complete_only: bool = False,
    ) -> None:
        self.stores = dict(stores)
        self.classes = tuple(classes)
        self.clips: list[Clip] = []
        self.left_out: list[tuple[str, str]] = []
        for clip in clips:
            reason = self._reason_to_leave_out(clip, complete_only)
            if reason:
                self.left_out.append((clip.id, reason))
            else:
                self.clips.append(clip)
        self.targets = np.array([clip_targets(clip.labels, self.classes) for clip in self.clips], np.float32).reshape(
            -1, len(self.classes)
        )

    def _reason_to_leave_out(self, clip: Clip, complete_only: bool) -> str:
        for modality, store in self.stores.items():
            record = store.records.get(clip.id)
            if record is None:
                return f"no {modality} embeddings were extracted"
            if record.error:
                return record.error
            if complete_only and record.frames == 0:
                return f"has no {modality}"
        return ""

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def dims(self) -> dict[str, int]:
        """Width of the embeddings per modality."""
        return {modality: store.dim for modality, store in self.stores.items()}

    @property
    def frames(self) -> int:
        """The most frames that any modality of any clip has."""
        return max(store.records[clip.id].frames for store in self.stores.values() for clip in self.clips)

    def has(self, modality: str) -> np.ndarray:
        """Returns which clips have a modality, `(clips,)`."""
        return np.array([self.stores[modality].records[clip.id].frames > 0 for clip in self.clips], bool)

    @functools.cached_property
    def _readers(self) -> dict[str, Callable]:
        ids = [clip.id for clip in self.clips]
        return {modality: embedding_reader(store, ids) for modality, store in self.stores.items()}

    def inputs(self, indices: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Reads clips `(batch,)`: per modality `(batch, frames, dim)`, zero-padded, and `<modality>_mask`.

        The embeddings stay in half precision on their way to the model, which casts them: half as many bytes to move.
        """
        tensors = {}
        for modality, read in self._readers.items():
            tensors[modality], tensors[f"{modality}_mask"] = read(indices)
        return tensors

    def dataset(self, *, batch_size: int = 40) -> "tf.data.Dataset":
        """Returns all clips in order as batches of (inputs, targets `(batch, classes)`), for validation and test."""
        import tensorflow as tf

        return self._batches(tf.data.Dataset.range(len(self)).batch(batch_size))

    def training_dataset(self, sampler: BalancedSampler, *, steps: int, first_step: int = 0) -> "tf.data.Dataset":
        """Returns the balanced batches `first_step` to `steps` as (inputs, targets)."""
        import tensorflow as tf

        return self._batches(tf.data.Dataset.from_tensor_slices(sampler.batches(first_step, steps)))

    def _batches(self, indices: "tf.data.Dataset") -> "tf.data.Dataset":
        import tensorflow as tf

        targets = tf.constant(self.targets)
        batches = indices.map(lambda some: (self.inputs(some), tf.gather(targets, some)), num_parallel_calls=2)
        return as_written(batches.prefetch(2))
