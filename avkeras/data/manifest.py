"""The manifest: one table per data set, a row per clip.

A manifest is a tab-separated file with a header; paths are relative to its folder:

    id      audio           video           split       labels      events                          supervision
    a1      media/a1.mp4    media/a1.mp4    train       Car|Train   0.50 2.10 Car|1.00 9.00 Train   strong
    a2      media/a2.wav                    test        Bus                                         weak

Only `id`, `audio`, `split` and `labels` are needed. A column `seen` may name the classes that are seen, where `labels`
names those that are heard. An empty `video` means that the clip has none: that is a
value, never an error. The class names, in the order of the model's outputs, stand in `classes.txt` beside it, one per
line; without that file they are the labels of the manifest in alphabetical order.
"""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from avkeras.errors import ManifestError
from avkeras.runs.files import write_text

SPLITS = ("train", "validation", "test")
SUPERVISION = ("strong", "weak", "unlabelled")
COLUMNS = ("id", "audio", "video", "split", "labels", "events", "supervision", "seen")
TARGETS = ("heard", "seen", "either", "both")
REQUIRED = ("id", "audio", "split", "labels")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Event(NamedTuple):
    """A sound event: `onset` and `offset` in seconds from the start of the clip, and its class."""

    onset: float
    offset: float
    label: str


@dataclass(frozen=True)
class Clip:
    """One row of a manifest.

    Args:
        id: unique name of the clip.
        audio: the file that holds its sound.
        video: the file that holds its pictures (it may be the same one), or None: the clip has no video.
        split: `"train"`, `"validation"` or `"test"`.
        labels: the classes that are heard (weak labels).
        events: the events with their times (strong labels), where known.
        supervision: `"strong"`, `"weak"` or `"unlabelled"`: which labels training may use.
        seen: the classes that are seen, where that is known.
    """

    id: str
    audio: Path
    video: Path | None
    split: str
    labels: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    supervision: str = "weak"
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A data set: its file, its clips and its class names in the order of the model's outputs."""

    path: Path
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]

    def split(self, name: str) -> tuple[Clip, ...]:
        """Returns the clips of one split, in the order of the table."""
        return tuple(clip for clip in self.clips if clip.split == name)

    def digest(self) -> str:
        """Names what models learn of the clips: their rows in order and the classes, wherever the media files lie."""
        rows = []
        for clip in self.clips:
            events = [(float(event.onset), float(event.offset), event.label) for event in clip.events]
            labels = clip.labels or tuple(dict.fromkeys(event.label for event in clip.events))  # as they are read
            rows.append((clip.id, clip.video is not None, clip.split, labels, events, clip.supervision, clip.seen))
        return hashlib.sha256(json.dumps([self.classes, rows]).encode()).hexdigest()[:16]


def read_manifest(
    path: str | Path, *, classes: Sequence[str] | None = None, check_files: bool = True, targets: str = "heard"
) -> Manifest:
    """Reads a manifest and reports every defect of it at once, with file and row, before any work.

    Args:
        path: the table.
        classes: class names in the order of the model's outputs; default: `classes.txt` beside the table, or else
            the labels that occur, in alphabetical order.
        check_files: whether the media files must exist.
        targets: which classes are the `labels` of the clips: those that are `"heard"`, those that are `"seen"` (column
            `seen`), `"either"` or `"both"` at once.

    Returns:
        A `Manifest`; its paths are absolute or relative to the working folder.

    Raises:
        ManifestError: with a line `file:row: what is wrong` per defect.
        ValueError: `targets` is none of these.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "my.tsv").write_text("id\\taudio\\tsplit\\tlabels\\na1\\ta1.wav\\ttrain\\tCar\\n")
        >>> read_manifest(folder / "my.tsv", check_files=False).classes
        ('Car',)
    """
    path = Path(path)
    try:
        text = read_text(path)
    except OSError as error:
        raise ManifestError([f"{path}: cannot be read ({error.strerror}); give the path of a manifest"]) from error
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    header = rows[0] if rows else []
    if problems := _header_defects(path, header):
        raise ManifestError(problems)
    if targets not in TARGETS:
        raise ValueError(f"targets must be one of {', '.join(TARGETS)}, not '{targets}'")
    if targets != "heard" and "seen" not in header:
        raise ManifestError([f"{path}:1: column 'seen' is missing; without it only what is heard is known"])
    classes = _class_names(path) if classes is None else tuple(classes)
    known = None if classes is None else frozenset(classes)
    clips: list[Clip] = []
    defects: list[str] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(field.strip() for field in row):
            continue
        where = f"{path}:{number}"
        if len(row) > len(header):
            defects.append(f"{where}: has {len(row)} fields, the header {len(header)}")
            continue
        fields = dict(zip(header, (field.strip() for field in row), strict=False))
        clip, problems = _parse_row(fields, path.parent, known, check_files)
        if clip.id in first_row:
            problems.append(f"id '{clip.id}' stands already in row {first_row[clip.id]}; ids must be unique")
        first_row.setdefault(clip.id, number)
        defects.extend(f"{where}: {problem}" for problem in problems)
        clips.append(clip)
    if not clips and not defects:
        defects.append(f"{path}: holds no clips; give at least one row under the header")
    if defects:
        raise ManifestError(defects)
    if classes is None:
        classes = tuple(sorted({label for clip in clips for label in (*clip.labels, *clip.seen)}))
    if targets != "heard":
        clips = [_with_targets(clip, targets) for clip in clips]
    return Manifest(path, tuple(clips), classes)


def write_manifest(path: str | Path, clips: Iterable[Clip], *, classes: Sequence[str]) -> Manifest:
    """Writes a manifest and `classes.txt` beside it, each whole or not at all.

    Args:
        path: the table to write; media files are named relative to its folder.
        clips: the rows.
        classes: class names in the order of the model's outputs.

    Returns:
        The `Manifest` as written.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> clips = [Clip("a1", folder / "a1.wav", None, "train", ("Car",))]
        >>> write_manifest(folder / "manifest.tsv", clips, classes=["Car"]).clips[0].id
        'a1'
    """
    path = Path(path)
    clips = tuple(clips)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = COLUMNS if any(clip.seen for clip in clips) else COLUMNS[:-1]
    lines = ["\t".join(columns)]
    for clip in clips:
        fields = (
            clip.id,
            _relative(clip.audio, path.parent),
            _relative(clip.video, path.parent) if clip.video else "",
            clip.split,
            "|".join(clip.labels),
            "|".join(f"{_seconds(event.onset)} {_seconds(event.offset)} {event.label}" for event in clip.events),
            clip.supervision,
            "|".join(clip.seen),
        )[: len(columns)]
        if any("\t" in field or "\n" in field for field in fields):
            raise ManifestError([f"{path}: clip '{clip.id}' holds a tab or a line break in a field; rename it"])
        lines.append("\t".join(fields))
    write_text(path.parent / "classes.txt", "\n".join(classes) + "\n")
    write_text(path, "\n".join(lines) + "\n")
    return Manifest(path, clips, tuple(classes))


def read_text(path: Path) -> str:
    """Returns the text of a list or table in UTF-8, with or without a byte order mark.

    Raises:
        OSError: the file cannot be read.
        ManifestError: it is text of another kind; its row is named.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "classes.txt")
        >>> _ = file.write_bytes(b"\\xef\\xbb\\xbfCar")
        >>> read_text(file)
        'Car'
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ManifestError([f"{path}: is UTF-16 text; save it as UTF-8"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        shown = data[error.start : error.end].hex(" ")
        raise ManifestError(
            [f"{path}:{row}: is not UTF-8 text (byte {shown}), maybe Latin-1 or Windows-1252; save it as UTF-8"]
        ) from None


def _header_defects(path: Path, header: list[str]) -> list[str]:
    # What a spreadsheet writes in place of tabs; a table of one column, as it seems then, has no other use.
    for sign, name in ((",", "commas"), (";", "semicolons")):
        fields = [field.strip(' "') for field in "\t".join(header).split(sign)]
        if len(header) < 2 <= len(set(COLUMNS) & set(fields)):
            return [f"{path}:1: its columns stand between {name}, not tabs; save it with tabs between them"]
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    twice = sorted({name for name in header if header.count(name) > 1})
    defects = [f"{path}:1: column '{name}' is missing; the columns are {', '.join(COLUMNS)}" for name in missing]
    defects += [f"{path}:1: column '{name}' is not known; the columns are {', '.join(COLUMNS)}" for name in unknown]
    defects += [f"{path}:1: column '{name}' stands there twice" for name in twice]
    return defects


def _class_names(path: Path) -> tuple[str, ...] | None:
    file = path.parent / "classes.txt"
    if not file.is_file():
        return None
    names = tuple(line.strip() for line in read_text(file).splitlines() if line.strip())
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ManifestError([f"{file}: class '{name}' stands there twice" for name in twice])
    return names


def _parse_row(
    fields: dict[str, str], folder: Path, classes: frozenset[str] | None, check_files: bool
) -> tuple[Clip, list[str]]:
    problems: list[str] = []
    for name in ("id", "audio"):
        if not fields.get(name):
            problems.append(f"{name} is empty")
    if _CONTROL.search(fields.get("id", "")):
        problems.append(f"id {fields['id']!r} holds a control character; rename it")
    split = fields.get("split", "")
    if split not in SPLITS:
        problems.append(f"split '{split}' is none of {', '.join(SPLITS)}")
    audio = folder / fields.get("audio", "")
    video = folder / fields["video"] if fields.get("video") else None
    if check_files:
        for name, file in (("audio", audio if fields.get("audio") else None), ("video", video)):
            if file is not None and not file.is_file():
                problems.append(f"{name} file {file} does not exist")
    events = []
    for text in filter(None, fields.get("events", "").split("|")):
        event, problem = _parse_event(text)
        if problem:
            problems.append(problem)
        else:
            events.append(event)
    labels, seen = (
        tuple(filter(None, (label.strip() for label in fields.get(name, "").split("|")))) for name in ("labels", "seen")
    )
    heard = labels + tuple(event.label for event in events)
    if classes is not None:
        problems += [f"class '{name}' is not in the class list" for name in sorted({*heard, *seen} - classes)]
    if labels:
        unlisted = sorted({event.label for event in events} - set(labels))
        problems += [f"an event says '{name}', labels does not" for name in unlisted]
    else:
        labels = tuple(dict.fromkeys(heard))
    for name, given in (("labels", labels), ("seen", seen)):
        if len(set(given)) < len(given):
            problems.append(f"{name} names a class twice")
    supervision = fields.get("supervision") or ("strong" if events else "weak")
    if supervision not in SUPERVISION:
        problems.append(f"supervision '{supervision}' is none of {', '.join(SUPERVISION)}")
    clip = Clip(fields.get("id", ""), audio, video, split, labels, tuple(events), supervision, seen)
    return clip, problems


def _with_targets(clip: Clip, targets: str) -> Clip:
    """Returns a clip with what is seen, or heard or seen, or heard and seen, as its labels; events are of sounds."""
    labels = {
        "seen": clip.seen,
        "either": tuple(dict.fromkeys((*clip.labels, *clip.seen))),
        "both": tuple(label for label in clip.labels if label in clip.seen),
    }[targets]
    return replace(clip, labels=labels, events=() if targets == "seen" else clip.events)


def _parse_event(text: str) -> tuple[Event | None, str]:
    parts = text.split(maxsplit=2)
    try:
        onset, offset, label = float(parts[0]), float(parts[1]), parts[2].strip()
    except (ValueError, IndexError):
        return None, f"event '{text}' is not of the form 'onset offset class'"
    if not 0 <= onset < offset < float("inf"):
        return None, f"event '{text}' must have 0 <= onset < offset, in seconds"
    return Event(onset, offset, label), ""


def _seconds(time: float) -> str:
    """Returns the shortest text that is read as the same number."""
    return repr(float(time)).removesuffix(".0")


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()
