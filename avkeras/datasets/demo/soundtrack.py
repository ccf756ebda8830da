"""The sound of a scene: its events above a background of noise."""

from collections.abc import Iterable

import numpy as np

from avkeras.data.manifest import Event
from avkeras.datasets.demo.synthesis import coloured, noise, rolloff, tone, unit, wander
from avkeras.datasets.demo.tasks import Task

SNR = (-5.0, 14.0, 20.0)  # dB, each event against the background: lowest, most frequent, highest


def soundtrack(
    task: Task,
    events: Iterable[Event],
    *,
    seconds: float,
    rate: int,
    channels: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the sound of a clip in [-1, 1], float32 `(samples, channels)`."""
    n = round(seconds * rate)
    bed = noise(rng, n, rate, coloured(rng.uniform(0.3, 2.0))) * (1 + 0.3 * wander(rng, n, rate, speed=0.5))
    if rng.random() < 0.25:  # mains hum
        bed = bed + rng.uniform(0.2, 1.0) * tone(rng.choice((50.0, 60.0)), n, rate, rolloff(8, 1.0))
    mix = np.repeat(unit(bed)[:, None], channels, axis=1)
    for event in events:
        first, last = round(event.onset * rate), round(event.offset * rate)
        sound = unit(task.sounds[event.label](rng, last - first, rate)) * _edges(last - first, rate)
        level = 10 ** (rng.triangular(*SNR) / 20)
        places = rng.uniform(0.6, 1.4, channels) if channels > 1 else np.ones(1)
        mix[first:last] += (level * places).astype(np.float32) * sound[:, None]
    loudness = 10 ** (rng.uniform(-20, -1) / 20)
    return (mix * (loudness / np.abs(mix).max())).astype(np.float32)


def _edges(n: int, rate: int) -> np.ndarray:
    """Returns fades of 20 ms at both ends."""
    rise = np.minimum(1.0, (np.arange(n) + 1) / (0.02 * rate))
    return np.minimum(rise, rise[::-1]).astype(np.float32)
