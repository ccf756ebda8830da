"""A loaded embedder: a waveform, or pictures, become a row of numbers per frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.media.audio_track import LOUDEST

if TYPE_CHECKING:
    import tensorflow as tf

# Of sound at a time, so that memory does not grow with the clip: a minute of VGGish's.
_CHUNK_WINDOWS, _CHUNK_SECONDS = 64, 61.44
# Pictures that a network sees at a time, of which two calls may run: a batch of VGG16 takes 0.8 GB.
BATCH_PICTURES = 16


class Embedder:
    """A loaded embedder, called with numpy arrays.

    Args:
        spec: what it takes and gives.
        function: TensorFlow callable from a waveform or a batch of pictures to `(frames, dim)`; extraction
            may call it from two threads at once.
        fingerprint: names what computes the embeddings; changes whenever they may change.
        module: the object that holds the weights. A `tf.Module` that calls `function` and is saved must hold it too.
        folder: that it was loaded from.
        load_again: loads it from there in another process: takes folder, spec and fingerprint.

    Example:
        >>> from avkeras.features.embedders import load_embedder
        >>> embedder = load_embedder("vggish_stand_in")
        >>> embedder(np.zeros(160_000, "float32")).shape
        (10, 128)
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        function: Callable[[Any], tf.Tensor],
        *,
        fingerprint: str,
        module: Any = None,
        folder: Path | None = None,
        load_again: Callable[..., Embedder] | None = None,
    ) -> None:
        self.spec = spec
        self.function = function
        self.fingerprint = fingerprint
        self.module = module
        self.folder = folder
        self.load_again = load_again

    def __reduce__(self) -> tuple:
        """Pickle as the folder that it was loaded from."""
        if self.folder is None or self.load_again is None:
            raise AvkerasError(f"{self.spec.name}: was not loaded from a folder, so other processes cannot have it.")
        return self.load_again, (str(self.folder.resolve()), self.spec, self.fingerprint)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Embed the waveform or the pictures of one clip.

        A waveform that is shorter than one window is padded with zeros to one window (TF Hub's modules would give
        no frame at all); `padding` says by how much. What is left after the last whole window is not embedded,
        by VGGish's contract.

        Args:
            array: a waveform `(samples,)` at the rate of `spec`, or pictures `(frames, height, width, 3)`, of any
                length: the network sees 64 frames or 16 pictures at a time.

        Returns:
            `(frames, dim)` float32.

        Raises:
            AvkerasError: an input of another shape, type or range, or an output of another width.
        """
        array = np.asarray(array)
        if self.spec.modality == "audio":
            parts = self.pieces([array])
        else:
            self._check_pictures(array)
            parts = (array[start : start + BATCH_PICTURES] for start in range(0, len(array), BATCH_PICTURES))
        return np.concatenate([np.zeros((0, self.spec.dim), np.float32), *map(self.embed_piece, parts)])

    def pieces(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Cut a waveform that comes in blocks into what the network takes at a time, without holding it whole.

        Cuts lie where frames begin, so the rows of the pieces, one after the other, are those of the whole waveform;
        the first piece is padded if all of it is shorter than one window.

        Args:
            blocks: of any lengths, `(samples,)`.

        Yields:
            Waveforms `(samples,)` of 64 frames, for `embed_piece`.

        Raises:
            AvkerasError: a block is no waveform, holds what is not finite or exceeds 32, or there is no sample at all.

        Example:
            >>> from avkeras.features.embedders import load_embedder
            >>> embedder = load_embedder("vggish_stand_in")
            >>> minutes = [np.zeros(960_000, "float32")] * 3
            >>> [len(embedder.embed_piece(piece)) for piece in embedder.pieces(minutes)]
            [64, 64, 59]
        """
        hop = round(self.spec.hop * self.spec.sample_rate)
        step = max(1, min(_CHUNK_WINDOWS, round(_CHUNK_SECONDS / self.spec.hop))) * hop
        # A last frame may be of fewer samples than a hop; a piece that is not the last holds whole ones.
        whole = step + max(0, self.spec.least_samples - hop)
        held, total = np.zeros(0, np.float32), 0
        for block in map(np.asarray, blocks):
            if block.ndim != 1 or not np.issubdtype(block.dtype, np.floating):
                raise AvkerasError(
                    f"{self.spec.name}: takes a mono waveform (samples,) of floats in [-1, 1], "
                    f"not an array {block.shape} of {block.dtype}."
                )
            peak = float(np.abs(block).max(initial=0))
            if not np.isfinite(peak):
                raise AvkerasError(
                    f"{self.spec.name}: the waveform holds samples that are not finite (NaN or infinity)."
                )
            if peak > LOUDEST:
                raise AvkerasError(
                    f"{self.spec.name}: takes floats in [-1, 1] and the waveform reaches {peak:.4g}; "
                    "divide 16-bit values by 32768."
                )
            total += len(block)
            held = np.concatenate([held, block]) if len(held) else block
            while len(held) > whole:
                yield held[:whole]
                held = held[step:]
        if not total:
            raise AvkerasError(f"{self.spec.name}: the waveform is empty.")
        yield np.pad(held, (0, self.padding(total)))

    def embed_piece(self, piece: np.ndarray) -> np.ndarray:
        """Embed one of the `pieces`, or a batch of pictures, by one call of the network.

        Returns:
            `(frames, dim)` float32.

        Raises:
            AvkerasError: an output of another width.

        Example:
            >>> from avkeras.features.embedders import load_embedder
            >>> load_embedder("vggish_stand_in").embed_piece(np.zeros(31_200, "float32")).shape
            (2, 128)
        """
        embedded = np.asarray(self.function(piece.astype(np.float32, copy=False)), np.float32)
        if embedded.ndim != 2 or embedded.shape[1] != self.spec.dim:
            raise AvkerasError(
                f"{self.spec.name}: gave an output of shape {embedded.shape}, (frames, {self.spec.dim}) expected."
            )
        return embedded

    def padding(self, samples: int) -> int:
        """Return how many zeros a waveform of so many samples gets: up to one window, 0 if it has one.

        Example:
            >>> from avkeras.features.embedders import load_embedder
            >>> load_embedder("vggish_stand_in").padding(8_000)
            7600
        """
        return max(0, (self.spec.least_samples or 0) - samples)

    def frame_times(self, frames: int) -> np.ndarray:
        """Return the centres of an audio embedder's frames in seconds: 0.48 + 0.96 i for VGGish.

        Raises:
            AvkerasError: a video embedder, whose pictures are taken at times of the caller's choice.

        Example:
            >>> from avkeras.features.embedders import load_embedder
            >>> load_embedder("vggish_stand_in").frame_times(2)
            array([0.48, 1.44])
        """
        if self.spec.modality != "audio":
            raise AvkerasError(f"{self.spec.name}: a video embedder has no frame times of its own.")
        return self.spec.window / 2 + self.spec.hop * np.arange(frames)

    def _check_pictures(self, array: np.ndarray) -> None:
        height, width = self.spec.size or ("height", "width")
        fits = array.ndim == 4 and array.shape[3] == 3 and self.spec.size in (None, array.shape[1:3])
        if not fits:
            wanted = f"(frames, {height}, {width}, 3)"
            raise AvkerasError(f"{self.spec.name}: takes RGB pictures {wanted}, not an array {array.shape}.")
        least, most = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        if not np.isfinite(least + most):
            raise AvkerasError(f"{self.spec.name}: the pictures hold values that are not finite (NaN or infinity).")
        if not np.issubdtype(array.dtype, np.floating) or least < -0.001 or most > 1.001:
            raise AvkerasError(f"{self.spec.name}: takes pictures as floats in [0, 1]; divide 8-bit values by 255.")
