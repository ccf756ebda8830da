"""A picture of what attends to what in a clip (2019, figures 4 to 7)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.experiments.drawing import (
    ACCENT,
    DOTS_PER_INCH,
    INK,
    draw_picture,
    draw_ring,
    draw_sound,
    draw_weights,
    log_mel,
    save_figure,
)

if TYPE_CHECKING:
    import keras

    from avkeras.features.embedders import Embedder

_MOST_CELLS = 16  # frames that stand beside each other before some are left out


def attention_figure(
    path: str | Path,
    *,
    attention: np.ndarray,
    times: np.ndarray,
    query: int,
    waveform: np.ndarray,
    pictures: np.ndarray | None = None,
    seen: np.ndarray | None = None,
    first: str = "video",
    second: str = "audio",
    window: float = 0.96,
    title: str = "",
) -> Path:
    """Draw cross-modal attention in a clip, arranged as in the 2019 paper's figures 4 to 7.

    From top to bottom: the frames of the second input with a ring around the query; the frames of the first input,
    which are the keys; and under each key its attention weights, a row per head. Lines from the query are the darker
    the higher the mean weight of the heads. Of more than 16 frames only every second, third, ... picture is shown;
    sounds and weights are shown whole.

    Args:
        path: the file to write; its ending says the format: png, svg or pdf.
        attention: weights of one decoder block for this clip, `(heads, queries, keys)`.
        times: centres of the frames in seconds, `(frames,)`, for queries and keys.
        query: index of the query frame.
        waveform: the clip's sound at 16 kHz, `(samples,)`.
        pictures: RGB uint8 `(frames, height, width, 3)`, or None: no video.
        seen: which pictures are there, `(frames,)`; default: all.
        first: modality of the keys, "video" or "audio".
        second: modality of the queries.
        window: seconds of sound that an audio frame stands for.
        title: above the figure.

    Returns:
        The file.

    Raises:
        AvkerasError: shapes that do not fit each other, or a file that cannot be written.

    Example:
        >>> attention_figure(
        ...     "attention.png", attention=np.full((3, 10, 10), 0.1), times=0.48 + 0.96 * np.arange(10), query=4,
        ...     waveform=np.zeros(160_000, "float32"),
        ... )
        PosixPath('attention.png')
    """
    from matplotlib.figure import Figure

    heads, queries, keys = attention.shape
    if not queries == keys == len(times) or not 0 <= query < queries:
        raise AvkerasError(f"attention {attention.shape}, {len(times)} times and query {query} do not fit each other.")
    step = math.ceil(keys / _MOST_CELLS)
    groups = [range(begin, min(begin + step, keys)) for begin in range(0, keys, step)]
    column = min(1.15, 13 / len(groups)) / step
    shape = (9, 16) if pictures is None else pictures.shape[1:3]
    row_heights = {"audio": 0.8 * step * column, "video": step * column * min(1.3, max(0.5, shape[0] / shape[1]))}

    # All is placed in inches, from the top; the axes cover the figure.
    left, head, gap = 0.95, 0.34, 0.42
    width = left + max(keys * column, 3.4) + 0.95
    tops = [0.5 if title else 0.2]
    for height in (row_heights[second] + gap, row_heights[first] + 0.1, heads * head):
        tops.append(tops[-1] + height)
    height = tops[-1] + 0.52
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.axis("off")
    if title:
        most = int(9 * (width - left))  # letters that fit in
        title = title if len(title) <= most else f"{title[: most - 1]}…"
        axes.text(left, 0.2, title, size=11, weight="bold", color=INK, va="center")

    spectrogram = log_mel(waveform)
    for modality, top in ((second, tops[0]), (first, tops[1])):
        role = f"query at\n{times[query]:.2f} s" if top == tops[0] else "keys"
        axes.text(0.12, top + row_heights[modality] / 2, f"{modality}\n{role}", size=9, color=INK, va="center")
        for group in groups:
            box = (left + group[0] * column, top, len(group) * column, row_heights[modality])
            if modality == "audio":
                draw_sound(axes, box, spectrogram, times[group[0]] - window / 2, times[group[-1]] + window / 2)
            else:
                shown = query if top == tops[0] and query in group else group[len(group) // 2]
                there = pictures is not None and (seen is None or seen[shown])
                draw_picture(axes, box, pictures[shown] if there else None)

    weights = attention[:, query]
    start = (left + (query + 0.5) * column, tops[0] + row_heights[second] + 0.03)
    draw_ring(axes, (left + query * column, tops[0], column, row_heights[second]))
    for key, strength in enumerate(weights.mean(axis=0) / max(weights.mean(axis=0).max(), 1e-12)):
        end = (left + (key + 0.5) * column, tops[1] - 0.04)
        axes.plot(*zip(start, end, strict=True), color=ACCENT, alpha=0.9 * strength, linewidth=0.4 + 1.4 * strength)
    heat_box = (left, tops[2], keys * column, heads * head)
    draw_weights(figure, axes, heat_box, weights, [f"{time:.2f}" for time in times])
    return save_figure(figure, path)


def clip_attention_figure(
    path: str | Path,
    model: keras.Model,
    *,
    audio: str | Path,
    video: str | Path | None,
    audio_embedder: Embedder,
    video_embedder: Embedder | None,
    query: int | None = None,
    title: str = "",
) -> Path:
    """Draw the cross-modal attention of a model's last decoder block in a clip, see `attention_figure`.

    Args:
        path: the file to write.
        model: an `AudiovisualTransformer`, or an ensemble, whose last member is drawn.
        audio: the clip's sound.
        video: its pictures, or None.
        audio_embedder: as in training.
        video_embedder: as in training; None where the model only hears.
        query: the query frame; default: where the clip's most probable class is most probable.
        title: above the figure; default: the file's name.

    Returns:
        The file.

    Raises:
        MediaError: the sound cannot be used.
        AvkerasError: the model tells no attention, or the query is not in the clip.

    Example:
        >>> clip_attention_figure("clip.png", model, audio="clip.mp4", video="clip.mp4",
        ...                       audio_embedder=vggish, video_embedder=vgg16)
        PosixPath('clip.png')
    """
    from avkeras.features.extract import decode_clip, embed_media
    from avkeras.features.video import load_frames

    members = [part for part in (model, *model.layers) if hasattr(part, "with_attention")]
    if not members:
        raise AvkerasError(f"{model.name}: gives no attention; an AudiovisualTransformer or an ensemble is wanted.")
    embedders = {"audio_embedder": audio_embedder, "video_embedder": video_embedder}
    media = decode_clip(audio, video, **embedders)
    clip = embed_media(media, **embedders)
    inputs = {}
    config = members[-1].get_config()
    for modality in dict.fromkeys((config["first"], config["second"])):
        absent = clip.video is None and modality == "video"
        found = np.zeros((len(clip.times), config["dims"][modality]), "float32") if absent else getattr(clip, modality)
        mask = np.full(len(clip.times), not absent) if absent or modality == "audio" else clip.video_mask
        inputs |= {modality: found[None], f"{modality}_mask": mask[None]}
    outputs = {name: np.asarray(value)[0] for name, value in members[-1].with_attention()(inputs).items()}
    best = int(outputs["probabilities"].argmax())
    # The embedder's pictures may be squeezed into a square; people want to see them as they are.
    pictures = None if clip.video is None else load_frames(video, clip.times)[0]
    return attention_figure(
        path,
        attention=outputs[f"attention_{config['blocks']}"].astype("float32"),
        times=clip.times,
        query=int(outputs["frame_probabilities"][:, best].argmax()) if query is None else query,
        waveform=media.waveform,
        pictures=pictures,
        seen=clip.video_mask,
        first=config["first"],
        second=config["second"],
        window=audio_embedder.spec.window,
        title=title or Path(audio).name,
    )
