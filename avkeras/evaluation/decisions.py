"""From clip probabilities to classes: the rules of the published systems, for any of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.evaluation.automatic_thresholds import automatic_class_thresholds
from avkeras.evaluation.thresholds import best_class_thresholds, best_global_threshold, micro_f1

RULES = ("global", "class_wise", "automatic", "capsule")
UNTUNED = ("capsule",)  # of these, which choose nothing on validation clips
CAPSULE_THRESHOLD = 0.35  # for all classes, as published; it is not tuned


@dataclass(frozen=True)
class Decision:
    """How it is decided which classes a clip holds.

    Args:
        rule: one of `RULES`.
        threshold: at which a class counts as present; one, or one per class.

    Raises:
        ValueError: there is no such rule.

    Example:
        >>> Decision("capsule", 0.35).decide([[0.1, 0.3], [0.4, 0.5]]).tolist()
        [[False, True], [True, True]]
    """

    rule: str
    threshold: float | Sequence[float]

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, not '{self.rule}'")

    def decide(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Returns which classes are present.

        By the rule of capsules, a clip in which no class reaches the threshold has its most probable one (Iqbal et al.
        2018).

        Args:
            probabilities: `(clips, classes)`.
        """
        probabilities = np.asarray(probabilities, np.float64)
        present = probabilities >= np.asarray(self.threshold, np.float64)
        if self.rule == "capsule":
            empty = np.flatnonzero(~present.any(axis=1))
            present[empty, probabilities[empty].argmax(axis=1)] = True
        return present


def choose_decision(rule: str, targets: ArrayLike, probabilities: ArrayLike) -> tuple[Decision, float]:
    """Chooses what a rule leaves open on the validation set.

    | rule | thresholds | source |
    |---|---|---|
    | `global` | the one that gives the best micro-F1 | 2019, section 3.2.10 |
    | `class_wise` | that of each class that gives its best F1 | 2019, section 3.2.10; 2022, section 3 |
    | `automatic` | those of all classes together that an ascent of micro-F1 finds | Kong et al. 2020 |
    | `capsule` | 0.35, and the most probable class where none reaches it | Iqbal et al. 2018 |

    Args:
        rule: one of `RULES`.
        targets: 0 or 1, `(clips, classes)`.
        probabilities: of the same shape.

    Returns:
        The decision, and its micro-F1 on these clips.

    Example:
        >>> choose_decision("global", [[1, 0], [1, 1]], [[0.75, 0.25], [0.5, 1.0]])
        (Decision(rule='global', threshold=0.375), 1.0)
    """
    if rule == "global":
        threshold = best_global_threshold(targets, probabilities)[0]
    elif rule == "class_wise":
        threshold = tuple(best_class_thresholds(targets, probabilities)[0].tolist())
    elif rule == "automatic":
        threshold = tuple(automatic_class_thresholds(targets, probabilities)[0].tolist())
    else:
        threshold = CAPSULE_THRESHOLD
    decision = Decision(rule, threshold)
    return decision, micro_f1(targets, decision.decide(probabilities))
