"""What a person sees of an extraction in the terminal."""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    from avkeras.features.extraction import Extraction

_SHOWN = 8


def show_extraction(runs: Sequence["Extraction"], *, strict: bool = False) -> None:
    """Shows per pass what was done, what failed and why, and what was padded, cut or missing.

    Raises:
        AvkerasError: under `strict`, when a clip failed.
    """
    for run in runs:
        summary = run.summary
        lines = [
            f"{run.title}: {summary.clips} clips: {summary.clips - len(summary.errors)} done "
            f"({summary.without_video} without video), {len(summary.errors)} failed; "
            f"{summary.reused} stood there before"
        ]
        lines += _counted("failed", summary.errors) + _counted("note", summary.notes)
        lines += [f"  {name} is a stand-in, not a pretrained network" for name in run.stand_ins]
        lines += [f"  {name} in {folder}" for name, folder in run.stores.items()]
        lines += [f"  clip by clip in {run.table}"] if summary.errors or summary.notes else []
        sys.stdout.write("\n".join(lines) + "\n")
    failed = {clip for run in runs for clip, _ in run.summary.errors}
    if failed:
        retry = "a clip that failed is not tried again without --retry"
        if strict:
            raise AvkerasError(f"--strict: {len(failed)} of {runs[0].summary.clips} clips failed; {retry}")
        sys.stdout.write(f"{retry}\n")


def _counted(kind: str, lines: Sequence[tuple[str, str]]) -> list[str]:
    """Counts lines that differ in their numbers only as one, the most frequent first."""
    counts = Counter(re.sub(r"(?<![\w.])\d+(\.\d+)?", "N", text) for _, text in lines)
    shown = [f"  {kind}: {count} x {text}" for text, count in counts.most_common(_SHOWN)]
    rest = counts.total() - sum(count for _, count in counts.most_common(_SHOWN))
    return shown + [f"  {kind}: {rest} x for other reasons"] * bool(rest)
