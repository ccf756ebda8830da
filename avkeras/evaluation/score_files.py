"""Scores in the form of sed_scores_eval: a folder with `<clip>.tsv` for each clip, `onset offset class1 class2 ...`.

A row is a segment of time in which the scores are constant: a frame, or what lies between two edges of sound event
bounding boxes. Segments follow each other without gaps.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avkeras.errors import AvkerasError, ManifestError
from avkeras.evaluation.all_thresholds import SegmentScores
from avkeras.evaluation.postprocess import check_filters, check_scores, frame_times, median_filter_scores
from avkeras.evaluation.text_tables import number, read_table, say

TIME_COLUMNS = ("onset", "offset")
_ENDINGS = (".tsv", ".csv", ".txt")


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


@dataclass(frozen=True)
class ClipScores:
    """Scores of segments of time of any lengths, by clip.

    Args:
        classes: class names.
        tables: for each clip `(segments, 2 + classes)`: onset and offset in seconds, then the scores.
        places: for each clip the file.
    """

    classes: tuple[str, ...]
    tables: dict[str, NDArray[np.float64]]
    places: dict[str, str]

    def durations(self) -> dict[str, float]:
        """Returns where the last segment of each clip ends, seconds."""
        return {name: float(table[-1, 1]) for name, table in self.tables.items()}


def load_scores(folder: str | Path, *, logits: bool = False, notes: list[str] | None = None) -> ClipScores:
    """Read the scores of all clips of a folder; every defect of its files is reported at once.

    Args:
        folder: holds a file `<clip>.tsv` (or `.csv`, `.txt`; packed by gzip or not) for each clip.
        logits: the scores are logits: their sigmoid is taken. Without this, scores outside [0, 1] are defects.
        notes: gets what was interpreted, a line each; without it they are warnings.

    Raises:
        ManifestError: with a line for every defect.
        OSError: a file cannot be read.
    """
    paths = _score_paths(Path(folder))
    defects: list[str] = []
    tables: dict[str, NDArray[np.float64]] = {}
    places: dict[str, str] = {}
    own_notes: list[str] = []
    classes: tuple[str, ...] | None = None
    head: tuple[bytes, int] | None = None
    for name, path in paths:
        values = _fast_table(path, *head) if head else None
        if values is None:
            names, values, header = _slow_table(path, defects, own_notes)
            if values is None:
                continue
            if classes is None:
                classes = names
            if set(names) != set(classes):
                defects.append(f"{path}: other classes than in {paths[0][1].name}: {_difference(names, classes)}")
                continue
            values = values[:, [0, 1, *(2 + names.index(label) for label in classes)]]
            if names == classes and head is None:
                head = (header, 2 + len(names))
        defects += _wrong_rows(path, values, classes, logits)
        if name in tables:
            defects.append(f"{path}: clip {name} has scores in {places[name]} already")
        tables[name], places[name] = values, str(path)
    if defects:
        raise ManifestError(defects)
    if own_notes:
        say(notes, own_notes[0] + (f" (and {len(own_notes) - 1} notes more on score files)" if own_notes[1:] else ""))
    if logits:
        for values in tables.values():
            values[:, 2:] = 1 / (1 + np.exp(-values[:, 2:]))
        say(notes, f"{folder}: scores read as logits, through a sigmoid")
    return ClipScores(classes, tables, places)


def sizes_of(scores: ClipScores, classes: Sequence[str], sizes: Sequence[int]) -> tuple[int, ...]:
    """Returns the sizes of median filters, given for `classes`, in the order of the scores' classes; 1 for others.

    Example:
        >>> sizes_of(ClipScores(("Dog", "Bus", "Cat"), {}, {}), ("Cat", "Dog"), (3, 5))
        (5, 1, 3)
    """
    by_class = dict(zip(classes, sizes, strict=True))
    return tuple(by_class.get(name, 1) for name in scores.classes)


def segments_of(scores: ClipScores, *, classes: Sequence[str], filters: int | Sequence[int] = 1) -> SegmentScores:
    """Scores of clips as one sequence of segments, clip by clip, median-filtered before.

    Args:
        scores: of any clips.
        classes: the classes wanted, in the order wanted.
        filters: sizes of the median filters in frames (odd), one for all classes or one for each of the scores'. One
            above 1 needs frames of equal length.

    Raises:
        AvkerasError: the number of filters does not fit.
        ManifestError: there are filters, and frames are not equally long.
        ValueError: a filter size is not odd.
    """
    sizes = check_filters(filters)
    if len(sizes) not in (1, len(scores.classes)):
        raise AvkerasError(
            f"{len(sizes)} median filters for the {len(scores.classes)} classes of the scores "
            f"({', '.join(scores.classes)}): give one, or one for each in this order"
        )
    places = [scores.classes.index(name) for name in classes]
    sizes = [sizes[place] if len(sizes) > 1 else sizes[0] for place in places]
    lengths = np.array([len(table) for table in scores.tables.values()])
    table = np.concatenate(list(scores.tables.values()))
    first = np.cumsum(lengths) - lengths
    offset = table[:, 1]
    # Times rounded apart: a segment ends where the next one of its clip begins
    inner = np.ones(len(table) - 1, bool)
    inner[first[1:] - 1] = False
    offset[:-1][inner] = table[1:, 0][inner]
    values = table[:, 2:][:, places]
    if max(sizes) > 1:
        _require_equal_frames(scores)
        for length in np.unique(lengths):
            rows = first[lengths == length][:, None] + np.arange(length)
            for index, size in enumerate(sizes):
                if size > 1:
                    values[rows, index] = median_filter_scores(values[rows, index], size)
    return SegmentScores(np.repeat(np.arange(len(lengths)), lengths), table[:, 0], offset, values, len(lengths))


def read_scores(folder: str | Path) -> FrameScores:
    """Read the frame scores of all clips of a folder; every defect of its files is reported at once.

    The frames of all clips must be equally long, but for the last of a clip; `load_scores` takes any.

    Args:
        folder: holds a file `<clip>.tsv` for each clip.

    Raises:
        ManifestError: with a line for every defect.
        OSError: a file cannot be read.
    """
    return frames_of(load_scores(folder))


def frames_of(scores: ClipScores) -> FrameScores:
    """Scores as frames of equal length.

    Args:
        scores: of any clips; the frames of all must be equally long, but for the last of a clip.

    Raises:
        ManifestError: with a line for every clip whose frames are not.
    """
    seconds_per_frame = _require_equal_frames(scores)
    tables = scores.tables
    longest = max(tables.values(), key=len)
    array = np.zeros((len(tables), len(longest), len(scores.classes)))
    for index, table in enumerate(tables.values()):
        array[index, : len(table)] = table[:, 2:]
    durations = np.array([table[-1, 1] for table in tables.values()])
    return FrameScores(tuple(tables), scores.classes, array, seconds_per_frame, durations)


def _require_equal_frames(scores: ClipScores) -> float:
    """Returns seconds per frame."""
    tables = scores.tables
    longest = max(tables.values(), key=len)
    # The first frame's end is exact where the file is; the mean is better where times were rounded
    seconds_per_frame, steps = longest[0, 1], len(longest) - 1
    if steps and not np.isclose(seconds_per_frame * steps, longest[-1, 0], rtol=1e-12, atol=0):
        seconds_per_frame = longest[-1, 0] / steps
    defects = []
    for name, table in tables.items():
        expected = np.arange(len(table) + 1) * seconds_per_frame
        onsets_fit = np.abs(table[:, 0] - expected[:-1]) <= 0.1 * seconds_per_frame
        offsets_fit = np.abs(table[:, 1] - expected[1:]) <= 0.1 * seconds_per_frame
        offsets_fit[-1] = expected[-2] < table[-1, 1] <= expected[-1] + 0.1 * seconds_per_frame
        if not (onsets_fit & offsets_fit).all():
            row = int(np.argmin(onsets_fit & offsets_fit)) + 2
            defects.append(
                f"{scores.places[name]}:{row}: frames of equal length are needed here, and those of most files last "
                f"{seconds_per_frame:g} s"
            )
    if defects:
        raise ManifestError(defects)
    return float(seconds_per_frame)


def tables_of(scores: FrameScores) -> ClipScores:
    """Frame scores as tables with the times of the frames that each clip has.

    Raises:
        ValueError: the shapes do not fit, or a score is NaN.
    """
    array, durations = check_scores(scores.scores, scores.classes, scores.seconds_per_frame, scores.durations)
    starts, ends, lengths = frame_times(array.shape[1], seconds_per_frame=scores.seconds_per_frame, durations=durations)
    tables = {
        name: np.concatenate([starts[:length, None], ends[index, :length, None], array[index, :length]], axis=1)
        for index, (name, length) in enumerate(zip(scores.clips, lengths, strict=True))
    }
    return ClipScores(tuple(scores.classes), tables, {name: f"the scores of {name}" for name in tables})


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


def _score_paths(folder: Path) -> list[tuple[str, Path]]:
    """The name of each clip and its file, by name."""
    if not folder.is_dir():
        raise AvkerasError(f"{folder}: a folder with a score file for each clip is needed (<clip>.tsv)")
    found = []
    for path in folder.iterdir():
        name = path.name.removesuffix(".gz")
        if not name.startswith(".") and name.endswith(_ENDINGS):
            found.append((name.rpartition(".")[0], path))
    if not found:
        raise ManifestError([f"{folder}: no score files (<clip>.tsv) in this folder"])
    return sorted(found)


def _fast_table(path: Path, header: bytes, width: int) -> NDArray[np.float64] | None:
    """The numbers of a file that is as the first one was; None for one that is not, or has defects."""
    data = path.read_bytes()
    if not data.startswith(header):
        return None
    body = data[len(header) :].strip()
    lines = body.count(b"\n") + 1
    if b"\t\t" in body or b'"' in body or body.count(b"\t") != lines * (width - 1):
        return None
    try:
        values = np.fromiter(map(float, body.split()), np.float64, lines * width).reshape(lines, width)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _slow_table(path: Path, defects: list[str], notes: list[str]):
    """Class names, the numbers and the header's line of a score file; the numbers are None where it has defects."""
    nothing = ((), None, b"")
    try:
        table = read_table(path, TIME_COLUMNS, notes=notes)
    except ManifestError as error:
        defects += error.defects
        return nothing
    if table.header is None or table.header[:2] != TIME_COLUMNS:
        defects.append(f"{path}:1: the first line must be: onset offset class1 class2 ... (tab-separated)")
        return nothing
    names = table.header[2:]
    if not names or len(set(names)) < len(names) or not all(names):
        what = "no class" if not names else "a class without name, or twice"
        defects.append(f"{path}:1: {what}; the first line must be: onset offset class1 class2 ... (tab-separated)")
        return nothing
    before = len(defects)
    rows = []
    for place, fields in table.columns(table.header, defects):
        numbers = [number(field) for field in fields]
        defects += [
            f"{place}: {column} {field!r} is not a number"
            for column, field, value in zip(table.header, fields, numbers, strict=True)
            if value is None
        ]
        rows.append(numbers)
    if not rows and len(defects) == before:
        defects.append(f"{path}: no frames")
    if len(defects) > before:
        return nothing
    return names, np.array(rows), path.read_bytes().partition(b"\n")[0] + b"\n"


def _wrong_rows(path: Path, values: NDArray[np.float64], classes: Sequence[str], logits: bool) -> list[str]:
    """The first row of a file that is no segment after the one before, and the first score that is none."""
    defects = []
    onset, offset, scores = values[:, 0], values[:, 1], values[:, 2:]
    # Times that were rounded each for itself may miss each other by what rounding does
    apart = np.zeros(len(values), bool)
    apart[1:] = np.abs(onset[1:] - offset[:-1]) > 0.1 * np.minimum(offset - onset, 0.1)[1:]
    wrong = apart | (offset <= onset) | (onset < -1e-6)
    if wrong.any():
        row = int(np.argmax(wrong))
        text = f"{path}:{row + 2}: onset {onset[row]:g}, offset {offset[row]:g}"
        if apart[row]:
            text += f", but the row before ends at {offset[row - 1]:g}"
        defects.append(f"{text}: rows must follow each other in time without gaps, none of them empty")
    if not logits and ((scores < 0) | (scores > 1)).any():
        row, index = np.argwhere((scores < 0) | (scores > 1))[0]
        defects.append(
            f"{path}:{row + 2}: {classes[index]} {scores[row, index]:g}: a score must lie in [0, 1]; logits have to be "
            "declared as such"
        )
    return defects


def _difference(names: Sequence[str], classes: Sequence[str]) -> str:
    extra, missing = sorted(set(names) - set(classes)), sorted(set(classes) - set(names))
    parts = [f"without {', '.join(missing[:3])}"] if missing else []
    return "; ".join(parts + ([f"with {', '.join(extra[:3])}"] if extra else []))
