"""The files of an evaluation made to fit each other: one list of clips, one of classes, and what was interpreted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.clip_names import ClipNames
from avkeras.evaluation.files import EventFile, load_events, read_durations, read_operating_points
from avkeras.evaluation.score_files import ClipScores, FrameScores, load_scores, tables_of

ClipEvents = list[tuple[Event, ...]]
EventSource = str | Path | Mapping[str, Sequence[Event]]
PointSource = str | Path | Mapping[str, Mapping[str, Sequence[Event]]]


@dataclass(frozen=True)
class Inputs:
    """What an evaluation is made of; all sequences of clips are in the order of `names`.

    Args:
        names: of the clips.
        classes: class names.
        truth: true events of each clip.
        predictions: predicted events of each clip.
        merged: `truth` with the events of one class that overlap merged.
        merged_predictions: likewise.
        durations: seconds, `(clips,)`, or None where they are not known.
        scores: of each clip, or None.
        points: for each operating point the predicted events of each clip, those that overlap merged.
        silent: clips for which nothing was predicted.
        notes: what was interpreted, merged or left out, a line each.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    truth: ClipEvents
    predictions: ClipEvents
    merged: ClipEvents
    merged_predictions: ClipEvents
    durations: NDArray[np.float64] | None
    scores: ClipScores | None
    points: list[ClipEvents]
    silent: int
    notes: tuple[str, ...]

    @property
    def scored(self) -> list[str]:
        """The classes that have scores, in the order of these."""
        return [name for name in self.scores.classes if name in self.classes]


def gather(
    predictions: EventSource,
    ground_truth: EventSource,
    *,
    durations: str | Path | Mapping[str, float] | None = None,
    scores: str | Path | FrameScores | ClipScores | None = None,
    points: PointSource | None = None,
    classes: Sequence[str] | None = None,
    more_classes: Sequence[str] = (),
    logits: bool = False,
) -> Inputs:
    """Read the files of an evaluation and make them fit; arguments as for `avkeras.evaluation.evaluate.evaluate`.

    Args:
        predictions: likewise.
        ground_truth: likewise.
        durations: likewise.
        scores: likewise.
        points: likewise.
        classes: likewise.
        more_classes: classes that are there, too, unless `classes` are given.
        logits: likewise.

    Raises:
        AvkerasError: a file has defects, or the files do not fit together.
    """
    notes: list[str] = []
    found, truth = _events(predictions, notes), _events(ground_truth, notes)
    found_name, truth_name = _name(predictions, "the predictions"), _name(ground_truth, "the ground truth")
    if found.unnamed and len(truth.events) == 1:
        # One clip here and one there: the file of the predictions need not name it
        found = EventFile(dict.fromkeys(truth.events, *found.events.values()), found.lines)
    names = ClipNames(truth.events)
    seconds: dict[str, float] = {}
    if durations is not None:
        given = read_durations(durations, notes=notes) if isinstance(durations, str | Path) else durations
        seconds, _ = names.adopt(given, what=_name(durations, "the durations"), grow=True, notes=notes)
        if missing := sorted(set(truth.events) - set(seconds)):
            raise AvkerasError(f"durations are missing for {listed(missing)}, named in {truth_name}: add them")
    if scores is not None:
        if isinstance(scores, str | Path):
            own = load_scores(scores, logits=logits, notes=notes)
        else:
            own = scores if isinstance(scores, ClipScores) else tables_of(scores)
        placed = {name: (table, own.places[name]) for name, table in own.tables.items()}
        placed, _ = names.adopt(placed, what=_name(scores, "the scores"), grow=True, notes=notes)
        if missing := [name for name in names if name not in placed]:
            raise AvkerasError(
                f"scores are missing for {listed(missing)}: every clip of the ground truth and of the durations needs "
                "them"
            )
        tables, places = ({name: placed[name][part] for name in names} for part in (0, 1))
        scores = ClipScores(own.classes, tables, places)
        ends = {name: end for name, end in scores.durations().items() if name not in seconds}
        if ends and durations is not None:
            notes.append(f"{many(len(ends), 'clip')} without a duration: it was taken from the end of the scores")
        seconds |= ends
    if extra := len(names) - len(truth.events):
        notes.append(f"{many(extra, 'clip')} without a row in the ground truth: silent")
    if isinstance(points, str | Path):
        points = read_operating_points(points, notes=notes)
    if points and not seconds:
        raise AvkerasError("PSDS of operating points needs the clips' durations: give them")

    chosen = _Classes(truth, found, classes, more_classes, scores, notes)
    true = [chosen.of(truth.events.get(name, ())) for name in names]
    claimed = _in_order(names, found, found_name, notes)
    silent = sum(not events for events in claimed)
    claimed = [chosen.of(events) for events in claimed]
    merged = _merge(names, true, truth_name, notes)
    every_point, others = [], []
    for key, events in (points or {}).items():
        what = f"operating point {key}"
        point = _in_order(names, EventFile(dict(events), {}), what, others)
        every_point.append(_merge(names, [chosen.of(own) for own in point], what, others))
    if others:
        notes.append(others[0] + (f" (and {len(others) - 1} notes on other operating points)" if others[1:] else ""))
    return Inputs(
        names=tuple(names),
        classes=chosen.names,
        truth=true,
        predictions=claimed,
        merged=merged,
        merged_predictions=_merge(names, claimed, found_name, notes),
        durations=np.array([seconds[name] for name in names]) if seconds else None,
        scores=scores,
        points=every_point,
        silent=silent,
        notes=tuple(notes),
    )


class _Classes:
    """The classes to score, and what is left out because it is of others."""

    def __init__(self, truth, found, given, more, scores, notes):
        true = {event.label for events in truth.events.values() for event in events}
        claimed = {event.label for events in found.events.values() for event in events}
        if given is None:
            self.names = tuple(sorted(true | claimed | set(more)))
            if only := sorted(claimed - true):
                notes.append(
                    f"{many(len(only), 'class', 'classes')} only in the predictions ({listed(only)}): all its events "
                    "are false, and macro averages do without it"
                )
        else:
            self.names = tuple(given)
            if true and not true & set(given):
                raise AvkerasError(
                    f"none of the given classes ({listed(given)}) is in the ground truth; it has {listed(sorted(true))}"
                )
            for what, labels in (("true", true), ("predicted", claimed)):
                if left := sorted(labels - set(given)):
                    notes.append(f"{what} events of classes that were not asked for left out: {listed(left)}")
        if scores is not None and (lacking := sorted(true & set(self.names) - set(scores.classes))):
            raise AvkerasError(
                f"the ground truth names classes that the scores lack: {listed(lacking)}; the scores have "
                f"{listed(scores.classes)}"
            )

    def of(self, events):
        return tuple(event for event in events if event.label in self.names)


def merge_overlapping(events: Sequence[Event]) -> tuple[Event, ...]:
    """Merge the events of one clip that are of one class and overlap; those that only touch stay.

    Example:
        >>> merge_overlapping([Event(0.0, 2.0, "Dog"), Event(1.0, 3.0, "Dog"), Event(3.0, 4.0, "Dog")])
        (Event(onset=0.0, offset=3.0, label='Dog'), Event(onset=3.0, offset=4.0, label='Dog'))
    """
    merged: list[Event] = []
    last: dict[str, int] = {}
    for event in sorted(events):
        place = last.get(event.label)
        if place is not None and event.onset < merged[place].offset:
            merged[place] = merged[place]._replace(offset=max(merged[place].offset, event.offset))
        else:
            last[event.label] = len(merged)
            merged.append(event)
    return tuple(merged)


def _merge(names, clips, what, notes):
    merged = [merge_overlapping(events) for events in clips]
    if count := sum(map(len, clips)) - sum(map(len, merged)):
        first = next(name for name, own, kept in zip(names, clips, merged, strict=True) if len(own) > len(kept))
        notes.append(
            f"{what}: {many(count, 'event')} merged with the one of its class that it overlaps, for intersection-based "
            f"F1 and PSDS (first in {first})"
        )
    return merged


def _in_order(names, found: EventFile, what, notes):
    """Events of each clip in the order of the names; clips of other names are refused."""
    events, unknown = names.adopt(found.events, what=what, notes=notes)
    if unknown:
        raise unknown_clips(unknown, found.lines.get(unknown[0]) or what)
    return [tuple(events.get(name, ())) for name in names]


def unknown_clips(unknown: Sequence[str], what: str) -> AvkerasError:
    """Returns what to raise where a file has clips that the ground truth, durations and scores do not know.

    Example:
        >>> str(unknown_clips(["x"], "a.tsv:3"))[:64]
        'a.tsv:3: 1 clip of which the ground truth knows nothing: x; if i'
    """
    verb = "it is" if len(unknown) == 1 else "they are"
    return AvkerasError(
        f"{what}: {many(len(unknown), 'clip')} of which the ground truth knows nothing: {listed(unknown)}; if {verb} "
        "to be scored as silent, list all clips with their durations"
    )


def _events(source: EventSource, notes) -> EventFile:
    if isinstance(source, str | Path):
        return load_events(source, notes=notes)
    return EventFile({name: tuple(events) for name, events in source.items()}, {})


def _name(source, otherwise: str) -> str:
    return str(source) if isinstance(source, str | Path) else otherwise


def many(count: int, one: str, more: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> many(1, "clip"), many(2, "clip")
        ('1 clip', '2 clips')
    """
    return f"{count} {one if count == 1 else more or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """The first five of some names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(list(names)[:5]) + more
