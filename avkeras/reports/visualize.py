"""A picture of what attends to what in a clip (2019, figures 4 to 7)."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.reports.drawing import (
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
from avkeras.serving.clip_attention import ClipAttention, read_attention

if TYPE_CHECKING:
    import keras

    from avkeras.features.embedders import Embedder

_MOST_CELLS = 16  # frames that stand beside each other before some are left out
_MARGIN = 0.12  # inches
_LETTERS_PER_INCH = 11  # of a title


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
        title: above the figure, on up to three lines.

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
    lines = textwrap.wrap(title, int(_LETTERS_PER_INCH * (width - 2 * _MARGIN)), max_lines=3, placeholder=" …")
    tops = [0.2 + 0.22 * len(lines) + 0.08 * bool(lines)]
    for height in (row_heights[second] + gap, row_heights[first] + 0.1, heads * head):
        tops.append(tops[-1] + height)
    height = tops[-1] + 0.52
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.axis("off")
    for line, text in enumerate(lines):
        axes.text(_MARGIN, 0.24 + 0.22 * line, text, size=10.5, weight="bold", color=INK, va="center")

    spectrogram = log_mel(waveform)
    for modality, top in ((second, tops[0]), (first, tops[1])):
        role = f"query at\n{times[query]:.2f} s" if top == tops[0] else "keys"
        axes.text(_MARGIN, top + row_heights[modality] / 2, f"{modality}\n{role}", size=9, color=INK, va="center")
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
        >>> import keras
        >>> from avkeras import load
        >>> hears, sees = (load("runs/tagging/audio+video").embedders[name] for name in ("audio", "video"))
        >>> model = keras.saving.load_model("runs/tagging/audio+video/model.keras")
        >>> clip_attention_figure(
        ...     "clip.png", model, audio="clip.mp4", video="clip.mp4", audio_embedder=hears, video_embedder=sees
        ... )
        PosixPath('clip.png')
    """
    found = read_attention(
        model, audio=audio, video=video, audio_embedder=audio_embedder, video_embedder=video_embedder
    )
    return draw_clip_attention(path, found, query=query, title=title or Path(audio).name)


def draw_clip_attention(path: str | Path, found: ClipAttention, *, query: int | None = None, title: str = "") -> Path:
    """Draw what `avkeras.serving.clip_attention.read_attention` found, see `attention_figure`.

    Args:
        path: the file to write.
        found: the attention; of a clip of several windows the one that holds the query is drawn.
        query: the query frame; default: where the clip's most probable class is most probable.
        title: above the figure.

    Returns:
        The file.

    Raises:
        AvkerasError: the query is not in the clip.
    """
    query = found.best_query if query is None else query
    window = found.window_of(query)
    start, attention = found.starts[window], found.attention[window]
    shown = slice(start, start + attention.shape[1])
    return attention_figure(
        path,
        attention=attention,
        times=found.times[shown],
        query=query - start,
        waveform=found.waveform,
        pictures=None if found.pictures is None else found.pictures[shown],
        seen=None if found.seen is None else found.seen[shown],
        first=found.first,
        second=found.second,
        window=found.window,
        title=title,
    )
