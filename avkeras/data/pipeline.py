"""From stores of embeddings to tf.data sets that `model.fit` and `model.predict` take."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

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
        >>> clips.targets.tolist(), clips.batch([0])["audio"].shape
        ([[0.0, 1.0]], (1, 3, 2))
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

    def batch(self, indices) -> dict[str, np.ndarray]:
        """Reads clips: per modality `(clips, frames, dim)`, half precision, zero-padded, and `<modality>_mask`."""
        ids = [self.clips[index].id for index in indices]
        arrays = {}
        for modality, store in self.stores.items():
            frames = max(1, *(store.records[id].frames for id in ids))
            values = np.zeros((len(ids), frames, store.dim), np.float16)
            mask = np.zeros((len(ids), frames), bool)
            for place, id in enumerate(ids):
                count = store.records[id].frames
                if count:
                    store.read(id, out=values[place, :count])
                    mask[place, :count] = store.mask(id)
            arrays |= {modality: values, f"{modality}_mask": mask}
        return arrays

    def dataset(self, *, batch_size: int = 40) -> "tf.data.Dataset":
        """Returns all clips in order as batches of (inputs, targets `(batch, classes)`), for validation and test."""
        starts = range(0, len(self), batch_size)
        return self._batches(
            [np.arange(start, min(start + batch_size, len(self))) for start in starts].__getitem__, len(starts)
        )

    def training_dataset(self, sampler: BalancedSampler, *, steps: int, first_step: int = 0) -> "tf.data.Dataset":
        """Returns the balanced batches `first_step` to `steps` as (inputs, targets)."""
        return self._batches(sampler.batch, steps, first=first_step)

    def _batches(self, choose, stop: int, *, first: int = 0) -> "tf.data.Dataset":
        import tensorflow as tf

        names = [name for modality in self.stores for name in (modality, f"{modality}_mask")]

        def read(step):
            indices = choose(int(step))
            arrays = self.batch(indices)
            return [*(arrays[name] for name in names), self.targets[indices]]

        def load(step):
            types = [tf.bool if name.endswith("_mask") else tf.float16 for name in names]
            *arrays, targets = tf.numpy_function(read, [step], [*types, tf.float32])
            inputs = {}
            for name, array in zip(names, arrays, strict=True):
                if name.endswith("_mask"):
                    inputs[name] = tf.ensure_shape(array, (None, None))
                else:
                    inputs[name] = tf.cast(tf.ensure_shape(array, (None, None, self.stores[name].dim)), tf.float32)
            return inputs, tf.ensure_shape(targets, (None, len(self.classes)))

        steps = tf.data.Dataset.range(first, stop)
        return steps.map(load, num_parallel_calls=2, deterministic=True).prefetch(4)
