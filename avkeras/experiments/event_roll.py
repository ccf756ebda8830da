"""A picture of the events in a clip beside its spectrogram and its frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.experiments.drawing import ACCENT, DOTS_PER_INCH, FAINT, INK, save_figure
from avkeras.features.extract_detection import HOP, SAMPLE_RATE

if TYPE_CHECKING:
    from avkeras.experiments.predict_events import EventPrediction

_PICTURES = 8
_WIDTH, _LEFT, _RIGHT = 9.0, 1.9, 0.25  # inches
_ROW = 0.27


def event_roll_figure(
    path: str | Path, prediction: EventPrediction, *, video: str | Path | None = None, truth=None
) -> Path:
    """Draw still images, log-mel spectrogram, and for each class its probability over time with the events found.

    The darker a class's row, the higher its frame probability; a bar along it is an event.

    Args:
        path: the file to write; its ending says the format: png, svg or pdf.
        prediction: from `EventPredictor.predict`.
        video: the file with the pictures; default: the predicted file. Without usable video there are no pictures.
        truth: true events, drawn as a thin line below those found; None: not known.

    Returns:
        The file.

    Example:
        >>> event_roll_figure("clip.png", predictor.predict("clip.mp4"))
        PosixPath('clip.png')
    """
    from matplotlib.figure import Figure

    pictures, seen = _pictures(video or prediction.path, prediction.duration)
    classes = list(prediction.probabilities)
    heights = [0.95] * bool(seen.any()) + [1.5, _ROW * len(classes)]
    gap, top, bottom = 0.12, 0.45, 0.55
    height = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure = Figure(figsize=(_WIDTH, height), dpi=DOTS_PER_INCH, facecolor="white")
    axes, place = [], top
    for own in heights:
        box = (_LEFT, height - place - own, _WIDTH - _LEFT - _RIGHT, own)
        axes.append(figure.add_axes(tuple(np.array(box) / [_WIDTH, height, _WIDTH, height])))
        place += own + gap
    figure.text(_LEFT / _WIDTH, 1 - 0.28 / height, prediction.path.name, size=10, color=INK, weight="bold")
    for one in axes:
        one.set_xlim(0, prediction.duration)
        one.tick_params(labelsize=8, length=2, width=0.5, colors=INK)
        for spine in one.spines.values():
            spine.set_linewidth(0.5)
            spine.set_color(FAINT)
    if seen.any():
        _draw_pictures(axes[0], pictures, seen, prediction.duration)
    _draw_spectrogram(axes[-2], prediction)
    _draw_roll(axes[-1], prediction, classes, truth)
    for one in axes[:-1]:
        one.set_xticklabels([])
    axes[-1].set_xlabel("seconds", size=8, color=INK)
    return save_figure(figure, path)


def _pictures(path, duration: float) -> tuple[np.ndarray, np.ndarray]:
    from avkeras.features.video import load_frames

    try:
        return load_frames(path, (np.arange(_PICTURES) + 0.5) * duration / _PICTURES)
    except MediaError:
        return np.zeros((_PICTURES, 1, 1, 3), np.uint8), np.zeros(_PICTURES, bool)


def _draw_pictures(axes, pictures, seen, duration) -> None:
    step = duration / len(pictures)
    box = axes.get_window_extent()
    cell = box.width / len(pictures) / box.height  # width to height of the place for one picture
    for index in np.flatnonzero(seen):
        height, width = pictures.shape[1:3]
        # As large as the place allows, in the picture's own proportions.
        wide, high = min(1.0, width / height / cell), min(1.0, height / width * cell)
        middle = (index + 0.5) * step
        half = 0.485 * wide * step
        axes.imshow(
            pictures[index], extent=(middle - half, middle + half, 0.5 - high / 2, 0.5 + high / 2), aspect="auto"
        )
    axes.set_xlim(0, duration)
    axes.set_ylim(0, 1)
    axes.axis("off")


def _draw_spectrogram(axes, prediction: EventPrediction) -> None:
    levels = prediction.log_mel
    end = len(levels) * HOP / SAMPLE_RATE
    axes.imshow(
        levels.T, extent=(0, end, 0, levels.shape[1]), origin="lower", aspect="auto", cmap="magma", interpolation="none"
    )
    axes.set_xlim(0, prediction.duration)
    axes.set_ylabel("mel band", size=8, color=INK)
    axes.set_yticks([0, levels.shape[1] // 2, levels.shape[1]])


def _draw_roll(axes, prediction: EventPrediction, classes, truth) -> None:
    from matplotlib.patches import Rectangle

    end = len(prediction.scores) * prediction.seconds_per_vector
    axes.imshow(
        prediction.scores.T,
        extent=(0, end, len(classes), 0),
        aspect="auto",
        cmap="Blues",
        vmin=0,
        vmax=1,
        interpolation="none",
    )
    for row in range(1, len(classes)):
        axes.axhline(row, color="white", linewidth=1.5)
    found = {event.label for event in prediction.events}
    for event in prediction.events:
        corner = (event.onset, classes.index(event.label) + 0.3)
        axes.add_patch(Rectangle(corner, event.offset - event.onset, 0.4, color=ACCENT, linewidth=0))
    for event in truth or ():
        row = classes.index(event.label) + 0.88
        axes.plot([event.onset, event.offset], [row, row], color=INK, linewidth=1.2, solid_capstyle="butt")
    axes.set_xlim(0, prediction.duration)
    axes.set_ylim(len(classes), 0)
    axes.set_yticks(np.arange(len(classes)) + 0.5, [name.replace("_", " ") for name in classes])
    for name, label in zip(classes, axes.get_yticklabels(), strict=True):
        label.set_color(ACCENT if name in found else INK)
