"""What a person sees of fetching in the terminal."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avkeras.commands.terminal import with_options
from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    from pathlib import Path

    from avkeras.datasets.fetch import FetchSummary
    from avkeras.datasets.status import PartStatus

_NEXT = {
    "dcase2017": "python recipes/dcase2017_av.py --data {}",
    "dcase2018": "avkeras train detection --system crnn_2020 --data {} --batch '[0, 12, 12]' --out runs/first",
    "dcase2020": "python recipes/dcase2020_multi_encoder.py --data {}",
    "audioset": "avkeras score {}",
}
_OTHERS = "avkeras extract {} --embedders vggish vgg16"  # of what has test clips alone
_SHOWN = 5
_FETCH_OPTIONS = ("--media",)  # that reasons may speak of


def show_fetch(task: str, folder: "Path", summary: "FetchSummary") -> None:
    """Shows what a fetch did and what comes next.

    Raises:
        AvkerasError: the run ended early or came to nothing; its text says why and what to do.
    """
    tried = ", ".join(f"{number} {state}" for state, number in sorted(summary.tried.items())) or "none tried"
    lines = [f"{summary.clips} clips: {tried}, {summary.before} left as they were, {summary.adopted} adopted"]
    if summary.left:
        lines.append(
            f"{summary.left} clips had no answer or a refusal from the source: the same command tries them again"
        )
    if summary.without_source:
        lines.append(
            f"{summary.without_source} clips are not asked for (synthetic, or --offline): give them with --media"
        )
    lines += [f"  note: {note}" for note in summary.notes[:_SHOWN]]
    if len(summary.notes) > _SHOWN:
        lines.append(f"  note: ... and {len(summary.notes) - _SHOWN} more")
    if summary.manifest is not None:
        lines.append(f"{summary.in_manifest} clips in {summary.manifest}")
        lines.append(f"Next: {_NEXT.get(task, _OTHERS).format(summary.manifest)}")
    lines.append(f"What is missing and why: avkeras status {folder}")
    sys.stdout.write("\n".join(lines) + "\n")
    if summary.stopped:
        raise AvkerasError(f"{summary.stopped}; give the same command later, or with a longer --sleep")


def show_status(parts: Sequence["PartStatus"], *, every_reason: bool = False) -> None:
    """Shows a table with a row per part, and below it why clips are missing or have no video."""
    columns = ("part", "split", "clips", "with video", "without", "missing")
    rows = [
        (part.part, part.split, part.clips, part.with_video, part.without_video, part.missing.total()) for part in parts
    ]
    widths = [max(len(str(row[number])) for row in (columns, *rows)) for number in range(len(columns))]
    for row in (columns, *rows):
        cells = [
            str(cell).ljust(width) if number < 2 else str(cell).rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    for part in parts:
        _show_reasons(f"{part.part}, missing", part.reasons, every_reason)
        _show_reasons(f"{part.part}, without video", part.video_reasons, every_reason)


def _show_reasons(title: str, reasons, every_reason: bool) -> None:
    if not reasons:
        return
    sys.stdout.write(f"{title}:\n")
    shown = reasons.most_common(None if every_reason else _SHOWN)
    for reason, number in shown:
        text = reason if isinstance(reason, str) else ": ".join(filter(None, reason))
        sys.stdout.write(f"  {number:>6}  {with_options(text, _FETCH_OPTIONS)}\n")
    if len(shown) < len(reasons):
        rest = reasons.total() - sum(number for _, number in shown)
        sys.stdout.write(f"  {rest:>6}  for other reasons; see --reasons\n")
