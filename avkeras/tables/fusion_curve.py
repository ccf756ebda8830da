"""What ways of fusion make of video, by its availability: as a picture and as lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from avkeras.reports.availability_curve import availability_curve
from avkeras.tables.cells import PaperTable
from avkeras.tables.numbers import gains
from avkeras.tables.paper_tables import AVAILABILITY, BASELINE, FUSION_METRICS

if TYPE_CHECKING:
    from avkeras.tables.numbers import Gain

FusionGains: TypeAlias = "Mapping[str, Mapping[str, Sequence[Gain]]]"  # of a metric: by row, then by what they are over
OVER_AUDIO, OVER_ITSELF = f"over {BASELINE}", "over itself without video"


def fusion_gains(table: PaperTable, runs: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, FusionGains]:
    """Returns by metric and row the gains over audio only, and over the same model without video.

    Args:
        table: `fusion`, or rows of it.
        runs: by cell and seed, from `ResultsFile.runs`.
    """
    found: dict[str, Any] = {metric: {} for metric in FUSION_METRICS}
    for metric, rows in found.items():
        places = tuple(place for place in table.places if place.metric.startswith(metric))
        for kind, over in ((OVER_AUDIO, BASELINE), (OVER_ITSELF, None)):
            for gain in gains(dataclasses.replace(table, places=places), runs, over=over):
                if gain.row != BASELINE:
                    rows.setdefault(gain.row, {}).setdefault(kind, []).append(gain)
    return found


def write_curve(metric: str, found: FusionGains, path: Path) -> Path | None:
    """Draws the gains that have intervals; None, and no file: there are none.

    Args:
        metric: its name.
        found: of the metric, from `fusion_gains`.
        path: the picture.
    """
    curves = {
        row: {
            kind: [(gain.mean, *gain.interval) for gain in own if gain.interval]
            for kind, own in kinds.items()
            if all(gain.interval for gain in own) and len(own) == len(AVAILABILITY)
        }
        for row, kinds in found.items()
    }
    curves = {row: kinds for row, kinds in curves.items() if kinds}
    if not curves:
        path.unlink(missing_ok=True)  # of other rows, from before
        return None
    runs = min(gain.runs for kinds in found.values() for own in kinds.values() for gain in own)
    title = f"What video is worth, by how many clips have it: {runs} runs, 95 % intervals"
    return availability_curve(
        [100 * share for share in AVAILABILITY], curves, path, title=title, label=f"gain in {metric}, points"
    )


def gain_lines(metric: str, found: FusionGains) -> list[str]:
    """Returns the gains as tables in Markdown, and from which share of clips with video on they are above 0.

    Args:
        metric: its name.
        found: of the metric, from `fusion_gains`.
    """
    lines = []
    for kind in (OVER_AUDIO, OVER_ITSELF):
        rows = {row: kinds[kind] for row, kinds in found.items() if kind in kinds}
        if not rows:
            continue
        columns = [_share(gain) for gain in next(iter(rows.values()))]
        lines += [
            "",
            f"Gain in {metric}, points, {kind}: mean of the differences of the same seeds, with its 95 % interval",
        ]
        lines += ["by Student's t.", ""]
        lines += [f"| | {' | '.join(columns)} | above 0 |", f"|---|{'---|' * (len(columns) + 1)}"]
        lines += [f"| {row} | {' | '.join(map(_text, own))} | {_above(own)} |" for row, own in rows.items()]
    return lines


def _share(gain: Gain) -> str:
    return gain.column.rpartition(", ")[2]


def _text(gain: Gain) -> str:
    interval = f" ({gain.interval[0]:+.1f} to {gain.interval[1]:+.1f})" if gain.interval else ""
    return f"{gain.mean:+.1f}{interval}"


def _above(own: Sequence[Gain]) -> str:
    """Says from which share of clips with video on all intervals lie above 0."""
    first = None
    for gain in reversed(own):
        if not gain.interval or gain.interval[0] <= 0:
            break
        first = _share(gain)
    return f"from {first} on" if first else "not shown"
