"""Parts of a figure that are placed in inches from its upper left corner."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.runs.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, FAINT = "#222222", "#e4572e", "#8a8a8a"
DOTS_PER_INCH = 150

Box = tuple[float, float, float, float]  # left, top, width, height


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Return the spectrogram of 16 kHz sound: VGGish's 64 bands by 10 ms, from -70 to 0 dB of the loudest."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=512, win_length=400, hop_length=160, n_mels=64, fmin=125, fmax=7500, htk=True
    )
    # Silence is not lifted to 0 dB.
    return np.maximum(librosa.power_to_db(mel, ref=max(float(mel.max()), 1e-6), top_db=None), -70.0)


def draw_sound(axes: Axes, box: Box, spectrogram: np.ndarray, start: float, end: float) -> None:
    """Draw what `log_mel` gives from one second to another; black where there is no sound."""
    _draw_image(axes, box, sound_slice(spectrogram, start, end), cmap="magma", vmin=-70, vmax=0)


def sound_slice(spectrogram: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return what `log_mel` gives from one second to another, high bands first; -70 dB where there is no sound."""
    columns = np.arange(round(100 * start), round(100 * end))
    inside = (columns >= 0) & (columns < spectrogram.shape[1])
    part = np.full((len(spectrogram), len(columns)), -70.0)
    part[:, inside] = spectrogram[:, columns[inside]]
    return part[::-1]


def as_picture(levels: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """Return levels `(bands, columns)` in the colours of the figures: RGB uint8."""
    from matplotlib import colormaps

    return colormaps["magma"](np.clip((levels - low) / max(high - low, 1e-9), 0, 1), bytes=True)[..., :3]


def draw_picture(axes: Axes, box: Box, picture: np.ndarray | None) -> None:
    """Draw an RGB picture, or say that there is none."""
    left, top, width, height = box
    if picture is not None:
        _draw_image(axes, box, picture)
        return
    _draw_image(axes, box, np.full((1, 1, 3), 236, np.uint8))
    axes.text(left + width / 2, top + height / 2, "no\npicture", size=7, color=FAINT, ha="center", va="center")


def _draw_image(axes: Axes, box: Box, image: np.ndarray, **options) -> None:
    left, top, width, height = box
    inset = 0.02  # inches between neighbours
    extent = (left + inset, left + width - inset, top + height, top)
    axes.imshow(image, extent=extent, aspect="auto", interpolation="antialiased", **options)


def draw_ring(axes: Axes, box: Box) -> None:
    """Draw a rounded frame around a box."""
    from matplotlib.patches import FancyBboxPatch

    left, top, width, height = box
    style = "round,pad=0.03,rounding_size=0.1"
    axes.add_patch(
        FancyBboxPatch((left, top), width, height, boxstyle=style, fill=False, edgecolor=ACCENT, linewidth=2.6)
    )


def draw_weights(figure: Figure, axes: Axes, box: Box, weights: np.ndarray, labels: list[str]) -> None:
    """Draw the heat map of `(heads, keys)` with its labels and its colour bar."""
    left, top, width, height = box
    heads, keys = weights.shape
    column, row = width / keys, height / heads
    highest = max(float(weights.max()), 1e-12)
    extent = (left, left + width, top + height, top)
    image = axes.imshow(
        weights, extent=extent, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0, vmax=highest
    )
    for head in range(heads):
        axes.text(left - 0.1, top + (head + 0.5) * row, f"head {head + 1}", size=8, color=INK, ha="right", va="center")
        for key in range(keys) if column > 0.45 else ():
            value = weights[head, key]
            colour = "white" if value > 0.6 * highest else INK
            place = (left + (key + 0.5) * column, top + (head + 0.5) * row)
            axes.text(*place, f"{value:.2f}", size=7.5, color=colour, ha="center", va="center")
    for key in range(0, keys, math.ceil(0.4 / column)):
        place = (left + (key + 0.5) * column, top + height + 0.06)
        axes.text(*place, labels[key], size=8, color=INK, ha="center", va="top")
    axes.text(left, top + height + 0.27, "centre of the key frame (s)", size=8, color=FAINT, va="top")
    size = np.tile(figure.get_size_inches(), 2)
    bar = figure.add_axes(tuple((left + width + 0.15, size[1] - top - height, 0.12, height) / size))
    figure.colorbar(image, cax=bar).outline.set_linewidth(0.5)
    bar.tick_params(labelsize=7.5, length=2, width=0.5, colors=INK)
    bar.set_title("weight", size=7.5, color=INK, loc="left", pad=3)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure in the format that its file's ending says, and make the folder if need be.

    Raises:
        AvkerasError: another ending than .png, .svg or .pdf, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise AvkerasError(f"{path}: figures are written as .png, .svg or .pdf.")
    with whole_file(path) as partial:
        figure.savefig(partial)
    return path
