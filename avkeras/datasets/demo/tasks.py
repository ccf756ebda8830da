"""The two tasks of the demo: their class names in the official order, with sounds and pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avkeras.datasets.demo.drawing import Pen
from avkeras.datasets.demo.household_pictures import HOUSEHOLD_PICTURES
from avkeras.datasets.demo.household_sounds import HOUSEHOLD_SOUNDS
from avkeras.datasets.demo.traffic_pictures import TRAFFIC_PICTURES
from avkeras.datasets.demo.traffic_sounds import TRAFFIC_SOUNDS


@dataclass(frozen=True)
class Task:
    """What the clips of one task are made of.

    Args:
        sounds: per class, `(rng, samples, rate) -> float32 (samples,)`; its keys are the classes, in order.
        pictures: per class, `(pen, sounding)` draws a sprite.
        indoors: whether the backgrounds are rooms or streets.
        imbalance: how many times more often the most frequent class leads a training clip than the rarest.
        detection: whether clips carry events and the training set is split in strong, weak and unlabelled clips.
        shots: share of films that cut between the sources as they sound and another place.
        version: of the synthesis: a change of it makes the clips anew.
    """

    sounds: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]]
    pictures: dict[str, Callable[[Pen, bool], None]]
    indoors: bool
    imbalance: float
    detection: bool
    shots: float = 0.0
    version: int = 1

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the official order."""
        return tuple(self.sounds)


TASKS = {
    "dcase2017": Task(
        *(TRAFFIC_SOUNDS, TRAFFIC_PICTURES), indoors=False, imbalance=10.0, detection=False, shots=0.3, version=2
    ),
    "dcase2020": Task(HOUSEHOLD_SOUNDS, HOUSEHOLD_PICTURES, indoors=True, imbalance=8.0, detection=True),
}
