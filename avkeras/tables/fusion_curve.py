"""What ways of fusion gain over audio alone, by availability of video: as a picture and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.reports.availability_curve import availability_curve
from avkeras.tables.paper_tables import AVAILABILITY, BASELINE

if TYPE_CHECKING:
    from avkeras.tables.numbers import Gain

LABEL = f"event-based F1 over {BASELINE}, points"


def write_curve(gains: Sequence[Gain], path: Path) -> Path | None:
    """Draws the rows that have all their gains with intervals; None, and no file: there is none.

    Args:
        gains: of the table `fusion`.
        path: the picture.
    """
    curves: dict[str, list] = {}
    for gain in gains:
        if gain.interval:
            curves.setdefault(gain.row, []).append((gain.mean, *gain.interval))
    curves = {row: points for row, points in curves.items() if len(points) == len(AVAILABILITY)}
    if not curves:
        path.unlink(missing_ok=True)  # of other rows, from before
        return None
    title = f"What video is worth, by how many clips have it: {min(gain.runs for gain in gains)} runs, 95 % intervals"
    return availability_curve([100 * share for share in AVAILABILITY], curves, path, title=title, label=LABEL)


def gain_lines(gains: Sequence[Gain]) -> list[str]:
    """Returns the gains as a table in Markdown, and from which share on each way is worth its while."""
    if not gains:
        return []
    columns = list(dict.fromkeys(gain.column for gain in gains))
    lines = [
        "",
        f"Gain in {LABEL}: mean of the differences of the same seeds, with its 95 % interval by Student's t.",
        "",
    ]
    lines += [f"| | {' | '.join(columns)} | worth it |", f"|---|{'---|' * (len(columns) + 1)}"]
    for row in dict.fromkeys(gain.row for gain in gains):
        own = [gain for gain in gains if gain.row == row]
        lines.append(f"| {row} | {' | '.join(map(_text, own))} | {_worth(own)} |")
    return lines


def _text(gain: Gain) -> str:
    interval = f" ({gain.interval[0]:+.1f} to {gain.interval[1]:+.1f})" if gain.interval else ""
    return f"{gain.mean:+.1f}{interval}"


def _worth(gains: Sequence[Gain]) -> str:
    """Says from which share of clips with video on all intervals lie above 0."""
    first = None
    for gain in reversed(gains):
        if not gain.interval or gain.interval[0] <= 0:
            break
        first = gain.column
    return f"from {first} on" if first else "not shown"
