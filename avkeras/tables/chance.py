"""What is reached by answers that are the same for every clip: the level that a demo's trained rows are to beat."""

from collections.abc import Sequence

import numpy as np

from avkeras.data.labels import clip_targets
from avkeras.data.manifest import Clip, Event, Manifest
from avkeras.evaluation.metrics import clip_f1, event_f1, segment_f1
from avkeras.evaluation.thresholds import best_global_threshold, micro_f1


def constant_tags(manifest: Manifest, *, with_video: bool) -> float:
    """Returns the micro-F1 of giving every clip the classes that are most common on validation, as many as are best.

    Args:
        manifest: of the clips.
        with_video: only of those with video.

    Example:
        >>> rows = [("validation", ("Car",)), ("validation", ("Car", "Bus")), ("test", ("Car",)), ("test", ("Bus",))]
        >>> clips = tuple(Clip(str(n), "a.wav", None, split, labels) for n, (split, labels) in enumerate(rows))
        >>> manifest = Manifest("my.tsv", clips, ("Bus", "Car"))
        >>> round(constant_tags(manifest, with_video=False), 2)  # both for each clip
        0.67
    """
    targets = {}
    for split in ("validation", "test"):
        clips = [clip for clip in manifest.split(split) if clip.video or not with_video]
        targets[split] = np.array([clip_targets(clip.labels, manifest.classes) for clip in clips])
    rates = targets["validation"].mean(axis=0)
    found = {split: np.broadcast_to(rates, values.shape) for split, values in targets.items()}
    threshold, _ = best_global_threshold(targets["validation"], found["validation"])
    return micro_f1(targets["test"], found["test"], threshold=threshold)


def constant_events(manifest: Manifest, *, seconds: float = 10.0) -> dict[str, float]:
    """Returns CBF1, SBF1 and EBF1 of hearing the most common classes all through every clip.

    They are those most common on validation, as many as are best there for the metric.

    Args:
        manifest: of clips with events.
        seconds: length of a clip.

    Example:
        >>> rows = [("validation", "Cat"), ("validation", "Dog"), ("validation", "Dog"), ("test", "Dog")]
        >>> clips = [Clip(str(n), "a.wav", None, split, (name,), (Event(0, 5, name),)) for n, (split, name) in
        ...          enumerate(rows)]
        >>> found = constant_events(Manifest("my.tsv", tuple(clips), ("Cat", "Dog")))  # a dog in all
        >>> {name: round(value, 2) for name, value in found.items()}
        {'CBF1': 1.0, 'SBF1': 0.67, 'EBF1': 0.0}
    """
    validation, test = manifest.split("validation"), manifest.split("test")
    heard = {name: sum(name in clip.labels for clip in validation) for name in manifest.classes}
    common = sorted(manifest.classes, key=lambda name: (-heard[name], name))

    def scores(clips: Sequence[Clip], names: Sequence[str]) -> dict[str, float]:
        events = [[Event(0.0, seconds, name) for name in names]] * len(clips)
        truth, options = [clip.events for clip in clips], {"classes": manifest.classes}
        return {
            "CBF1": clip_f1([clip.labels for clip in clips], [names] * len(clips), **options).micro,
            "SBF1": segment_f1(truth, events, **options).micro,
            "EBF1": event_f1(truth, events, **options).macro,
        }

    tried = [scores(validation, common[:count]) for count in range(1, len(common) + 1)]
    best = {metric: max(range(len(tried)), key=lambda one: tried[one][metric]) for metric in tried[0]}
    return {metric: scores(test, common[: count + 1])[metric] for metric, count in best.items()}
