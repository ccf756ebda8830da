"""Levels of chance against plain counts and brute force."""

from itertools import combinations

import numpy as np
import pytest

from avkeras.data.manifest import Clip, Event, Manifest
from avkeras.tables.chance import constant_events, constant_tags

CLASSES = ("Alarm", "Cat", "Dog")
RATES = {"Alarm": 0.7, "Cat": 0.4, "Dog": 0.1}


@pytest.fixture(scope="module")
def manifest():
    random, clips = np.random.default_rng(0), []
    for split, count in (("train", 2), ("validation", 60), ("test", 60)):
        for number in range(count):
            labels = tuple(name for name in CLASSES if random.uniform() < RATES[name])
            starts = random.integers(0, 6, len(labels))
            events = tuple(
                Event(float(start), float(start + random.integers(1, 4)), name)
                for start, name in zip(starts, labels, strict=True)
            )
            video = "a.mp4" if number % 2 else None
            clips.append(Clip(f"{split}{number}", "a.wav", video, split, labels, events))
    return Manifest("my.tsv", tuple(clips), CLASSES)


def f1(true, claimed, both):
    return 2 * both / (true + claimed)


def micro(clips, names):
    """Micro-F1 of clips and of seconds, as all events begin and end with a second."""
    heard = sum(len(clip.labels) for clip in clips)
    clip = f1(heard, len(names) * len(clips), sum(name in one.labels for one in clips for name in names))
    seconds = [(one.id, event.label, event.offset - event.onset) for one in clips for event in one.events]
    both = sum(length for _, label, length in seconds if label in names)
    return clip, f1(sum(length for *_, length in seconds), 10 * len(names) * len(clips), both)


def test_events_all_through_every_clip_are_those_that_are_best_on_validation(manifest):
    sets = [names for count in (1, 2, 3) for names in combinations(CLASSES, count)]
    found = constant_events(manifest)
    for number, metric in enumerate(("CBF1", "SBF1")):
        best = max(sets, key=lambda names: micro(manifest.split("validation"), names)[number])
        assert found[metric] == pytest.approx(micro(manifest.split("test"), best)[number])
    assert found["EBF1"] == 0.0  # none lasts for ten seconds


@pytest.mark.parametrize("with_video", [False, True])
def test_tags_of_every_clip_are_those_that_are_best_on_validation(manifest, with_video):
    kept = {
        split: [clip for clip in manifest.split(split) if clip.video or not with_video]
        for split in ("validation", "test")
    }
    sets = [names for count in (1, 2, 3) for names in combinations(CLASSES, count)]
    best = max(sets, key=lambda names: micro(kept["validation"], names)[0])
    assert constant_tags(manifest, with_video=with_video) == pytest.approx(micro(kept["test"], best)[0])
