"""The lists of domestic sounds that DCASE 2018 and 2020 share in kind: weak, unlabelled and strong ones."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.datasets.task_lists import (
    Defects,
    SourceClip,
    StrongList,
    TaskLists,
    check_ids,
    parse_name,
    read_rows,
    read_strong_list,
    stem,
)

_HEADER = "filename\tonset\toffset\tevent_label"


@dataclass(frozen=True)
class DesedPart:
    """One part of such a data set.

    Args:
        file: name of its list.
        split: `"train"`, `"validation"` or `"test"`.
        supervision: `"strong"`, `"weak"` or `"unlabelled"`.
        synthetic: whether its clips have no source video.
        without: a list of names beside it; the clips that it names are left out.
    """

    file: str
    split: str
    supervision: str
    synthetic: bool = False
    without: str = ""


def read_desed(folder: str | Path, task: str, classes: Sequence[str], parts: Mapping[str, DesedPart]) -> TaskLists:
    """Reads the lists of some parts. Clip ids are the names of the lists without `.wav`.

    Args:
        folder: of the lists.
        task: its name.
        classes: in the official order.
        parts: by their official names.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect.
    """
    folder, defects, notes = Path(folder), Defects(), []
    clips: list[SourceClip] = []
    rows: dict[str, Counter] = {}
    for name, part in parts.items():
        file = folder / part.file
        if part.supervision == "weak":
            found = _weak_clips(file, name, part, classes, defects, notes)
        elif part.supervision == "unlabelled":
            found = [_clip(file, row, stem(clip), name, part, (), (), defects) for row, clip in _names(file)]
        else:
            strong = read_strong_list(file, classes=classes, defects=defects, header=_HEADER)
            rows[name] = strong.rows
            found = _strong_clips(file, name, part, strong, classes, defects, notes)
        if part.without:
            found = _leave_out(found, {stem(clip) for _, clip in _names(folder / part.without)}, part, notes)
        clips += found
    notes += check_ids(clips, {name: folder / part.file for name, part in parts.items()}, defects)
    defects.raise_any()
    return TaskLists(task, tuple(classes), tuple(parts), tuple(clips), rows, tuple(notes))


def _names(file: Path) -> list[tuple[int, str]]:
    return [(number, name) for number, (name,) in read_rows(file, columns=1, header="filename")]


def _leave_out(clips: list[SourceClip], names: Collection[str], part: DesedPart, notes: list[str]) -> list[SourceClip]:
    keys = {parse_name(name) or (name,) for name in names}
    kept = [clip for clip in clips if clip.key not in keys]
    if len(kept) < len(clips):
        notes.append(f"{part.file}: clips that {part.without} names: {len(clips) - len(kept)}, left out")
    return kept


def _strong_clips(file, name, part, strong: StrongList, classes, defects: Defects, notes: list[str]):
    clips = []
    for clip, events in strong.events.items():
        heard = {event.label for event in events}
        labels = tuple(label for label in classes if label in heard)
        clips.append(_clip(file, 0, clip, name, part, labels, tuple(events), defects))
    late = sum(
        event.offset > clip.end - clip.start for clip in clips if clip.video is not None for event in clip.events
    )
    if late:
        notes.append(f"{file.name}: events that end after their clip: {late}, kept")
    if strong.merged:
        notes.append(f"{file.name}: events that overlap one of their class: {strong.merged}, joined with it")
    return clips


def _weak_clips(file: Path, name: str, part: DesedPart, classes, defects: Defects, notes: list[str]):
    clips, twice = [], 0
    for number, (clip, text) in read_rows(file, columns=2, header="filename\tevent_labels"):
        heard = [label.strip() for label in text.split(",")]
        for label in sorted(set(heard) - set(classes)):
            defects.add(file, number, f"class '{label}' is not in the class list")
        twice += len(set(heard)) < len(heard)
        labels = tuple(label for label in classes if label in heard)
        clips.append(_clip(file, number, stem(clip), name, part, labels, (), defects))
    if twice:
        notes.append(f"{file.name}: rows that name a class twice: {twice}, counted once")
    return clips


def _clip(file, number, clip, name, part: DesedPart, labels, events, defects: Defects) -> SourceClip:
    video, start, end = None, 0.0, 0.0
    if not part.synthetic:
        place = parse_name(clip)
        if place is None:
            where = f"{file}:{number}" if number else f"{file}"
            defects.lines.append(f"{where}: '{clip}' is not of the form <video>_<start>_<end>")
        else:
            video, start, end = place
    return SourceClip(clip, name, part.split, part.supervision, labels, events, video, start, end)
