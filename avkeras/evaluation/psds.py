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


def psd_roc(
    points: OperatingPoints, *, alpha_ct: float, alpha_st: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The PSD-ROC: effective true positive ratio over effective false positives per hour, a staircase.

    Args:
        points: from `operating_points` or `operating_points_of_events`.
        alpha_ct: weight of cross triggers.
        alpha_st: weight of the standard deviation over classes.

    Returns:
        eFPR, rising from 0, and for each the eTPR that holds until the next; both `(steps,)`.
    """
    ratio, effective = points.rates(alpha_ct)
    steps = np.unique(np.append(effective, 0.0))
    heights = np.stack([stairs(steps, *pair) for pair in zip(effective.T, ratio.T, strict=True)])
    return steps, np.maximum(heights.mean(axis=0) - alpha_st * heights.std(axis=0), 0.0)


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
    steps, ratio = psd_roc(points, alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st)
    return area(steps, ratio, settings.max_efpr)


def stairs(
    steps: NDArray[np.float64], effective: NDArray[np.float64], ratio: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Best ratio at most at each step; before the first operating point it is 0."""
    order = np.argsort(effective, kind="stable")
    height = np.concatenate([[0.0], np.maximum.accumulate(ratio[order])])
    return height[np.searchsorted(effective[order], steps, side="right")]


def area(steps: NDArray[np.float64], height: NDArray[np.float64], limit: float) -> float:
    """Area under a staircase from 0 to `limit`, as a share of the whole."""
    edges = np.append(np.minimum(steps, limit), limit)
    return float(np.sum(np.diff(edges) * height) / limit)
