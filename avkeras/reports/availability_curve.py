"""A picture of what video is worth by the share of the clips that have it (2022, section 3.2.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from avkeras.reports.drawing import ACCENT, DOTS_PER_INCH, FAINT, INK, save_figure

_COLUMNS = 4
_LINES = ("#1f5fa8", ACCENT)


def availability_curve(
    shares: Sequence[float],
    curves: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]],
    path: str | Path,
    *,
    title: str,
    label: str,
) -> Path:
    """Draw a panel per way of fusion: gains by share of clips with video, with their intervals.

    A point is filled where the whole interval lies above 0.

    Args:
        shares: of the clips that have video, in %.
        curves: by title, up to two by name, of each share `(mean, low, high)`.
        path: the file to write: png, svg or pdf.
        title: above the figure.
        label: of the vertical axes.

    Returns:
        The file.

    Example:
        >>> import tempfile
        >>> curves = {"gate": {"over audio": [(0.0, -1.0, 1.0), (4.0, 3.0, 5.0)]}}
        >>> path = Path(tempfile.mkdtemp(), "gate.png")
        >>> availability_curve([0, 100], curves, path, title="demo", label="gain").name
        'gate.png'
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(curves) + 1)
    rows = math.ceil((len(curves) + 1) / columns)  # the last panel is the legend's
    figure = Figure(figsize=(1.4 + 2.5 * columns, 0.9 + 2.2 * rows), dpi=DOTS_PER_INCH, facecolor="white")
    figure.set_layout_engine("constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(curves) :]:
        axes.set_axis_off()
    drawn = {}
    for place, (axes, (name, kinds)) in enumerate(zip(panels.flat, curves.items(), strict=False)):
        axes.axhline(0, color=FAINT, linewidth=1, linestyle=(0, (4, 2)))
        for colour, (kind, points) in zip(_LINES, kinds.items(), strict=False):
            means, lows, highs = zip(*points, strict=True)
            axes.fill_between(shares, lows, highs, color=colour, alpha=0.13, linewidth=0)
            (drawn[kind],) = axes.plot(shares, means, color=colour, linewidth=1.8)
            for share, mean, low in zip(shares, means, lows, strict=True):
                filled = colour if low > 0 else "white"
                axes.plot(share, mean, "o", markersize=4.5, color=filled, markeredgecolor=colour)
        axes.set_title(name, loc="left", size=9, color=INK)
        axes.set_xticks(shares)
        axes.tick_params(labelsize=8, colors=INK, labelbottom=place + columns >= len(curves))
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("test clips that keep their video (%)", size=9, color=INK)
    figure.supylabel(label, size=9, color=INK)
    legend = panels.flat[len(curves)]
    legend.legend(drawn.values(), drawn, loc="center left", frameon=False, fontsize=8.5, labelcolor=INK)
    legend.text(0.05, 0.25, "filled: interval above 0", size=8.5, color=INK, transform=legend.transAxes)
    figure.suptitle(title, x=0.01, ha="left", size=10, weight="bold", color=INK)
    return save_figure(figure, path)
