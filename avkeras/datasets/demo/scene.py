"""The plan of a demo clip: which events when, under which supervision, with or without video."""

from dataclasses import dataclass

import numpy as np

from avkeras.data.manifest import SPLITS, Event
from avkeras.datasets.demo.tasks import Task

# Irrational steps of the R3 sequence: any run of clips has classes, absent videos and supervision in the wanted
# shares, though each clip depends on its own number alone.
_STEPS = 1.2207440846057596 ** -np.arange(1.0, 4.0)
_SHORT = {"Alarm_bell_ringing", "Cat", "Dishes", "Dog", "Speech"}
_GAP = 0.3  # s between two events of one class


@dataclass(frozen=True)
class Scene:
    """What is heard in a clip and what its row of the manifest says."""

    id: str
    split: str
    seconds: float
    events: tuple[Event, ...]
    supervision: str
    has_video: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes that are heard, in the order of their first events."""
        return tuple(dict.fromkeys(event.label for event in self.events))


def clip_rng(seed: int, split: str, index: int, part: int) -> np.random.Generator:
    """Returns the random numbers of one part (0: plan, 1: sound, 2: pictures, 3: file) of one clip."""
    return np.random.default_rng([seed, SPLITS.index(split), index, part])


def plan_scene(
    task: Task, split: str, index: int, *, seed: int, without_video: float, seconds: tuple[float, float]
) -> Scene:
    """Plans clip `index` of a split; nothing but the arguments decides it."""
    rng = clip_rng(seed, split, index, 0)
    start = np.random.default_rng([seed, SPLITS.index(split)]).random(3)
    leading, absent, kind = (start + index * _STEPS) % 1.0
    supervision = _supervision(task, split, kind)
    full = task.detection and rng.random() < 0.9  # detection clips last 10 s, but for a few
    length = round(float(seconds[1] if full else rng.uniform(*seconds)), 2)
    weights = _weights(task, split)
    first = task.classes[int(np.searchsorted(np.cumsum(weights), leading, side="right"))]
    events = _events(task, rng, first, length, weights)
    # The strong clips of DCASE 2020 are synthetic soundscapes: they have no pictures.
    has_video = bool(absent >= without_video) and not (split == "train" and supervision == "strong")
    return Scene(f"{split}-{index:05d}", split, length, events, supervision, has_video)


def _supervision(task: Task, split: str, kind: float) -> str:
    if not task.detection:
        return "weak"
    if split != "train" or kind < 0.25:
        return "strong"
    return "weak" if kind < 0.5 else "unlabelled"


def _weights(task: Task, split: str) -> np.ndarray:
    count = len(task.classes)
    if split != "train":
        return np.full(count, 1 / count)
    # The last class of the list is the most frequent one.
    weights = task.imbalance ** (np.arange(count) / (count - 1))
    return weights / weights.sum()


def _events(task: Task, rng: np.random.Generator, first: str, length: float, weights: np.ndarray) -> tuple[Event, ...]:
    """Returns one to three events; those of different classes may overlap."""
    labels = [first]
    for _ in range(rng.choice(3, p=(0.45, 0.35, 0.2) if task.detection else (0.6, 0.3, 0.1))):
        again = task.detection and rng.random() < 0.5
        labels.append(labels[-1] if again else str(rng.choice(task.classes, p=weights)))
    events: list[Event] = []
    for label in labels:
        if label in _SHORT:
            duration = rng.uniform(0.5, 2.5)
        elif task.detection:
            duration = rng.uniform(1.5, length)
        else:
            duration = max(1.5, rng.uniform(0.45, 1.0) * length)
        duration = min(float(duration), length)
        for _ in range(10):
            onset = round(float(rng.uniform(0, length - duration)), 3)
            offset = round(min(onset + duration, length), 3)
            same = (event for event in events if event.label == label)
            if all(offset + _GAP <= event.onset or event.offset + _GAP <= onset for event in same):
                events.append(Event(onset, offset, label))
                break
    return tuple(sorted(events))
