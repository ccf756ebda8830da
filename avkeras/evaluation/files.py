"""Predictions, ground truth, durations and frame scores as tab-separated files.

* Events, in the form of DCASE: `filename onset offset event_label`, a row an event, seconds. A clip without events has
  one row with the last three fields empty.
* Durations: `filename duration`, seconds.
* Scores, in the form of sed_scores_eval: a folder with `<clip>.tsv` for each clip, `onset offset class1 class2 ...`, a
  row a frame.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avkeras.data.manifest import Event
from avkeras.errors import ManifestError
from avkeras.evaluation.postprocess import check_scores, frame_times

EVENT_COLUMNS = ("filename", "onset", "offset", "event_label")
DURATION_COLUMNS = ("filename", "duration")
TIME_COLUMNS = ("onset", "offset")


@dataclass(frozen=True)
class FrameScores:
    """Scores of all frames of some clips.

    Args:
        clips: names of the clips.
        classes: class names in the order of the last axis.
        scores: `(clips, frames, classes)`; what lies past the end of a clip is not looked at.
        seconds_per_frame: length of a frame.
        durations: lengths of the clips in seconds, `(clips,)`.
    """

    clips: tuple[str, ...]
    classes: tuple[str, ...]
    scores: NDArray[np.floating]
    seconds_per_frame: float
    durations: NDArray[np.float64]


def read_events(path: str | Path) -> dict[str, tuple[Event, ...]]:
    """Read the events of each clip, sorted by onset; every defect of the file is reported at once.

    Args:
        path: a file in the form of DCASE.

    Returns:
        For each clip, in the order of the file, its events; none for a clip whose row has three empty fields.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    found: dict[str, list[Event]] = {}
    defects: list[str] = []
    for place, row in _rows(path, EVENT_COLUMNS, defects):
        name, onset, offset, label = (row[column] for column in EVENT_COLUMNS)
        if not name:
            defects.append(f"{place}: no filename")
            continue
        events = found.setdefault(name, [])
        if not (onset or offset or label):
            continue
        if not label:
            defects.append(f"{place}: an event without event_label")
        times = [_number(place, column, row, defects) for column in TIME_COLUMNS]
        if None in times:
            continue
        if times[0] < 0 or times[1] < times[0]:
            defects.append(f"{place}: onset {onset}, offset {offset}: an event begins at 0 or later and ends after")
        events.append(Event(*times, label))
    if defects:
        raise ManifestError(defects)
    return {name: tuple(sorted(events)) for name, events in found.items()}


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


def read_durations(path: str | Path) -> dict[str, float]:
    """Read the length of each clip in seconds.

    Args:
        path: a file `filename duration`.

    Raises:
        ManifestError: with a line for every defect.
        OSError: the file cannot be read.
    """
    durations: dict[str, float] = {}
    defects: list[str] = []
    for place, row in _rows(path, DURATION_COLUMNS, defects):
        duration = _number(place, "duration", row, defects)
        if row["filename"] in durations:
            defects.append(f"{place}: {row['filename']} has a duration already")
        elif duration is not None and duration <= 0:
            defects.append(f"{place}: duration {duration:g} is not above 0")
        elif duration is not None:
            durations[row["filename"]] = duration
    if defects:
        raise ManifestError(defects)
    return durations


def read_scores(folder: str | Path) -> FrameScores:
    """Read the frame scores of all clips of a folder; every defect of its files is reported at once.

    The frames of all clips must be equally long, but for the last of a clip.

    Args:
        folder: holds a file `<clip>.tsv` for each clip.

    Raises:
        ManifestError: with a line for every defect.
        OSError: a file cannot be read.
    """
    paths = sorted(Path(folder).glob("*.tsv"))
    if not paths:
        raise ManifestError([f"{folder}: no score files (<clip>.tsv) in this folder"])
    defects: list[str] = []
    tables = {path: _score_table(path, defects) for path in paths}
    if defects:
        raise ManifestError(defects)
    classes = tables[paths[0]][0]
    values = {path: table for path, (_, table) in tables.items()}
    longest = max(values.values(), key=len)
    # The first frame's end is exact where the file is; the mean is better where times were rounded
    seconds_per_frame, steps = longest[0, 1], len(longest) - 1
    if steps and not np.isclose(seconds_per_frame * steps, longest[-1, 0], rtol=1e-12, atol=0):
        seconds_per_frame = longest[-1, 0] / steps
    for path, (names, table) in tables.items():
        if names != classes:
            defects.append(f"{path}: other classes than in {paths[0].name}")
        expected = np.arange(len(table) + 1) * seconds_per_frame
        onsets_fit = np.abs(table[:, 0] - expected[:-1]) <= 0.1 * seconds_per_frame
        offsets_fit = np.abs(table[:, 1] - expected[1:]) <= 0.1 * seconds_per_frame
        offsets_fit[-1] = expected[-2] < table[-1, 1] <= expected[-1] + 0.1 * seconds_per_frame
        if not (onsets_fit & offsets_fit).all():
            row = int(np.argmin(onsets_fit & offsets_fit)) + 2
            defects.append(f"{path}:{row}: frames must follow each other every {seconds_per_frame:g} s")
    if defects:
        raise ManifestError(defects)
    scores = np.zeros((len(paths), len(longest), len(classes)))
    for index, table in enumerate(values.values()):
        scores[index, : len(table)] = table[:, 2:]
    durations = np.array([table[-1, 1] for table in values.values()])
    return FrameScores(tuple(path.stem for path in paths), classes, scores, float(seconds_per_frame), durations)


def write_scores(folder: str | Path, scores: FrameScores) -> None:
    """Write a file of frame scores for each clip; `read_scores` gives them back, sorted by name.

    Args:
        folder: made where it does not exist.
        scores: of all clips.

    Raises:
        ValueError: the shapes do not fit, or a name cannot be that of a file.
    """
    array, durations = check_scores(scores.scores, scores.classes, scores.seconds_per_frame, scores.durations)
    if len(scores.clips) != len(array):
        raise ValueError(f"{len(scores.clips)} clip names for scores of {len(array)} clips")
    if bad := [name for name in scores.clips if not name or Path(name).name != name]:
        raise ValueError(f"clip name {bad[0]!r} cannot name a file")
    starts, ends, lengths = frame_times(array.shape[1], seconds_per_frame=scores.seconds_per_frame, durations=durations)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for index, (name, length) in enumerate(zip(scores.clips, lengths, strict=True)):
        with open(Path(folder) / f"{name}.tsv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow([*TIME_COLUMNS, *scores.classes])
            times = [starts[:length, None], ends[index, :length, None]]
            writer.writerows(np.concatenate([*times, array[index, :length]], axis=1).tolist())


def _rows(path: str | Path, columns: Sequence[str], defects: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a table with the place of each for messages; a wrong header ends it at once."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter="\t")
        header = [field.strip() for field in next(reader, [])]
        if missing := [column for column in columns if column not in header]:
            defects.append(
                f"{path}:1: no column {', '.join(missing)}; the first line must be: {' '.join(columns)} (tab-separated)"
            )
            return
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if not any(row):
                continue
            if len(row) > len(header):
                defects.append(f"{place}: {len(row)} fields, but the header has {len(header)}")
                continue
            # An editor may have cut empty fields at the end of a row
            yield place, dict(zip(header, [field.strip() for field in row] + [""] * len(header), strict=False))


def _number(place: str, column: str, row: Mapping[str, str], defects: list[str]) -> float | None:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    defects.append(f"{place}: {column} {row[column]!r} is not a number")
    return None


def _score_table(path: Path, defects: list[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Class names and the numbers of a score file, `(frames, 2 + classes)`."""
    table: list[list[float]] = []
    names: tuple[str, ...] = ()
    before = len(defects)
    for place, row in _rows(path, TIME_COLUMNS, defects):
        names = tuple(column for column in row if column not in TIME_COLUMNS)
        numbers = [_number(place, column, row, defects) for column in (*TIME_COLUMNS, *names)]
        if None not in numbers:
            table.append(numbers)
    if not table and len(defects) == before:
        defects.append(f"{path}: no frames")
    elif not names and len(defects) == before:
        defects.append(f"{path}:1: no class; the first line must be: onset offset class1 class2 ... (tab-separated)")
    return names, np.array(table)
