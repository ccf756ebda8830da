"""What is wrong with a data set, or worth knowing of it, before any work is done on it."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

from avkeras.data.manifest import SPLITS, Clip, Manifest
from avkeras.errors import ManifestError

# Columns beside which tables of a run have one per class.
_RESERVED = ("id", "filename", "onset", "offset")


def check_data(manifest: Manifest, *, needs: Collection[str] = ()) -> tuple[str, ...]:
    """Refuses a data set on which training would fail, or mean nothing, after hours of work.

    Args:
        manifest: the data set.
        needs: what is asked of it beside clips of all three splits: `"labels"`, in each split; `"events"`, with their
            times, on strong clips of validation and test; `"video"`, of some clip.

    Returns:
        What is not wrong but worth knowing, a line each: classes without a training clip, and class names that differ
        only in case or in Unicode form.

    Raises:
        ManifestError: every defect, a line each, with what to do.

    Example:
        >>> from pathlib import Path
        >>> splits = ("train", "validation", "test")
        >>> clips = [Clip(split, Path("a.wav"), None, split, ("Car",)) for split in splits]
        >>> check_data(Manifest(Path("my.tsv"), tuple(clips), ("Bus", "Car")), needs=["labels"])
        ('class Bus has no training clip: nothing can be learnt of it',)
    """
    if unknown := sorted(set(needs) - {"labels", "events", "video"}):
        raise ValueError(f"needs: '{unknown[0]}' is none of labels, events, video")
    defects = [
        f"a class is named '{name}', as a column of the tables of a run is; rename it"
        for name in manifest.classes
        if name in _RESERVED
    ]
    for split in SPLITS:
        clips = manifest.split(split)
        if not clips:
            defects.append(f"no clip is of split {split}; training needs all three splits")
            continue
        if "labels" in needs and not any(clip.labels for clip in clips):
            defects.append(f"no {split} clip has a label")
        if "events" in needs and split != "train":
            defects += _event_defects(split, clips)
    if "video" in needs and not any(clip.video for clip in manifest.clips):
        defects.append("no clip has video, which is asked for; ask for audio alone")
    if defects:
        raise ManifestError([f"{manifest.path}: {defect}" for defect in defects])
    return tuple(_notes(manifest))


def _event_defects(split: str, clips: Iterable[Clip]) -> list[str]:
    strong = [clip for clip in clips if clip.supervision == "strong"]
    if not any(clip.events for clip in strong):
        return [f"no strong {split} clip has events; detection is scored by their times"]
    overlaps = ((clip, _overlap(clip)) for clip in strong)
    return [f"clip {clip.id} has events of {label} that overlap; join them" for clip, label in overlaps if label]


def _overlap(clip: Clip) -> str:
    """Returns a class of which a clip has events that overlap, for which PSDS is not defined."""
    last: dict[str, float] = {}
    for event in sorted(clip.events):
        if event.onset < last.get(event.label, 0.0):
            return event.label
        last[event.label] = event.offset
    return ""


def _notes(manifest: Manifest) -> Iterable[str]:
    heard = Counter(label for clip in manifest.split("train") for label in clip.labels)
    for name in manifest.classes:
        if not heard[name]:
            yield f"class {name} has no training clip: nothing can be learnt of it"
    alike: dict[str, list[str]] = {}
    for name in manifest.classes:
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            shown = ", ".join(name if name.isascii() else f"{name} ({ascii(name)[1:-1]})" for name in names)
            yield f"classes differ only in case or Unicode form, and are taken as different: {shown}"
