"""A picture of the course of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.reports.drawing import ACCENT, DOTS_PER_INCH, INK, save_figure
from avkeras.runs.files import read_rows

_TRAINING, _VALIDATION = "#7a8ba0", "#1f5fa8"


def training_curves(
    metrics: str | Path, path: str | Path, *, patience: int | None = 7, keep: int | None = 7, title: str = ""
) -> Path:
    """Draw the training and validation loss per epoch, with the early stop and the epochs of the ensemble.

    Args:
        metrics: CSV with the columns `epoch` (from 1), `loss` and `val_loss`.
        path: the file to write: png, svg or pdf.
        patience: of the early stop (2019, section 3.2.8), which is marked where its rule holds; None: no such rule.
        keep: how many last epochs make the ensemble (section 3.2.9); None: none.
        title: above the figure.

    Returns:
        The file.

    Raises:
        AvkerasError: the table cannot be read or lacks a column.

    Example:
        >>> training_curves("runs/tagging/audio/metrics.csv", "curves.png")
        PosixPath('curves.png')
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from avkeras.training.callbacks import should_stop

    epochs, training, validation = _read_losses(metrics)
    figure = Figure(figsize=(6.8, 3.9), dpi=DOTS_PER_INCH, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for values, colour, name in ((training, _TRAINING, "training"), (validation, _VALIDATION, "validation")):
        axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o", markersize=3, label=name)
    if keep and len(epochs) > 1:
        used = epochs[-keep:]
        label = f"ensemble of {len(used)} epochs"
        axes.axvspan(used[0] - 0.5, used[-1] + 0.5, color=_VALIDATION, alpha=0.08, linewidth=0, label=label)
    if patience and should_stop(validation, patience=patience):
        axes.axvline(epochs[-1], color=ACCENT, linewidth=1.2, linestyle=(0, (4, 2)), label=f"early stop: {epochs[-1]}")
    lowest = int(np.argmin(np.nan_to_num(validation, nan=np.inf)))
    axes.plot(
        epochs[lowest],
        validation[lowest],
        "o",
        markersize=8,
        markerfacecolor="none",
        markeredgecolor=_VALIDATION,
        label=f"lowest: {validation[lowest]:.3g} in epoch {epochs[lowest]}",
    )
    axes.set_xlim(epochs[0] - 0.6, epochs[-1] + 0.6)
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("loss (binary cross-entropy)", color=INK)
    axes.set_title(title, loc="left", size=11, weight="bold", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5, labelcolor=INK)
    return save_figure(figure, path)


def _read_losses(metrics: str | Path) -> tuple[list[int], list[float], list[float]]:
    try:
        rows = read_rows(metrics)
        columns = [[float(row[name]) for row in rows] for name in ("epoch", "loss", "val_loss")]
    except KeyError as error:
        raise AvkerasError(f"{metrics}: has no column {error}; epoch, loss and val_loss are wanted.") from error
    except (TypeError, ValueError) as error:
        raise AvkerasError(f"{metrics}: a value is missing or is no number: {error}") from error
    if not rows:
        raise AvkerasError(f"{metrics}: holds no epoch.")
    return [int(epoch) for epoch in columns[0]], columns[1], columns[2]
