"""Figures of resamples of the clips: each takes how often every clip is drawn and gives all its values at once.

A figure has `names`, `clips` and `values(weights)`: `(resamples, names)` for weights `(resamples, clips)`.
A class without reference items in a resample has no value there (NaN) and is left out of the mean over classes.

Figures over all thresholds try, in every resample, the `TRIED` highest thresholds of each class and, of the others,
those that are the best of all for their number of correct items when every clip counts once. For the clips as they are
the value is therefore exact.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avkeras.evaluation.clip_counts import ClipCounts
from avkeras.evaluation.exact_psds import IntersectionChanges
from avkeras.evaluation.exact_segments import SegmentChanges
from avkeras.evaluation.psds import SECONDS_PER_HOUR, PsdsSettings, area, join_stairs, rising_stairs
from avkeras.evaluation.threshold_changes import ClassChanges

Weights = NDArray[np.float64]
TRIED = 1000


class Figure(Protocol):
    """What `avkeras.evaluation.bootstrap` resamples."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values: of all classes first, then class by class."""

    @property
    def clips(self) -> int:
        """Number of clips."""

    def values(self, weights: Weights) -> NDArray[np.float64]:
        """Values `(resamples, names)` for weights `(resamples, clips)`."""


@dataclass(frozen=True)
class F1Figure:
    """Micro- and macro-averaged F1 and that of each class, from the counts of `avkeras.evaluation.clip_counts`."""

    counts: ClipCounts

    @property
    def names(self) -> tuple[str, ...]:
        """Averages, then classes."""
        return ("micro", "macro", *self.counts.classes)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.counts.references)

    def values(self, weights: Weights) -> NDArray[np.float64]:
        """Values `(resamples, names)` for weights `(resamples, clips)`."""
        columns = (self.counts.references, self.counts.predicted, self.counts.correct)
        references, predicted, correct = (weights @ column.astype(np.float64) for column in columns)
        per_class = np.where(references > 0, 2 * correct / np.maximum(references + predicted, 1), np.nan)
        micro = 2 * correct.sum(axis=1) / np.maximum((references + predicted).sum(axis=1), 1)
        return np.column_stack([micro, _mean(per_class), per_class])

    def beside(self, other: "F1Figure") -> "F1Figure":
        """The figure over the clips of this system, then of another one with the same classes."""
        columns = {
            name: np.concatenate([getattr(self.counts, name), getattr(other.counts, name)])
            for name in ("references", "predicted", "correct")
        }
        return F1Figure(ClipCounts(self.counts.classes, **columns))


@dataclass(frozen=True)
class BestF1Figure:
    """Micro- and macro-averaged F1 at the best thresholds and that of each class, chosen again in every resample."""

    found: ClassChanges

    @property
    def names(self) -> tuple[str, ...]:
        """Averages, then classes."""
        return ("micro", "macro", *self.found.classes)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.found.references)

    def values(self, weights: Weights) -> NDArray[np.float64]:
        """Values `(resamples, names)` for weights `(resamples, clips)`."""
        references = weights @ self.found.references
        per_class, totals = [], np.zeros((2, len(weights)))
        for index, changes in enumerate(self.found.changes):
            ends = _candidates(changes, np.cumsum(changes.false_positives))
            # Above the highest threshold nothing is found
            nothing = np.zeros((1, len(weights)))
            correct = np.concatenate([nothing, _sums(changes, changes.correct, ends, weights)])
            false = np.concatenate([nothing, _sums(changes, changes.false_positives, ends, weights)])
            claimed_and_true = references[:, index] + correct + false
            f1 = 2 * correct / np.maximum(claimed_and_true, 1)
            best = np.argmax(f1, axis=0), np.arange(len(weights))
            per_class.append(np.where(references[:, index] > 0, f1[best], np.nan))
            totals += 2 * correct[best], claimed_and_true[best]
        per_class = np.stack(per_class, axis=1)
        return np.column_stack([totals[0] / np.maximum(totals[1], 1), _mean(per_class), per_class])


@dataclass(frozen=True)
class PsdsFigure:
    """PSDS and the area under each class's own staircase.

    Args:
        found: over all thresholds from `intersection_changes`, over 50 from `changes_of_detections`.
        settings: its weights are used; the tolerances were used for `found`.
    """

    found: IntersectionChanges
    settings: PsdsSettings

    @property
    def names(self) -> tuple[str, ...]:
        """The PSDS, then classes."""
        return ("score", *self.found.classes)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.found.durations)

    def values(self, weights: Weights) -> NDArray[np.float64]:
        """Values `(resamples, names)` for weights `(resamples, clips)`."""
        found, limit = self.found, self.settings.max_efpr
        present = weights @ found.references > 0
        curves = [self._curves(index, weights) for index in range(len(found.classes))]
        values = np.full((len(weights), len(self.names)), np.nan)
        for row in range(len(weights)):
            stairs = {}
            for column in np.flatnonzero(present[row]):
                effective, ratio = curves[column]
                curve = rising_stairs(effective[row], ratio[row], limit=limit)
                stairs[found.classes[column]] = curve
                values[row, 1 + column] = area(*curve, limit)
            if stairs:
                values[row, 0] = join_stairs(stairs, alpha_st=self.settings.alpha_st, max_efpr=limit).score
        return values

    def _curves(self, index, weights):
        """Effective false positives per hour and true positive ratio of a class, each `(resamples, points)`."""
        found, changes = self.found, self.found.changes[index]
        whole = np.ones((1, self.clips))
        ends = _candidates(changes, np.cumsum(self._rates(changes, whole)[0]))
        hours = weights @ found.durations / SECONDS_PER_HOUR
        effective = _sums(changes, changes.false_positives, ends, weights) / hours
        for column, crossing in enumerate(self._crossing(weights).T):
            if self.settings.alpha_ct and changes.cross_triggers[:, column].any():
                effective += _sums(changes, changes.cross_triggers[:, column], ends, weights) * crossing
        # As long as no item is gained or lost in any clip, only the fewest false positives matter
        starts = np.flatnonzero(np.diff(_stretches(changes, ends), prepend=-1))
        effective = np.minimum.reduceat(effective, starts, axis=0) if len(ends) else effective
        ratio = _sums(changes, changes.correct, ends[starts], weights)
        ratio /= np.maximum(weights @ found.references[:, index], 1)
        return np.ascontiguousarray(effective.T), np.ascontiguousarray(ratio.T)

    def _rates(self, changes, weights):
        """Change of the effective false positives per hour at every change, `(resamples, changes)`."""
        hours = weights @ self.found.durations / SECONDS_PER_HOUR
        rates = changes.false_positives / hours[:, None]
        if self.settings.alpha_ct:
            rates = rates + self._crossing(weights) @ changes.cross_triggers.T
        return rates

    def _crossing(self, weights):
        """What a cross trigger of each class adds per hour, `(resamples, classes)`; 0 where none is possible."""
        seconds = weights @ self.found.event_seconds
        share = self.settings.alpha_ct / max(len(self.found.classes) - 1, 1)
        return share * SECONDS_PER_HOUR / np.where(seconds > 0, seconds, np.inf)


@dataclass(frozen=True)
class AurocFigure:
    """Mean area under the segment-based ROC up to a false positive rate, and that of each class.

    Args:
        found: from `segment_changes`.
        max_fpr: 1 for mAUC, 0.1 for mpAUC.
    """

    found: SegmentChanges
    max_fpr: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """The mean, then classes."""
        return ("mean", *self.found.classes)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self.found.references)

    def values(self, weights: Weights) -> NDArray[np.float64]:
        """Values `(resamples, names)` for weights `(resamples, clips)`."""
        references, silent = weights @ self.found.references, weights @ self.found.silent
        per_class = []
        for index, changes in enumerate(self.found.changes):
            ends = _candidates(changes, np.cumsum(changes.false_positives))
            height = _sums(changes, changes.correct, ends, weights) / np.maximum(references[:, index], 1)
            rate = _sums(changes, changes.false_positives, ends, weights) / np.maximum(silent[:, index], 1)
            width = np.diff(np.minimum(rate, self.max_fpr), axis=0, append=self.max_fpr)
            per_class.append(np.where(references[:, index] > 0, (width * height).sum(axis=0) / self.max_fpr, np.nan))
        per_class = np.stack(per_class, axis=1)
        return np.column_stack([_mean(per_class), per_class])


def _mean(per_class):
    """Mean over the classes that have a value; NaN where none has."""
    there = ~np.isnan(per_class)
    count = there.sum(axis=1)
    return np.where(count > 0, np.where(there, per_class, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _candidates(changes, cost):
    """The last change of each threshold to try: beside the highest ones that of the least cost for each stretch of
    thresholds in which no item is gained or lost.
    """
    last = np.flatnonzero(changes.last_of_thresholds())
    stretch = _stretches(changes, last)
    order = np.lexsort((cost[last], stretch))
    first = np.append(True, np.diff(stretch[order]) > 0)[: len(order)]
    return np.union1d(last[order[first]], last[:TRIED])


def _stretches(changes, ends):
    """Numbers, rising, that are equal for those of `ends` between which no item is gained or lost in any clip."""
    return np.cumsum(changes.correct != 0)[ends]


def _sums(changes, column, ends, weights):
    """Weighted sums of a column of changes up to each of `ends`, `(ends, resamples)`."""
    from scipy import sparse

    some = np.flatnonzero(column[: ends[-1] + 1] if len(ends) else column[:0])
    stretch = np.searchsorted(ends, some)
    shape = (len(ends), weights.shape[1])
    by_clip = sparse.csr_matrix((column[some].astype(np.float64), (stretch, changes.clip[some])), shape=shape)
    return np.cumsum(by_clip @ weights.T, axis=0)
