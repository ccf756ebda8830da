"""How sure a figure is: intervals by the bootstrap over clips, and tests of two systems on the same clips.

A resample draws as many clips as there are, with replacement. How far the figure of resamples strays from that of all
clips stands for how far the latter strays from the truth ("basic" bootstrap intervals): PSDS with `alpha_st` and F1 at
the best threshold are biased in resamples, which percentiles of these would repeat. The p-value of a difference is the
smallest level at which its interval leaves out 0. The permutation test asks instead how often systems that swap their
decisions on every second clip differ as much.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avkeras.evaluation.clip_counts import ClipCounts
from avkeras.evaluation.resampled_figures import F1Figure, Figure

RESAMPLES = 1000
CONFIDENCE = 0.95
# Equal differences can come out differently in the last digits
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A figure with its interval.

    Args:
        value: of all clips.
        low: lower end of the interval.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A figure of two systems on the same clips.

    Args:
        first: of the first system.
        second: of the second system.
        low: lower end of the interval of the second minus the first.
        high: upper end.
        p_value: of no difference, two-sided.
    """

    first: float
    second: float
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        """The second minus the first."""
        return self.second - self.first


def resample(clips: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """How often each clip is drawn, `(resamples, clips)`; the draws are those of `scipy.stats.bootstrap`.

    Args:
        clips: number of clips.
        resamples: number of resamples.
        seed: of the draws.

    Raises:
        ValueError: a number is not above 0.

    Example:
        >>> resample(4, resamples=2).sum(axis=1)
        array([4., 4.])
    """
    if clips < 1 or resamples < 1:
        raise ValueError(f"clips and resamples must be above 0, not {clips} and {resamples}")
    drawn = np.random.default_rng(seed).integers(0, clips, (resamples, clips))
    drawn += np.arange(resamples)[:, None] * clips
    return np.bincount(drawn.ravel(), minlength=resamples * clips).reshape(resamples, clips).astype(np.float64)


def bootstrap(
    figures: Mapping[str, Figure], *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """Intervals of figures; all figures see the same resamples.

    Args:
        figures: by name, from `avkeras.evaluation.resampled_figures`.
        resamples: number of resamples.
        confidence: level of the intervals, in (0, 1).
        seed: of the draws.

    Returns:
        For each figure its values by name ("micro", "macro" or "score", then the classes). Where no resample has a
        value, the ends are NaN.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from avkeras.evaluation.clip_counts import label_counts
        >>> heard = [["Dog"], ["Dog"], ["Dog"], []] * 5
        >>> found = [["Dog"], [], ["Dog"], ["Dog"]] * 5
        >>> intervals = bootstrap({"CBF1": F1Figure(label_counts(heard, found, classes=["Dog"]))})
        >>> micro = intervals["CBF1"]["micro"]
        >>> micro.low < micro.value < micro.high
        True
    """
    found = {}
    for name, figure in figures.items():
        values = figure.values(resample(figure.clips, resamples=resamples, seed=seed))
        value = figure.values(np.ones((1, figure.clips)))[0]
        low, high = np.clip(_ends(value, values, confidence), 0.0, 1.0)
        found[name] = {
            part: Interval(*map(float, row)) for part, *row in zip(figure.names, value, low, high, strict=True)
        }
    return found


def compare(
    first: Mapping[str, Figure],
    second: Mapping[str, Figure],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[str, dict[str, Difference]]:
    """Two systems beside each other, by the paired bootstrap: both see the same clips in every resample.

    Args:
        first: figures of the first system by name.
        second: the same figures of the second system, on the same clips.
        resamples: number of resamples.
        confidence: level of the intervals, in (0, 1).
        seed: of the draws.

    Returns:
        For each figure its values by name.

    Raises:
        ValueError: the systems do not have the same figures, classes and clips, or an argument is out of range.

    Example:
        >>> from avkeras.evaluation.clip_counts import label_counts
        >>> heard = [["Dog"], [], ["Dog"], []] * 5
        >>> figures = {"CBF1": F1Figure(label_counts(heard, heard, classes=["Dog"]))}
        >>> compare(figures, figures)["CBF1"]["micro"]
        Difference(first=1.0, second=1.0, low=0.0, high=0.0, p_value=1.0)
    """
    if set(first) != set(second):
        raise ValueError(f"the systems' figures differ: {', '.join(first)}; {', '.join(second)}")
    found = {}
    for name, one in first.items():
        other = second[name]
        if one.names != other.names or one.clips != other.clips:
            raise ValueError(f"{name}: the systems' classes or clips differ")
        weights = resample(one.clips, resamples=resamples, seed=seed)
        differences = other.values(weights) - one.values(weights)
        whole = np.ones((1, one.clips))
        values = one.values(whole)[0], other.values(whole)[0]
        low, high = _ends(values[1] - values[0], differences, confidence)
        rows = zip(one.names, *values, low, high, _p_values(values[1] - values[0], differences), strict=True)
        found[name] = {part: Difference(*map(float, row)) for part, *row in rows}
    return found


def permutation_test(
    first: ClipCounts, second: ClipCounts, *, permutations: int = RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """P-values of no difference between the F1 of two systems, by swapping their decisions on random clips.

    Args:
        first: counts of the first system.
        second: counts of the second system on the same clips.
        permutations: how often.
        seed: of the swaps.

    Returns:
        For "micro", "macro" and each class the share of permutations that differ at least as much, the systems as they
        are included; two-sided.

    Raises:
        ValueError: the systems do not have the same classes, clips and references.

    Example:
        >>> from avkeras.evaluation.clip_counts import label_counts
        >>> heard = [["Dog"], ["Dog"]] * 20
        >>> good, bad = (label_counts(heard, found, classes=["Dog"]) for found in (heard, [["Dog"], []] * 20))
        >>> permutation_test(good, bad)["micro"] < 0.01, permutation_test(good, good)["micro"]
        (True, 1.0)
    """
    if first.classes != second.classes or not np.array_equal(first.references, second.references):
        raise ValueError("the systems' classes, clips or references differ")
    both = F1Figure(first).beside(F1Figure(second))
    swaps = np.random.default_rng(seed).random((permutations + 1, len(first.references))) < 0.5
    swaps[0] = False
    kept, swapped = (~swaps).astype(np.float64), swaps.astype(np.float64)
    one, other = both.values(np.hstack([kept, swapped])), both.values(np.hstack([swapped, kept]))
    differences = np.abs(np.nan_to_num(other - one))
    shares = (differences >= differences[0] - _ROUNDING).mean(axis=0)
    return dict(zip(both.names, shares.tolist(), strict=True))


def _ends(value, values, confidence):
    """Lower and upper ends for each column of resampled values; NaN where it has none."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), not {confidence}")
    ends = np.full((2, values.shape[1]), np.nan)
    some = ~np.isnan(values).all(axis=0)
    levels = [50 * (1 + confidence), 50 * (1 - confidence)]
    ends[:, some] = 2 * value[some] - np.nanpercentile(values[:, some], levels, axis=0)
    return ends


def _p_values(difference, differences):
    """How often resampled differences stray by as much as the difference itself, on the rarer side, twice."""
    strayed = differences - difference
    there = (~np.isnan(strayed)).sum(axis=0)
    above = (np.nan_to_num(strayed, nan=-np.inf) >= difference - _ROUNDING).sum(axis=0)
    below = (np.nan_to_num(strayed, nan=np.inf) <= difference + _ROUNDING).sum(axis=0)
    return np.where(there > 0, np.minimum(2 * (np.minimum(above, below) + 1) / (there + 1), 1.0), np.nan)
