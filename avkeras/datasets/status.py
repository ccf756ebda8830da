"""What a fetch has brought so far, read from its folder alone."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from avkeras.datasets.fetch_folder import present, read_placed
from avkeras.datasets.ledger import read_ledger


@dataclass
class PartStatus:
    """One official part.

    Args:
        part: its name.
        split: `"train"`, `"validation"` or `"test"`.
        clips: clips in its list.
        with_video: clips that are there with pictures.
        without_video: clips that are there without.
        missing: the others, by state: that of the ledger, `"deleted"`, `"not tried"` or `"synthetic"` (to be adopted).
        reasons: why clips are missing, by state and reason.
        video_reasons: why clips that are there have no pictures.
    """

    part: str
    split: str
    clips: int = 0
    with_video: int = 0
    without_video: int = 0
    missing: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    video_reasons: Counter = field(default_factory=Counter)


def status(folder: str | Path) -> list[PartStatus]:
    """Counts what is there and what is missing, part by part; a fetch may be under way meanwhile.

    Raises:
        AvkerasError: nothing was ever fetched into that folder.
    """
    folder = Path(folder)
    lists, entries = read_placed(folder), read_ledger(folder)
    parts: dict[str, PartStatus] = {}
    for clip in lists.clips:
        row = parts.setdefault(clip.part, PartStatus(clip.part, clip.split))
        row.clips += 1
        entry = entries.get(clip.id)
        audio, video = present(folder, entry)
        if audio is None:
            state, why = _missing(clip, entry)
            row.missing[state] += 1
            row.reasons[state, why] += 1
        elif video is None:
            row.without_video += 1
            deleted = entry.video and "the file was deleted"
            row.video_reasons[deleted or entry.video_why or "not looked for"] += 1
        else:
            row.with_video += 1
    return list(parts.values())


def _missing(clip, entry) -> tuple[str, str]:
    if entry is None:
        return (
            ("synthetic", "no source has it: adopt a file of your own (media)")
            if clip.video is None
            else ("not tried", "")
        )
    return ("deleted", "the file was deleted") if entry.state == "done" else (entry.state, entry.why)
