"""What the official lists of a task say: clips, their places in source videos, their labels and events."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avkeras.data.manifest import Event, read_text
from avkeras.errors import AvkerasError

# The prefix before the two times is 11 characters, a YouTube id, or 12 with a leading Y, which files may carry.
_NAME = re.compile(r"Y?(?P<video>[\w-]{11})_(?P<start>\d+(?:\.\d+)?)_(?P<end>\d+(?:\.\d+)?)")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SourceClip:
    """One clip of an official list.

    Args:
        id: its name in the list, without extension.
        part: the list's part of the data set, by its official name.
        split: `"train"`, `"validation"` or `"test"`, as the papers use it.
        supervision: `"strong"`, `"weak"` or `"unlabelled"`.
        labels: the classes that are heard, in the order of the class list.
        events: the events in seconds from the clip's start.
        video: id of the YouTube video it is cut from; None: it is synthetic and has no source.
        start: where the clip begins in that video, in seconds.
        end: where it ends.
        seen: the classes that are seen, where a list says so.
    """

    id: str
    part: str
    split: str
    supervision: str
    labels: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    video: str | None = None
    start: float = 0.0
    end: float = 0.0
    seen: tuple[str, ...] = ()

    @property
    def key(self) -> tuple:
        """What makes two names one clip: video and times, or the name of a synthetic clip."""
        return (self.id,) if self.video is None else (self.video, self.start, self.end)


@dataclass(frozen=True)
class PartCounts:
    """What one part of a data set holds.

    Args:
        clips: number of clips.
        labels: classes heard, summed over clips.
        events: events, summed over clips.
        without_labels: clips in which no class is heard, or none is known.
        clips_per_class: clips in which a class is heard.
        rows_per_class: rows of the strong list per class, as they stand there.
    """

    clips: int
    labels: int
    events: int
    without_labels: int
    clips_per_class: Mapping[str, int]
    rows_per_class: Mapping[str, int]


@dataclass(frozen=True)
class TaskLists:
    """The lists of a task as read.

    Args:
        task: its name.
        classes: class names in the official order.
        parts: the parts that were read.
        clips: their clips, in the order of the lists.
        rows: per part, rows of its strong list per class, as they stand there.
        notes: what was merged, dropped or kept against expectation, with numbers.
    """

    task: str
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    clips: tuple[SourceClip, ...]
    rows: Mapping[str, Counter] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def count(self) -> dict[str, PartCounts]:
        """Counts clips, labels and events of each part and class."""
        parts: dict[str, list[SourceClip]] = {part: [] for part in self.parts}
        for clip in self.clips:
            parts[clip.part].append(clip)
        return {part: self._count_part(part, clips) for part, clips in parts.items()}

    def compare(self, clips: Mapping[str, int]) -> list[str]:
        """Returns a line for each part that was read whose number of clips is not that of `clips`, if it has one."""
        found = Counter(clip.part for clip in self.clips)
        return [
            f"{part}: {found[part]} clips, not {clips[part]}"
            for part in self.parts
            if part in clips and found[part] != clips[part]
        ]

    def _count_part(self, part: str, clips: list[SourceClip]) -> PartCounts:
        heard = Counter(label for clip in clips for label in clip.labels)
        rows = self.rows.get(part, Counter())
        return PartCounts(
            clips=len(clips),
            labels=heard.total(),
            events=sum(len(clip.events) for clip in clips),
            without_labels=sum(not clip.labels for clip in clips),
            clips_per_class={name: heard[name] for name in self.classes},
            rows_per_class={name: rows[name] for name in self.classes},
        )


def parse_name(stem: str) -> tuple[str, float, float] | None:
    """Reads video id, start and end from an official name, with or without its leading Y; None: it is none.

    Example:
        >>> parse_name("Y-5QrBL6MzLg_60.000_70.000") == parse_name("-5QrBL6MzLg_60_70")
        True
    """
    match = _NAME.fullmatch(stem)
    return match and (match["video"], float(match["start"]), float(match["end"]))


def read_rows(
    file: Path, *, columns: int, delimiter: str = "\t", header: str = "", comment: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the stripped fields of each row of a list, whatever its line ends; blank lines are skipped.

    Args:
        file: the list.
        columns: number of fields of a row; shorter rows are filled with empty fields.
        delimiter: between fields; fields between commas may stand in double quotes.
        header: what the first line must be (spaces and tabs alike); empty: there is none.
        comment: rows that begin with it are skipped; empty: there are none.

    Raises:
        AvkerasError: naming the file, where it cannot be read or has another header or wider rows.
    """
    try:
        text = read_text(file)
    except OSError as error:
        raise AvkerasError(f"{file}: cannot be read ({error.strerror})") from None
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    # Quotes may stand behind a space.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, skipinitialspace=True)
    for number, row in enumerate(rows, start=1):
        if number == 1 and header:
            if "\t".join(row).split() != header.split():
                raise AvkerasError(f"{file}:1: must be '{header}'; is this the official list?")
            continue
        if not any(field.strip() for field in row) or (comment and row[0].startswith(comment)):
            continue
        if len(row) > columns:
            raise AvkerasError(f"{file}:{number}: has {len(row)} fields, not {columns}")
        yield number, [field.strip() for field in row] + [""] * (columns - len(row))


class Defects:
    """Collects what is wrong with lists, to tell it at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, file: Path, row: int, text: str) -> None:
        """Adds one line."""
        self.lines.append(f"{file}:{row}: {text}")

    def raise_any(self) -> None:
        """Raises an `AvkerasError` with a line per defect, if there are any; at most 20 are shown."""
        if self.lines:
            rest = len(self.lines) - _SHOWN
            raise AvkerasError("\n".join(self.lines[:_SHOWN] + ([f"... and {rest} more"] if rest > 0 else [])))


@dataclass
class StrongList:
    """The events of a strong list.

    Args:
        events: per name of the list, without extension, the events in order; names without events are there too.
        rows: rows per class, as they stand in the list.
        zero: rows with the times 0 and 0: the class was not heard.
        merged: events that overlapped, or repeated, one of their class and were joined with it.
    """

    events: dict[str, list[Event]]
    rows: Counter
    zero: int
    merged: int


def read_strong_list(file: Path, *, classes: Sequence[str], defects: Defects, header: str = "") -> StrongList:
    """Reads a list with a row `name onset offset class` per event.

    A row with empty times and class, or with the times 0 and 0, names a clip without saying an event. Events of one
    class that overlap are joined, as evaluation with PSDS asks for.
    """
    known = set(classes)
    events: dict[str, list[Event]] = {}
    rows: Counter = Counter()
    zero = 0
    for number, (name, onset, offset, label) in read_rows(file, columns=4, header=header):
        found = events.setdefault(stem(name), [])
        if not (onset or offset or label):
            continue
        if label not in known:
            defects.add(file, number, f"class '{label}' is not in the class list")
            continue
        try:
            event = Event(float(onset), float(offset), label)
        except ValueError:
            defects.add(file, number, f"times '{onset}' and '{offset}' are not numbers")
            continue
        rows[label] += 1
        if event.onset == event.offset == 0:
            zero += 1
        elif not 0 <= event.onset < event.offset < float("inf"):
            defects.add(file, number, f"times '{onset}' and '{offset}' must have 0 <= onset < offset, in seconds")
        else:
            found.append(event)
    given = sum(map(len, events.values()))
    events = {name: join_overlaps(found) for name, found in events.items()}
    return StrongList(events, rows, zero, given - sum(map(len, events.values())))


def join_overlaps(events: Iterable[Event]) -> list[Event]:
    """Joins events of one class that overlap; the rest stay as they are, ordered by onset.

    Example:
        >>> join_overlaps([Event(0.0, 2.0, "Car"), Event(1.0, 3.0, "Car"), Event(1.0, 4.0, "Bus")])
        [Event(onset=0.0, offset=3.0, label='Car'), Event(onset=1.0, offset=4.0, label='Bus')]
    """
    joined: list[Event] = []
    last: dict[str, int] = {}
    for event in sorted(events, key=lambda event: (event.onset, event.offset)):
        index = last.get(event.label)
        if index is not None and event.onset < joined[index].offset:
            joined[index] = joined[index]._replace(offset=max(joined[index].offset, event.offset))
        else:
            last[event.label] = len(joined)
            joined.append(event)
    return joined


def stem(name: str) -> str:
    """The name of an audio file without its extension; the times in it hold points, so only known ones go."""
    return name.removesuffix(".wav")


def check_ids(clips: Iterable[SourceClip], files: Mapping[str, Path], defects: Defects) -> list[str]:
    """Adds a defect for a clip that stands in its part twice, under whatever form of its name.

    Args:
        clips: of all parts.
        files: the list of each part.
        defects: where to.

    Returns:
        A line for each part with clips that stand in a part before it too: official lists overlap a little.
    """
    seen: dict[tuple, SourceClip] = {}
    shared: Counter = Counter()
    for clip in clips:
        other = seen.setdefault(clip.key, clip)
        if other is clip:
            continue
        if other.part == clip.part:
            defects.lines.append(f"{files[clip.part]}: clip '{clip.id}' stands there twice (see '{other.id}')")
        else:
            shared[files[clip.part].name, files[other.part].name] += 1
    return [f"{file}: clips that stand in {other} too: {number}, kept" for (file, other), number in shared.items()]
