"""The polyphonic sound detection score, equal to psds-eval 0.5.3 (Bilen et al., ICASSP 2020).

For each class and operating point (one threshold for all classes):

* a detection *passes* when the part of it inside reference events of its class is at least `dtc`;
* a reference event is *correct* when passing detections cover at least `gtc` of it;
* a detection that does not pass is a *false positive*, and a *cross trigger* of each other class whose events hold at
  least `cttc` of it.

The effective false positive rate (eFPR, per hour) is the false positive rate plus `alpha_ct` times the mean rate of
cross triggers over the other classes (divided by C - 1; version 0.3.0 of psds-eval divided by C). Each class has a
staircase of the best true positive ratio at most at each eFPR; the score is the area under their mean minus `alpha_st`
times their standard deviation, up to `max_efpr`.

Only classes with reference events count. With one such class there are no cross triggers, and a perfect system scores
1; psds-eval takes a mean over no class there and gives 0, whatever the system. The counts come from
`avkeras.evaluation.operating_points`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = tuple((2 * step + 1) / 100 for step in range(50))
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class PsdsSettings:
    """Tolerances and weights of a PSDS.

    Args:
        dtc: share of a detection that must lie in reference events of its class.
        gtc: share of a reference event that passing detections must cover.
        cttc: share of a failing detection in events of another class that makes a cross trigger; None: not counted.
        alpha_ct: weight of cross triggers, in [0, 1].
        alpha_st: weight of the standard deviation over classes, 0 or more.
        max_efpr: effective false positives per hour up to which the area is taken.
    """

    dtc: float = 0.5
    gtc: float = 0.5
    cttc: float | None = 0.3
    alpha_ct: float = 0.0
    alpha_st: float = 0.0
    max_efpr: float = 100.0

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        for name in ("dtc", "gtc", "cttc", "alpha_ct"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {value}")
        if self.alpha_st < 0 or self.max_efpr <= 0:
            raise ValueError(f"alpha_st must not be negative and max_efpr above 0: {self}")
        if self.alpha_ct and self.cttc is None:
            raise ValueError("alpha_ct weighs cross triggers: it needs a cttc")


PSDS1 = PsdsSettings(dtc=0.7, gtc=0.7, cttc=None, alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0)
PSDS2 = PsdsSettings(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0, max_efpr=100.0)


@dataclass(frozen=True)
class OperatingPoints:
    """Counts of every operating point for the classes that have reference events.

    Args:
        classes: their names.
        correct: correct reference events, `(points, classes)`.
        false_positives: detections that do not pass, `(points, classes)`.
        cross_triggers: `(points, classes, classes)`: detections of the second axis' class in events of the third's.
        references: reference events, `(classes,)`.
        event_seconds: sum of their lengths, `(classes,)`.
        total_seconds: length of all clips.
    """

    classes: tuple[str, ...]
    correct: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    cross_triggers: NDArray[np.float64]
    references: NDArray[np.int64]
    event_seconds: NDArray[np.float64]
    total_seconds: float

    def rates(self, alpha_ct: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the true positive ratio and the effective false positives per hour, each `(points, classes)`."""
        effective = self.false_positives * SECONDS_PER_HOUR / self.total_seconds
        if alpha_ct and len(self.classes) > 1:
            crossed = self.cross_triggers * SECONDS_PER_HOUR / self.event_seconds
            # The diagonal holds no cross triggers
            effective = effective + alpha_ct * crossed.sum(axis=2) / (len(self.classes) - 1)
        return self.correct / self.references, effective


@dataclass(frozen=True)
class PsdRoc:
    """A PSD-ROC: staircases of the true positive ratio over effective false positives per hour.

    Args:
        effective: eFPR at which the joint staircase rises or falls, rising from 0, `(steps,)`.
        ratio: effective true positive ratio from each of these to the next, `(steps,)`.
        classes: of each class its own eFPR and true positive ratio, rising from 0.
        max_efpr: where the curves end.
    """

    effective: NDArray[np.float64]
    ratio: NDArray[np.float64]
    classes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    max_efpr: float

    @property
    def score(self) -> float:
        """The PSDS: area under the joint staircase as a share of the whole."""
        return area(self.effective, self.ratio, self.max_efpr)

    @property
    def class_scores(self) -> dict[str, float]:
        """Area under each class's own staircase, in [0, 1]."""
        return {name: area(*curve, self.max_efpr) for name, curve in self.classes.items()}


def rising_stairs(
    effective: NDArray[np.float64], ratio: NDArray[np.float64], *, limit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The best ratio at most at each eFPR up to `limit`: only the steps, from (0, 0) on."""
    within = effective <= limit
    order = np.lexsort((-ratio[within], effective[within]))
    steps = np.append(0.0, effective[within][order])
    heights = np.maximum.accumulate(np.append(0.0, ratio[within][order]))
    rising = np.append(True, heights[1:] > heights[:-1])
    steps, heights = steps[rising], heights[rising]
    # A step at 0 itself takes the place of the first one
    return (steps[1:], heights[1:]) if len(steps) > 1 and steps[1] == 0 else (steps, heights)


def join_stairs(
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], *, alpha_st: float, max_efpr: float
) -> PsdRoc:
    """Joins the staircases of the classes: their mean minus `alpha_st` times their standard deviation, at least 0.

    Args:
        curves: by class, from `rising_stairs`.
        alpha_st: weight of the standard deviation.
        max_efpr: where the curves end.
    """
    steps = np.unique(np.concatenate([steps for steps, _ in curves.values()]))
    heights = np.stack([height[np.searchsorted(own, steps, side="right") - 1] for own, height in curves.values()])
    joint = np.maximum(heights.mean(axis=0) - alpha_st * heights.std(axis=0), 0.0)
    return PsdRoc(steps, joint, curves, max_efpr)


def psd_roc(points: OperatingPoints, *, alpha_ct: float, alpha_st: float, max_efpr: float) -> PsdRoc:
    """The PSD-ROC of operating points.

    Args:
        points: from `operating_points` or `operating_points_of_events`.
        alpha_ct: weight of cross triggers.
        alpha_st: weight of the standard deviation over classes.
        max_efpr: effective false positives per hour up to which the curve is wanted.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> from avkeras.evaluation.operating_points import operating_points_of_events
        >>> truth = [[Event(0.0, 2.0, "Cat"), Event(3.0, 5.0, "Cat")]]
        >>> found = [[Event(0.0, 2.0, "Cat"), Event(7.0, 8.0, "Cat")]]
        >>> points = operating_points_of_events([found], truth, classes=["Cat"], durations=[60.0], settings=PSDS1)
        >>> roc = psd_roc(points, alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0)
        >>> roc.effective.tolist(), roc.ratio.tolist(), roc.score
        ([0.0, 60.0], [0.0, 0.5], 0.2)
    """
    ratio, effective = points.rates(alpha_ct)
    curves = {
        name: rising_stairs(effective[:, index], ratio[:, index], limit=max_efpr)
        for index, name in enumerate(points.classes)
    }
    return join_stairs(curves, alpha_st=alpha_st, max_efpr=max_efpr)


def psds(points: OperatingPoints, settings: PsdsSettings) -> float:
    """The polyphonic sound detection score of operating points that were counted with the same tolerances.

    Args:
        points: from `operating_points` or `operating_points_of_events`.
        settings: its weights are used.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> from avkeras.evaluation.operating_points import operating_points_of_events
        >>> truth = [[Event(0.0, 2.0, "Cat"), Event(3.0, 5.0, "Dog")]]
        >>> points = operating_points_of_events(
        ...     [truth], truth, classes=["Cat", "Dog"], durations=[10.0], settings=PSDS2
        ... )
        >>> psds(points, PSDS2)
        1.0
    """
    return psd_roc(points, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr).score


def area(steps: NDArray[np.float64], height: NDArray[np.float64], limit: float) -> float:
    """Area under a staircase from 0 to `limit`, as a share of the whole."""
    edges = np.append(np.minimum(steps, limit), limit)
    return float(np.sum(np.diff(edges) * height) / limit)
