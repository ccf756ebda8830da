"""The cross-modal attention of a model in one clip, with what a person needs to see of the clip beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError, MediaError
from avkeras.serving.tagging import window_inputs
from avkeras.serving.windows import window_starts

if TYPE_CHECKING:
    import keras

    from avkeras.features.embedder import Embedder

SHORT_SIDE = 256  # pixels: what figures and pages show of a picture


@dataclass(frozen=True)
class ClipAttention:
    """The cross-modal attention of the last decoder block in a clip (2019, figures 4 to 7).

    Args:
        attention: weights `(heads, queries, keys)` of each window; a window is a part of the clip no longer than the
            clips in training.
        starts: first frame of each window.
        times: centres of the frames in seconds, `(frames,)`.
        window: seconds of sound that a frame stands for.
        first: modality of the keys, `audio` or `video`.
        second: modality of the queries.
        probabilities: of the clip, `(classes,)`, by the whole ensemble: the highest of the windows.
        frame_probabilities: `(frames, classes)`, by the member whose attention this is.
        waveform: the sound at 16 kHz, `(samples,)`.
        pictures: RGB uint8 `(frames, height, width, 3)`, or None: no video.
        seen: which pictures are there, `(frames,)`, or None.
        notes: what was padded, missing or replaced, a line each.
    """

    attention: tuple[np.ndarray, ...]
    starts: tuple[int, ...]
    times: np.ndarray
    window: float
    first: str
    second: str
    probabilities: np.ndarray
    frame_probabilities: np.ndarray
    waveform: np.ndarray
    pictures: np.ndarray | None
    seen: np.ndarray | None
    notes: tuple[str, ...]

    @property
    def best_query(self) -> int:
        """The frame in which the clip's most probable class is most probable."""
        return int(self.frame_probabilities[:, self.probabilities.argmax()].argmax())

    def window_of(self, query: int) -> int:
        """Returns the first window that holds a frame.

        Raises:
            AvkerasError: the clip has no such frame.
        """
        if not 0 <= query < len(self.times):
            raise AvkerasError(f"query {query}: the clip's frames are 0 to {len(self.times) - 1}")
        return next(
            place
            for place, (start, weights) in enumerate(zip(self.starts, self.attention, strict=True))
            if start <= query < start + weights.shape[1]
        )


def read_attention(
    model: keras.Model,
    *,
    audio: str | Path,
    video: str | Path | None,
    audio_embedder: Embedder,
    video_embedder: Embedder | None,
    frames: int | None = None,
) -> ClipAttention:
    """Embed a clip and read the attention of a model's last decoder block.

    Args:
        model: an `AudiovisualTransformer`, or an ensemble, whose last member is asked.
        audio: the clip's sound.
        video: its pictures, or None.
        audio_embedder: as in training.
        video_embedder: as in training; None where the model only hears.
        frames: the most frames that a clip had in training; a longer one is cut into windows. None: no limit.

    Raises:
        MediaError: the sound cannot be used, or the model only sees and there is no usable video.
        AvkerasError: the model tells no attention.
    """
    from keras.ops import convert_to_numpy

    from avkeras.features.clip_reading import read_clip
    from avkeras.features.extract import WindowReader
    from avkeras.media.audio import load_audio

    members = [part for part in (model, *model.layers) if hasattr(part, "with_attention")]
    if not members:
        raise AvkerasError(f"{model.name}: gives no attention; an AudiovisualTransformer or an ensemble is wanted.")
    clip = read_clip(WindowReader(audio_embedder, video_embedder), audio, video)
    config = members[-1].get_config()
    first, second = config["first"], config["second"]
    if not clip.visual and first == second == "video":
        raise MediaError(
            audio, f"this model only sees ({'; '.join(clip.notes) or 'no video'}): use one that also hears"
        )
    starts = window_starts(len(clip.times), frames)
    length = min(frames or len(clip.times), len(clip.times))
    telling = members[-1].with_attention()
    dims = {modality: config["dims"][modality] for modality in dict.fromkeys((first, second))}
    windows = [window_inputs(clip, dims, [start], length) for start in starts]
    found = [telling(inputs) for inputs in windows]
    found = [
        {name: convert_to_numpy(value)[0].astype("float32") for name, value in outputs.items()} for outputs in found
    ]
    # The last window may lie over the one before it, which keeps its frames.
    rows = [found[0]["frame_probabilities"]]
    for before, start, outputs in zip(starts, starts[1:], found[1:], strict=False):
        rows.append(outputs["frame_probabilities"][before + length - start :])
    return ClipAttention(
        attention=tuple(outputs[f"attention_{config['blocks']}"] for outputs in found),
        starts=tuple(starts),
        times=clip.times,
        window=audio_embedder.spec.window,
        first=first,
        second=second,
        probabilities=np.max([convert_to_numpy(model(inputs))[0] for inputs in windows], axis=0),
        frame_probabilities=np.concatenate(rows),
        waveform=load_audio(audio),
        # The embedder's pictures may be squeezed into a square; people want to see them as they are.
        pictures=_pictures(video, clip.times) if clip.visual else None,
        seen=clip.seen,
        notes=tuple(clip.notes),
    )


def _pictures(video: str | Path, times: np.ndarray) -> np.ndarray:
    from avkeras.media.video import load_frames

    return load_frames(video, times, short_side=SHORT_SIDE)[0]
