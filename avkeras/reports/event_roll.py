"""A picture of the events in a clip beside its spectrogram and its frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import MediaError
from avkeras.features.clip_reading import Decoder
from avkeras.media.decoding_process import ThisProcess
from avkeras.reports.drawing import ACCENT, DOTS_PER_INCH, FAINT, INK, save_figure
from avkeras.serving.clip_attention import SHORT_SIDE

if TYPE_CHECKING:
    from avkeras.serving.prediction import EventPrediction

_PICTURES = 8
_WIDTH, _LEFT, _RIGHT = 9.0, 1.9, 0.25  # inches
_ROW = 0.27
_ENCODERS = ("#cfe0f3", "#fbe3c4", "#d8ecd2", "#ead6ee")


def event_roll_figure(
    path: str | Path,
    prediction: EventPrediction,
    *,
    video: str | Path | None = None,
    truth=None,
    decoder: Decoder | None = None,
) -> Path:
    """Draw still images, log-mel spectrogram, for each class its probability over time, and the encoders' weights.

    The darker a class's row, the higher its frame probability; a bar along it is an event. The bottom row shows, for
    each window of the file, the weights that the encoders got once those of absent inputs were set to 0 (2022,
    section 3.2.2).

    Args:
        path: the file to write; its ending says the format: png, svg or pdf.
        prediction: of a detection model, from `avkeras.load(...).predict`.
        video: the file with the pictures; default: the predicted file. Without usable video there are no pictures.
        truth: true events, drawn as a thin line below those found; None: not known.
        decoder: what decodes the pictures; default: this process.

    Returns:
        The file.

    Example:
        >>> from avkeras import load
        >>> event_roll_figure("clip.png", load("runs/detection").predict("clip.mp4"))
        PosixPath('clip.png')
    """
    from matplotlib.figure import Figure

    pictures, seen = still_images(video or prediction.path, prediction.duration, decoder=decoder)
    classes = list(prediction.probabilities)
    heights = [0.95] * bool(seen.any()) + [1.5, _ROW * len(classes), 0.7]
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
    _draw_spectrogram(axes[-3], prediction)
    _draw_roll(axes[-2], prediction, classes, truth)
    _draw_encoder_weights(axes[-1], prediction)
    for one in axes[:-1]:
        one.set_xticklabels([])
    axes[-1].set_xlabel("seconds", size=8, color=INK)
    return save_figure(figure, path)


def still_images(path: str | Path, duration: float, *, decoder: Decoder | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return 8 pictures spread over a clip, and which of them are there: none, if it has no usable video."""
    times = (np.arange(_PICTURES) + 0.5) * duration / _PICTURES
    try:
        (found,) = (decoder or ThisProcess()).iter_frames(path, times, short_side=SHORT_SIDE)
    except MediaError:
        return np.zeros((_PICTURES, 1, 1, 3), np.uint8), np.zeros(_PICTURES, bool)
    return found


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
    end = len(levels) * prediction.log_mel_hop
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


def _draw_encoder_weights(axes, prediction: EventPrediction) -> None:
    """Draws them one above the other, as high as they are, over the whole of the window that they hold for."""
    for place, shares in enumerate(prediction.encoder_weights):
        left = place * prediction.window
        length = min(prediction.window, prediction.duration - left)
        above = 1.0
        for number, (name, share) in enumerate(shares.items()):
            above -= share
            if not share:
                continue
            colour = _ENCODERS[number % len(_ENCODERS)]
            axes.barh(above, length, height=share, left=left, align="edge", color=colour, edgecolor="white")
            if share >= 0.12 and length > 0.15 * prediction.duration:  # there is room for its name
                text = f"{name} {share:.2f}"
                axes.text(left + length / 2, above + share / 2, text, size=7.5, color=INK, ha="center", va="center")
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["encoder weights"])
