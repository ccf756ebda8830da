"""Scores of an imagined detection system on clips like those of DCASE 2020 task 4, for the metric benchmarks."""

from dataclasses import dataclass

import numpy as np

from avkeras.data.manifest import Event


@dataclass(frozen=True)
class Detections:
    scores: np.ndarray
    truth: list
    classes: tuple
    seconds_per_frame: float
    durations: np.ndarray


def detections(*, clips: int, classes: int = 10, frames: int = 64, seconds: float = 10.0, seed: int = 0) -> Detections:
    """About 3.5 events a clip, of 0.25 to 10 s, as in the validation set; scores are noisy and smooth."""
    random = np.random.default_rng(seed)
    hop = seconds / frames
    logits = random.normal(-3.0, 1.0, (clips, 1, classes)) + random.normal(0.0, 2.0, (clips, frames, classes))
    for _ in range(2):
        logits[:, 1:-1] = (logits[:, :-2] + logits[:, 1:-1] + logits[:, 2:]) / 3
    names = tuple(f"class{index}" for index in range(classes))
    truth = []
    for clip in range(clips):
        events = []
        for index in random.choice(classes, random.integers(0, 4), replace=False):
            time = random.uniform(0, 5)
            while time < seconds - 0.25:
                length = min(0.25 + random.exponential(2.0), seconds - time)
                events.append(Event(round(time, 3), round(time + length, 3), names[index]))
                first, last = np.clip(
                    [time / hop + random.normal(), (time + length) / hop + random.normal()], 0, frames
                )
                logits[clip, int(first) : int(last) + 1, index] += random.normal(4.0, 2.0)
                time += length + 0.25 + random.exponential(2.0)
        truth.append(tuple(events))
    return Detections(1 / (1 + np.exp(-logits)), truth, names, hop, np.full(clips, seconds))
