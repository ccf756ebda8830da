"""The counts behind F1 (correct, reference and predicted), for many settings at once and equal to those of sed_eval.

Frame decisions come as words (see `avkeras.evaluation.bits`) of shape `(words, settings, classes, clips)`.

Event-based, sed_eval's `EventBasedMetrics(event_matching_type="optimal")` (its default, which the DCASE 2020 baseline
uses): a predicted event can stand for a reference event when its onset is within 200 ms and its offset within
max(200 ms, 20 % of the reference's length); correct is the size of the largest one-to-one matching.
In words: for each reference, a mask of the first frames and one of the last frames that would do. Where no two
references reach for the same event, each that has a candidate is matched. Where they do: the candidates of a reference
are neighbours in time, so serving the references in the order of their last candidate, each with its first free one,
gives the largest matching (as Glover's rule for convex graphs, 1967).

Segment-based, sed_eval's `SegmentBasedMetrics(time_resolution=1.0)`: a class is active in a segment that any part of
an event lies in.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from avkeras.data.manifest import Event
from avkeras.evaluation import bits
from avkeras.evaluation.bits import Words

ONSET_COLLAR = 0.2
OFFSET_SHARE = 0.2
SEGMENT = 1.0


class EventCounter:
    """Counts event-based matches of packed decisions.

    Args:
        references: events of each clip.
        classes: class names in the order of the words' third axis; events of other classes are refused.
        starts: first instant of each frame in seconds, `(frames,)`.
        ends: last instant of each frame, `(clips, frames)`.
        collar: tolerance of onset and offset, seconds.
        share: tolerance of the offset as a share of the reference's length, where that is more.
    """

    def __init__(
        self,
        references: Sequence[Sequence[Event]],
        *,
        classes: Sequence[str],
        starts: NDArray[np.float64],
        ends: NDArray[np.float64],
        collar: float = ONSET_COLLAR,
        share: float = OFFSET_SHARE,
    ) -> None:
        self._frames = len(starts)
        label, clip, onset, offset = reference_arrays(references, classes)
        self.references = np.bincount(label, minlength=len(classes))
        tolerance = np.maximum(collar, share * (offset - onset))[:, None]
        first = np.abs(onset[:, None] - starts) <= collar
        last = np.abs(offset[:, None] - ends[clip]) <= tolerance
        self._label, self._clip = label, clip
        self._first, self._last = bits.pack(first), bits.pack(last)
        self._rivals = _rivals(label, clip, self._first, self._last)

    def select(self, words: Words) -> Words:
        """The sequences that references ask for: `(words, settings, references)`."""
        return words[:, :, self._label, self._clip]

    def matched(self, selected: Words) -> NDArray[np.int64]:
        """Correct events of each setting and class, `(settings, classes)`, from what `select` gave."""
        starts = bits.onsets(selected) & self._first[:, None]
        runs = bits.runs_from(selected, starts)
        # Candidates of each reference, every one named by its last frame
        candidates = runs & ~bits.earlier(runs, 1) & self._last[:, None]
        found = bits.occupied(candidates)
        correct = _sum_by_class(found, self._label, len(self.references))
        for surplus, setting, label in self._surplus(candidates):
            np.subtract.at(correct, (setting, label), surplus)
        return correct

    def predicted(self, words: Words) -> NDArray[np.int64]:
        """Predicted events of each setting and class, `(settings, classes)`."""
        return bits.popcount(bits.onsets(words)).sum(axis=-1)

    def _surplus(self, candidates):
        """References that have candidates but lose them to others: how many, for which settings and classes."""
        for members in self._rivals:
            wanted = candidates[:, :, members]  # (words, settings, groups, members)
            taken = np.zeros_like(wanted[..., 0])
            clash = np.zeros(taken.shape[1:], bool)
            for member in range(members.shape[1]):
                clash |= bits.occupied(taken & wanted[..., member])
                taken |= wanted[..., member]
            setting, group = np.nonzero(clash)
            wanted = bits.unpack(wanted[:, setting, group], self._frames)
            surplus = wanted.any(axis=-1).sum(axis=-1) - _largest_matching(wanted)
            yield surplus, setting, self._label[members[group, 0]]


class SegmentCounter:
    """Counts segment-based matches of packed decisions.

    Args:
        references: events of each clip.
        classes: class names in the order of the words' third axis; events of other classes are refused.
        starts: first instant of each frame in seconds, `(frames,)`.
        ends: last instant of each frame, `(clips, frames)`.
        segment: length of a segment, seconds.
    """

    def __init__(
        self,
        references: Sequence[Sequence[Event]],
        *,
        classes: Sequence[str],
        starts: NDArray[np.float64],
        ends: NDArray[np.float64],
        segment: float = SEGMENT,
    ) -> None:
        label, clip, onset, offset = reference_arrays(references, classes)
        length = max(ends.max(initial=0.0), offset.max(initial=0.0))
        edges = np.arange(math.ceil(length / segment))
        touched = _touches(onset, offset, segment, edges)  # (references, segments)
        self._active = np.zeros((len(edges), len(classes), len(references)), bool)
        for index in range(len(edges)):
            self._active[index, label[touched[:, index]], clip[touched[:, index]]] = True
        self.references = self._active.sum(axis=(0, 2))
        frames = _touches(np.broadcast_to(starts, ends.shape), ends, segment, edges)  # (clips, frames, segments)
        self._masks = bits.pack(np.ascontiguousarray(frames.transpose(2, 0, 1)))  # (words, segments, clips)

    def matched_and_predicted(self, words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Correct and predicted segments of each setting and class, each `(settings, classes)`."""
        correct = np.zeros(words.shape[1:3], np.int64)
        predicted = np.zeros_like(correct)
        for index, active in enumerate(self._active):
            claimed = bits.occupied(words & self._masks[:, None, None, index])
            predicted += np.count_nonzero(claimed, axis=-1)
            correct += np.count_nonzero(claimed & active, axis=-1)
        return correct, predicted


def reference_arrays(references: Sequence[Sequence[Event]], classes: Sequence[str]):
    """Events as arrays label, clip, onset, offset, sorted by class, clip and onset; unknown classes are refused."""
    index = {name: number for number, name in enumerate(classes)}
    rows = []
    for clip, events in enumerate(references):
        for event in events:
            if event.label not in index:
                raise ValueError(f"clip {clip}: class {event.label!r} is not among {', '.join(classes)}")
            rows.append((index[event.label], clip, event.onset, event.offset))
    rows.sort()
    label, clip, onset, offset = np.array(rows, np.float64).reshape(-1, 4).T
    return label.astype(np.int64), clip.astype(np.int64), onset, offset


def _touches(onset, offset, segment, edges):
    """Whether events touch segments: `(..., segments)`, rounded as sed_eval does."""
    first = np.floor(onset * 1 / segment)[..., None]
    after = np.ceil(offset * 1 / segment)[..., None]
    return (first <= edges) & (edges < after)


def _sum_by_class(found, label, classes):
    """Sum over the last axis within each class; `label` rises."""
    totals = np.concatenate([np.zeros((len(found), 1), np.int64), np.cumsum(found, axis=1)], axis=1)
    edges = np.searchsorted(label, np.arange(classes + 1))
    return totals[:, edges[1:]] - totals[:, edges[:-1]]


def _rivals(label, clip, first, last):
    """References of one clip and class of which two could claim one event, as arrays `(groups, members)`."""
    # Onsets rise within a group and their windows are equally wide: if any two overlap, two neighbours do
    together = (label[1:] == label[:-1]) & (clip[1:] == clip[:-1])
    near = together & bits.occupied(first[:, 1:] & first[:, :-1])
    group = np.concatenate([[0], np.cumsum(~together)])[: len(label)]
    groups: dict[int, list] = {}
    for number in np.unique(group[1:][near]):
        members = np.arange(*np.searchsorted(group, [number, number + 1]))
        lasts = [last[:, member] for member in members]
        if any((one & other).any() for one, other in combinations(lasts, 2)):
            groups.setdefault(len(members), []).append(members)
    return [np.array(members) for members in groups.values()]


def _largest_matching(wanted):
    """Size of the largest one-to-one matching of references with candidates, `(items, references, frames)`."""
    items, references, frames = wanted.shape
    deadline = np.where(wanted.any(axis=-1), frames - np.argmax(wanted[..., ::-1], axis=-1), 0)
    turn = np.argsort(deadline, axis=1)
    everyone = np.arange(items)
    free = np.ones((items, frames), bool)
    size = np.zeros(items, np.int64)
    for place in range(references):
        choice = wanted[everyone, turn[:, place]] & free
        served = choice.any(axis=-1)
        free[everyone[served], np.argmax(choice, axis=-1)[served]] = False
        size += served
    return size
