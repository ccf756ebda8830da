"""Intersections of detections with reference events, as psds-eval 0.5.3 counts them (see `avkeras.evaluation.psds`).

Sums of shares are compared with tolerances, where the last bit of a sum can decide. They are therefore added in the
order and by the compensated summation (Kahan) that pandas uses under psds-eval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation.event_counts import reference_arrays


@dataclass(frozen=True)
class Detections:
    """Detected events of one class; a row is one clip's sequence of events, the same for a range of operating points.

    Args:
        clip: of each row.
        first: first operating point of each row.
        after: the operating point after its last.
        row: of each event, rising.
        onset: of each event, seconds, rising within a row.
        offset: of each event, seconds.
    """

    clip: NDArray[np.int64]
    first: NDArray[np.int64]
    after: NDArray[np.int64]
    row: NDArray[np.int64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]

    def check(self, name: str) -> None:
        """Refuse events that overlap within a row."""
        clips = self.clip[self.row]
        _refuse_overlaps(self.row, clips, self.onset, self.offset, name, "predictions")


class References:
    """The reference events by class, without those of no length.

    Args:
        ground_truth: the events of each clip.
        classes: class names.
        durations: lengths of the clips in seconds, `(clips,)`.
    """

    def __init__(
        self, ground_truth: Sequence[Sequence[Event]], classes: Sequence[str], durations: NDArray[np.float64]
    ) -> None:
        label, clip, onset, offset = reference_arrays(ground_truth, classes)
        if len(durations) != len(ground_truth):
            raise ValueError(f"{len(durations)} durations for {len(ground_truth)} clips")
        if (onset > offset).any():
            raise ValueError(f"ground truth, clip {clip[onset > offset][0]}: an event ends before it begins")
        some = offset > onset
        self.label, self.clip, self.onset, self.offset = label[some], clip[some], onset[some], offset[some]
        for index, name in enumerate(classes):
            own = self.label == index
            clips = self.clip[own]
            _refuse_overlaps(clips, clips, self.onset[own], self.offset[own], name, "ground truth")
        self.durations = durations
        self.total_seconds = float(durations.sum())
        self.counts = np.bincount(self.label, minlength=len(classes))
        self.seconds = np.bincount(self.label, self.offset - self.onset, minlength=len(classes))
        self.present = np.flatnonzero(self.counts)


class ClassCounter:
    """Counts the detections of one class against the references.

    Args:
        references: of all classes.
        index: the class.
        dtc: share of a detection that must lie in events of its class.
        gtc: share of an event that must be covered.
        cttc: share of a failing detection in events of another class that makes a cross trigger, or None.
    """

    def __init__(self, references: References, index: int, dtc: float, gtc: float, cttc: float | None) -> None:
        self._references, self._dtc, self._gtc, self._cttc = references, dtc, gtc, cttc
        own = references.label == index
        self._own = _ByClip(references, np.flatnonzero(own))
        others = np.flatnonzero(~own)
        # By clip, then class, then onset: the events of one class follow each other
        self._others = _ByClip(references, others[np.argsort(references.clip[others], kind="stable")])

    def __call__(self, detections: Detections, points: int) -> tuple[NDArray, NDArray, NDArray]:
        """Returns correct references, false positives, each `(points,)`, and cross triggers `(points, classes)`."""
        some = detections.offset > detections.onset
        row, onset, offset = detections.row[some], detections.onset[some], detections.offset[some]
        clip = detections.clip[row]
        passing, event, reference, seconds = self._passing(clip, onset, offset)
        key = row[event] * max(len(self._own.onset), 1) + reference
        order = np.argsort(key, kind="stable")
        covered, share = grouped_sums((seconds / self._own.length[reference])[order], key[order])
        correct_row = covered[share >= self._gtc] // max(len(self._own.onset), 1)
        span = detections.first[row], detections.after[row]
        failing, crossed = self._false(passing, clip, onset, offset, span, points)
        return tally(detections.first[correct_row], detections.after[correct_row], points), failing, crossed

    def of_spans(
        self,
        clip: NDArray[np.int64],
        onset: NDArray[np.float64],
        offset: NDArray[np.float64],
        span: tuple[NDArray[np.int64], NDArray[np.int64]],
        points: int,
    ) -> tuple[NDArray, NDArray, NDArray]:
        """As a call, for detections each of which is there from one operating point to the one before another.

        Args:
            clip: of each detection.
            onset: of each, seconds.
            offset: of each.
            span: its first operating point, and the one after its last.
            points: number of operating points.
        """
        passing, event, reference, seconds = self._passing(clip, onset, offset)
        first, after = span
        count = (after - first)[event]
        pair = np.repeat(np.arange(len(event)), count)
        point = np.arange(len(pair)) + np.repeat(first[event] - (np.cumsum(count) - count), count)
        key = point * max(len(self._own.onset), 1) + reference[pair]
        order = np.lexsort((onset[event[pair]], key))
        pair, key = pair[order], key[order]
        covered, share = grouped_sums((seconds / self._own.length[reference])[pair], key)
        at = covered[share >= self._gtc] // max(len(self._own.onset), 1)
        correct = np.bincount(at, minlength=points).astype(np.float64)
        return correct, *self._false(passing, clip, onset, offset, span, points)

    def _passing(self, clip, onset, offset):
        """Which detections pass, and their pairs with references: detection, reference, seconds in common."""
        event, reference, seconds = self._own.overlaps(clip, onset, offset)
        inside, share = grouped_sums(seconds / (offset - onset)[event], event)
        passing = np.zeros(len(clip), bool)
        passing[inside] = share >= self._dtc
        counted = passing[event]
        return passing, event[counted], reference[counted], seconds[counted]

    def _false(self, passing, clip, onset, offset, span, points):
        """False positives `(points,)` and cross triggers `(points, classes)`."""
        first, after = span
        failing = np.flatnonzero(~passing & (onset < self._references.durations[clip]) & (offset > 0))
        classes = len(self._references.counts)
        crossed = np.zeros((points, classes))
        if self._cttc is not None:
            failed = np.flatnonzero(~passing)
            event, reference, seconds = self._others.overlaps(clip[failed], onset[failed], offset[failed])
            key = failed[event] * classes + self._others.label[reference]
            key, share = grouped_sums(seconds / (offset - onset)[failed[event]], key)
            event, other = np.divmod(key[share >= self._cttc], classes)
            for index in range(classes):
                own = event[other == index]
                crossed[:, index] = tally(first[own], after[own], points)
        return tally(first[failing], after[failing], points), crossed


class _ByClip:
    """Some references, sorted by clip."""

    def __init__(self, references, chosen):
        self.onset, self.offset = references.onset[chosen], references.offset[chosen]
        self.label, self.length = references.label[chosen], self.offset - self.onset
        edges = np.searchsorted(references.clip[chosen], np.arange(len(references.durations) + 1))
        self._first, self._count = edges[:-1], np.diff(edges)

    def overlaps(self, clip, onset, offset):
        """Pairs of events and references that share some time: indices of both, and how many seconds."""
        count = self._count[clip]
        event = np.repeat(np.arange(len(clip)), count)
        before = np.cumsum(count) - count
        reference = np.arange(len(event)) + np.repeat(self._first[clip] - before, count)
        seconds = np.minimum(offset[event], self.offset[reference]) - np.maximum(onset[event], self.onset[reference])
        some = seconds > 0
        return event[some], reference[some], seconds[some]


def grouped_sums(values: NDArray[np.float64], keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sum the values of equal, neighbouring keys by compensated summation: the distinct keys and their sums."""
    if not len(keys):
        return keys, values
    starts = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1])
    counts = np.diff(np.append(starts, len(keys)))
    total = values[starts]
    lost = np.zeros_like(total)
    for place in range(1, counts.max()):
        longer = np.flatnonzero(counts > place)
        value = values[starts[longer] + place] - lost[longer]
        grown = total[longer] + value
        lost[longer] = grown - total[longer] - value
        total[longer] = grown
    return keys[starts], total


def tally(first: NDArray[np.int64], after: NDArray[np.int64], points: int) -> NDArray[np.float64]:
    """How many of some spans of operating points hold each point, `(points,)`.

    Example:
        >>> tally(np.array([0, 1]), np.array([2, 3]), 4)
        array([1., 2., 1., 0.])
    """
    begin, end = np.bincount(first, minlength=points + 1), np.bincount(after, minlength=points + 1)
    return np.cumsum(begin - end)[:points].astype(np.float64)


def _refuse_overlaps(group, clip, onset, offset, name, what):
    """Refuse events of one class and group that overlap; they come sorted by group and onset."""
    overlap = np.flatnonzero((group[1:] == group[:-1]) & (onset[1:] < offset[:-1]))
    if len(overlap):
        place = overlap[0]
        raise ValueError(
            f"{what}, clip {clip[place]}: events of class {name} overlap "
            f"({onset[place]:g}-{offset[place]:g} s and {onset[place + 1]:g}-{offset[place + 1]:g} s); PSDS needs them "
            "apart, so merge them first"
        )
