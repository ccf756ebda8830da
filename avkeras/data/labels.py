"""Training targets from the labels and events of a manifest."""

from collections.abc import Iterable, Sequence

import numpy as np

from avkeras.data.manifest import Event

# The number that stands for each kind of supervision in a batch: which targets of a clip may be used.
SUPERVISION_CODES = {"unlabelled": 0, "weak": 1, "strong": 2}


def clip_targets(labels: Iterable[str], classes: Sequence[str]) -> np.ndarray:
    """Returns which classes are heard in a clip.

    Args:
        labels: names of the classes that are heard.
        classes: class names in the order of the model's outputs.

    Returns:
        `(classes,)` of 0 and 1, float32.

    Raises:
        ValueError: a label is none of the classes.

    Example:
        >>> clip_targets(["Dog"], ["Cat", "Dog"]).tolist()
        [0.0, 1.0]
    """
    targets = np.zeros(len(classes), np.float32)
    for label in labels:
        targets[_index(label, classes)] = 1
    return targets


def frame_targets(events: Iterable[Event], classes: Sequence[str], *, frames: int, seconds: float = 10.0) -> np.ndarray:
    """Returns which classes are heard in which frames (2022, section 3.1.2).

    Frame `i` is the time from `i * seconds / frames` to `(i + 1) * seconds / frames`. It is 1 for a class if an event
    of that class takes up any part of it (to a millionth of a frame). What an event has behind the last frame is
    cut off.

    Args:
        events: the events of a clip, times in seconds.
        classes: class names in the order of the model's outputs.
        frames: frames of the model's output.
        seconds: the time that these frames span.

    Returns:
        `(frames, classes)` of 0 and 1, float32.

    Raises:
        ValueError: an event is of none of the classes, ends before it begins, or lies wholly behind the last frame.

    Example:
        >>> frame_targets([Event(2.5, 6.0, "Dog")], ["Dog"], frames=4, seconds=10)[:, 0].tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    targets = np.zeros((frames, len(classes)), np.float32)
    for event in events:
        if not 0 <= event.onset < event.offset:
            raise ValueError(f"event {event} must have 0 <= onset < offset, in seconds")
        if event.onset >= seconds:
            raise ValueError(f"event {event} begins behind the {seconds:g} s that the targets span; raise `seconds`")
        first, last = np.round(np.array([event.onset, event.offset]) * frames / seconds, 6)
        targets[int(np.floor(first)) : int(np.ceil(last)), _index(event.label, classes)] = 1
    return targets


def frame_mask(length: float, *, frames: int, seconds: float = 10.0) -> np.ndarray:
    """Returns which frames of a clip are real: those that begin before it ends.

    Args:
        length: of the clip, in seconds.
        frames: frames of the model's output.
        seconds: the time that these frames span.

    Returns:
        `(frames,)` boolean; all True for a clip as long as `seconds` or longer.

    Example:
        >>> frame_mask(6.0, frames=4, seconds=10).tolist()
        [True, True, True, False]
    """
    return np.arange(frames) < np.round(length * frames / seconds, 6)


def _index(label: str, classes: Sequence[str]) -> int:
    try:
        return classes.index(label)
    except ValueError:
        raise ValueError(f"class '{label}' is none of {', '.join(classes)}") from None
