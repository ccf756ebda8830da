"""Random scores with ground truth, and the real system's output of tests/data/metrics_mini."""

import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avkeras.data.manifest import Event

MINI = Path(__file__).parents[1] / "data" / "metrics_mini"
CLASSES = ("Cat", "Dog", "Speech")


def random_case(seed, *, frames=64, clips=12, on_grid=False, crowded=False):
    """Scores, events (those of one class apart), durations; some clips are short and some without events.

    `on_grid`: events begin and end at frames, so that shares and tolerances are met exactly. `crowded`: many short
    events close together, so that several references reach for one detection.
    """
    random = np.random.default_rng([seed, frames])
    hop = 10.0 / 64
    durations = np.where(random.random(clips) < 0.7, frames * hop, frames * hop * random.uniform(0.3, 1.0, clips))
    scores = random.normal(-1.0, 1.0, (clips, frames, len(CLASSES)))
    for _ in range(2):  # smooth, so that events are not one frame long
        scores[:, 1:] = 0.5 * (scores[:, 1:] + scores[:, :-1])
    truth = []
    for clip in range(clips):
        events = []
        for index, label in enumerate(CLASSES):
            time = random.uniform(0, frames * hop)
            while time < durations[clip] and random.random() < (0.97 if crowded else 0.7):
                length = random.choice([0.0, 0.1, 0.2, 0.3, 0.4]) if crowded else random.uniform(0.1, 4.0)
                onset, offset = time, time + length
                if on_grid:
                    onset, offset = round(onset / hop) * hop, max(round(offset / hop), round(onset / hop) + 1) * hop
                if not events or events[-1].label != label or events[-1].offset < onset:
                    events.append(Event(float(onset), float(offset), label))
                    scores[clip, int(onset / hop) : int(offset / hop) + 1, index] += random.uniform(0.5, 4)
                time = offset + random.choice([0.05, 0.2, 0.5, 2.0])
        truth.append(tuple(events) if clip % 5 else ())
    scores = 1 / (1 + np.exp(-2 * scores))
    if seed % 2:  # ties with thresholds
        scores = np.round(scores, 1)
    return SimpleNamespace(scores=scores, truth=truth, durations=durations, classes=CLASSES, seconds_per_frame=hop)


@pytest.fixture(name="random_case")
def _random_case():
    return random_case


def _rows(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="session")
def mini():
    """Ground truth, predictions at 0.5 and at 50 thresholds, durations, expected values."""
    durations = {row["filename"]: float(row["duration"]) for row in _rows(MINI / "durations.tsv")}

    def events(rows):
        found = defaultdict(list)
        for row in rows:
            if row["event_label"]:
                found[row["filename"]].append(Event(float(row["onset"]), float(row["offset"]), row["event_label"]))
        return [found[name] for name in durations]

    points = defaultdict(list)
    for row in _rows(MINI / "predictions_50_thresholds.tsv.gz"):
        points[row["threshold"]].append(row)
    expected = json.loads((MINI / "expected.json").read_text())["values"]
    return SimpleNamespace(
        folder=MINI,
        truth=events(_rows(MINI / "ground_truth.tsv")),
        predictions=events(_rows(MINI / "predictions_0.5.tsv")),
        points=[events(rows) for rows in points.values()],
        durations=list(durations.values()),
        classes=sorted(expected["event"]["per_class"]),
        expected=expected,
    )
