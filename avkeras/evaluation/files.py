"""Predictions, ground truth and durations as tables.

* Events, in the form of DCASE: `filename onset offset event_label`, a row an event, seconds. A clip without events has
  one row whose last three fields are empty (or `nan`, as pandas writes).
* Durations: `filename duration`, seconds.

What other tools write is read, too, and said in a note: files without header (`onset offset event_label` of one clip or
`filename onset offset event_label`, as sed_eval reads them), a folder of such files, commas, other encodings, gzip.
Scores of frames have a room of their own, `avkeras.evaluation.score_files`.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.data.manifest import Event
from avkeras.errors import ManifestError
from avkeras.evaluation.text_tables import TextTable, is_empty, number, read_table, say

EVENT_COLUMNS = ("filename", "onset", "offset", "event_label")
DURATION_COLUMNS = ("filename", "duration")
# A little below 0 is a rounding error of whoever made the file
ALMOST_ZERO = -1e-6
_ENDINGS = (".tsv", ".csv", ".txt", ".ann", ".gz")


@dataclass(frozen=True)
class EventFile:
    """Events as a file has them.

    Args:
        events: for each clip, in the order of the file, its events by onset.
        lines: for each clip the place (`file:line`) where it is named first.
        unnamed: the file holds the events of one clip and does not name it; it goes by the file's name.
    """

    events: dict[str, tuple[Event, ...]]
    lines: dict[str, str]
    unnamed: bool = False


def read_events(path: str | Path, *, notes: list[str] | None = None) -> dict[str, tuple[Event, ...]]:
    """Read the events of each clip, sorted by onset; every defect of the file is reported at once.

    Args:
        path: a file in the form of DCASE or of sed_eval, or a folder with a file for each clip.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Returns:
        For each clip, in the order of the file, its events; none for a clip whose row has three empty fields.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    return load_events(path, notes=notes).events


def load_events(path: str | Path, *, notes: list[str] | None = None) -> EventFile:
    """As `read_events`, with the places of the clips in the file."""
    if not Path(path).is_dir():
        return _load_file(Path(path), notes)
    paths = [one for one in sorted(Path(path).iterdir()) if one.suffix.lower() in _ENDINGS]
    if not paths:
        raise ManifestError([f"{path}: no files of events ({', '.join(_ENDINGS)}) in this folder"])
    events: dict[str, tuple[Event, ...]] = {}
    lines: dict[str, str] = {}
    defects: list[str] = []
    own_notes: list[str] = []
    for one in paths:
        try:
            part = _load_file(one, own_notes)
        except ManifestError as error:
            defects += error.defects
            continue
        if not part.events:  # as sed_eval's tools write a clip in which nothing was found
            part = EventFile({_clip_of(one): ()}, {_clip_of(one): f"{one}:1"})
        if twice := sorted(set(part.events) & set(events)):
            defects.append(f"{part.lines[twice[0]]}: clip {twice[0]} is in {lines[twice[0]]} already")
        events |= part.events
        lines |= part.lines
    if defects:
        raise ManifestError(defects)
    say(notes, f"{path}: {len(paths)} files read as one")
    if own_notes:
        more = f" (and {len(own_notes) - 1} notes on other files)" if len(own_notes) > 1 else ""
        say(notes, own_notes[0] + more)
    return EventFile(events, lines)


def read_operating_points(
    path: str | Path, *, notes: list[str] | None = None
) -> dict[str, dict[str, tuple[Event, ...]]]:
    """Read the events that a system detects at each of several thresholds, as psds-eval wants them.

    Args:
        path: a file of events with a column `threshold`, or a folder with a file of events for each threshold.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Returns:
        For each threshold, in the order of the file, the events of each clip; for files of a folder, by their names.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        paths = [one for one in sorted(path.iterdir()) if one.suffix.lower() in _ENDINGS]
        if not paths:
            raise ManifestError([f"{path}: no files of events ({', '.join(_ENDINGS)}) in this folder"])
        return {_clip_of(one): load_events(one, notes=notes).events for one in paths}
    table = read_table(path, (*EVENT_COLUMNS, "threshold"), notes=notes)
    if missing := [name for name in (*EVENT_COLUMNS, "threshold") if name not in (table.header or ())]:
        raise ManifestError([_no_columns(path, missing, ("threshold", *EVENT_COLUMNS))])
    place = table.header.index("threshold")
    points: dict[str, list] = {}
    for line, fields in table.rows:
        points.setdefault(fields[place] if place < len(fields) else "", []).append((line, fields))
    if wrong := [rows[0][0] for text, rows in points.items() if number(text) is None]:
        raise ManifestError([f"{path}:{wrong[0]}: no threshold, or not a number"])
    return {
        text: _events_of(TextTable(path, table.header, rows), unnamed=False, notes=notes).events
        for text, rows in points.items()
    }


def _load_file(path: Path, notes: list[str] | None) -> EventFile:
    table, unnamed = _with_columns(read_table(path, EVENT_COLUMNS, notes=notes), notes)
    if not table.rows and not unnamed:
        say(notes, f"{path}: no rows, so no events")
    return _events_of(table, unnamed=unnamed, notes=notes)


def _events_of(table: TextTable, *, unnamed: bool, notes: list[str] | None) -> EventFile:
    path, clip = table.path, _clip_of(table.path)
    defects: list[str] = []
    found: dict[str, list[Event]] = {clip: []} if unnamed else {}
    lines: dict[str, str] = {clip: f"{path}:1"} if unnamed else {}
    silent = below = 0
    for place, fields in table.columns(EVENT_COLUMNS[1:] if unnamed else EVENT_COLUMNS, defects):
        name, onset, offset, label = [clip, *fields] if unnamed else fields
        if not name:
            defects.append(f"{place}: no filename")
            continue
        events = found.setdefault(name, [])
        lines.setdefault(name, place)
        if is_empty(fields[-3:]):
            silent += any(fields[-3:])
            continue
        if not label or label.lower() == "nan":
            defects.append(f"{place}: an event without event_label")
        times = [number(text) for text in (onset, offset)]
        defects += [
            f"{place}: {column} {text!r} is not a number"
            for column, text, time in zip(("onset", "offset"), (onset, offset), times, strict=True)
            if time is None
        ]
        if None in times:
            continue
        if ALMOST_ZERO <= times[0] < 0:
            times = [0.0, max(times[1], 0.0)]
            below += 1
        if times[0] < 0 or times[1] < times[0]:
            defects.append(f"{place}: onset {onset}, offset {offset}: an event begins at 0 or later and ends after")
        events.append(Event(*times, label))
    if defects:
        raise ManifestError(defects)
    if silent:
        say(notes, f"{path}: {_many(silent, 'row')} of nan read as clips without events")
    if below:
        say(notes, f"{path}: {_many(below, 'onset')} less than 1 microsecond below 0 read as 0")
    return EventFile({name: tuple(sorted(events)) for name, events in found.items()}, lines, unnamed)


def _with_columns(table: TextTable, notes: list[str] | None) -> tuple[TextTable, bool]:
    """The table with names for its columns, and whether its clip has no name."""
    if table.header is not None:
        missing = [column for column in EVENT_COLUMNS if column not in table.header]
        unnamed = missing == ["filename"]
        if unnamed:
            say(notes, f"{table.path}: no column filename; read as the events of one clip")
        elif missing:
            raise ManifestError([_no_columns(table.path, missing, EVENT_COLUMNS)])
        return table, unnamed
    if not table.rows:
        return TextTable(table.path, EVENT_COLUMNS, []), False
    width = max(len(fields) for _, fields in table.rows)
    for _, fields in table.rows:
        numeric = [number(field) is not None for field in fields]
        for header, first in (
            (EVENT_COLUMNS[1:], 0),
            (EVENT_COLUMNS, 1),
            (("filename", "scene_label", "onset", "offset", "event_label"), 2),
        ):
            # sed_eval's (dcase_util's) forms without header
            if len(fields) == len(header) and all(numeric[first : first + 2]):
                text = " ".join(header)
                say(notes, f"{table.path}: no header; read as {text}" + (" of one clip" if first == 0 else ""))
                return TextTable(table.path, header, table.rows), first == 0
        if not is_empty(fields[1:]):
            break
    if width in (1, 4) and all(is_empty(fields[1:]) for _, fields in table.rows) and "." in table.rows[0][1][0]:
        say(notes, f"{table.path}: no header; read as {_many(len(table.rows), 'clip')} without events")
        return TextTable(table.path, EVENT_COLUMNS, table.rows), False
    raise ManifestError([_no_columns(table.path, EVENT_COLUMNS, EVENT_COLUMNS)])


def write_events(path: str | Path, events: Mapping[str, Sequence[Event]]) -> None:
    """Write the events of each clip in the form of DCASE; `read_events` gives them back.

    Args:
        path: file to write.
        events: for each clip its events.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(EVENT_COLUMNS)
        for name, own in events.items():
            writer.writerows([name, *event] for event in own or [("", "", "")])


def read_durations(path: str | Path, *, notes: list[str] | None = None) -> dict[str, float]:
    """Read the length of each clip in seconds.

    Args:
        path: a file `filename duration`, with header or without.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    table = read_table(path, DURATION_COLUMNS, notes=notes)
    durations: dict[str, float] = {}
    defects: list[str] = []
    if table.header is None and table.rows and len(fields := table.rows[0][1]) == 2 and number(fields[1]) is not None:
        say(notes, f"{path}: no header; read as {' '.join(DURATION_COLUMNS)}")
        table = TextTable(table.path, DURATION_COLUMNS, table.rows)
    missing = [column for column in DURATION_COLUMNS if column not in (table.header or ())]
    if missing:
        raise ManifestError([_no_columns(path, missing, DURATION_COLUMNS)])
    again = 0
    for place, (name, text) in table.columns(DURATION_COLUMNS, defects):
        duration = number(text)
        if not name:
            defects.append(f"{place}: no filename")
        elif duration is None:
            defects.append(f"{place}: duration {text!r} is not a number")
        elif duration <= 0:
            defects.append(f"{place}: duration {duration:g} is not above 0")
        elif durations.setdefault(name, duration) != duration:
            defects.append(f"{place}: {name} has the duration {durations[name]:g} already")
    if defects:
        raise ManifestError(defects)
    again = len(table.rows) - len(durations)
    if again:
        say(notes, f"{path}: {_many(again, 'row')} that repeat a clip and its duration left out")
    return durations


def _no_columns(path, missing, columns) -> str:
    return f"{path}:1: no column {', '.join(missing)}; the first line must be: {' '.join(columns)} (tab-separated)"


def _clip_of(path: Path) -> str:
    """The name of a clip whose events are a file."""
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")
