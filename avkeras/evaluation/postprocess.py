"""From frame scores to events: thresholds, median filters, times (2022 paper, "post-processing").

A frame is active when its score is *at or above* the class's threshold. A median filter of odd size then smooths the
decisions of each class, the edges mirrored as by `scipy.ndimage.median_filter(..., mode="reflect")`, which the DCASE
2020 baseline uses. A clip shorter than the score array has only the frames that start before its end: the rest is
dropped before filtering, and the offset of its last frame is the end of the clip.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avkeras.data.manifest import Event

# Thresholds and filter sizes (frames) that the 2022 paper tries for each class
THRESHOLDS = tuple(step / 10 for step in range(1, 10))
FILTERS = tuple(range(1, 32, 2))


def frame_times(
    frames: int, *, seconds_per_frame: float, durations: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Start and end of every frame in seconds, and how many frames each clip has.

    Args:
        frames: frames of the score array.
        seconds_per_frame: length of a frame.
        durations: lengths of the clips in seconds, `(clips,)`.

    Returns:
        Starts `(frames,)`; ends `(clips, frames)`, none past the end of its clip; frame counts `(clips,)`.
    """
    durations = np.asarray(durations, np.float64)
    edges = np.arange(frames + 1) * float(seconds_per_frame)
    ends = np.minimum(edges[1:], durations[:, None])
    return edges[:-1], ends, np.searchsorted(edges[:-1], durations, side="left")


def median_filter(decisions: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Majority of the decisions in a window of `size` frames (odd), edges mirrored.

    Args:
        decisions: `(frames, ...)`.
        size: window in frames.

    Returns:
        Decisions of the same shape.

    Raises:
        ValueError: `size` is not an odd number above 0.

    Example:
        >>> median_filter(np.array([True, False, True, True, False, False]), 3).astype(int)
        array([1, 1, 1, 1, 0, 0])
    """
    (size,) = check_filters([size])
    half = size // 2
    padding = [(half, half)] + [(0, 0)] * (decisions.ndim - 1)
    counts = np.cumsum(np.pad(decisions, padding, mode="symmetric"), axis=0, dtype=np.int64)
    counts = np.concatenate([np.zeros_like(counts[:1]), counts])
    return counts[size:] - counts[:-size] > half


def median_filter_scores(scores: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """Median of the scores in a window of `size` frames (odd), edges mirrored as in `median_filter`.

    Args:
        scores: `(clips, frames)`.
        size: window in frames.

    Returns:
        Scores of the same shape.

    Raises:
        ValueError: `size` is not an odd number above 0.

    Example:
        >>> median_filter_scores(np.array([[0.9, 0.2, 0.8, 0.7]]), 3)
        array([[0.9, 0.8, 0.7, 0.7]])
    """
    from scipy import ndimage

    (size,) = check_filters([size])
    half = size // 2
    padded = np.pad(scores, [(0, 0), (half, half)], mode="symmetric")
    # All clips as one sequence: far faster in SciPy than an array of two dimensions, and windows much longer than the
    # signal, with which SciPy 1.17 departs from the definition, do not occur
    filtered = ndimage.median_filter(padded.ravel(), size=size).reshape(padded.shape)
    return filtered[:, half : padded.shape[1] - half]


def decode_events(
    scores: ArrayLike,
    *,
    classes: Sequence[str],
    seconds_per_frame: float,
    thresholds: float | ArrayLike = 0.5,
    filters: int | ArrayLike = 1,
    durations: ArrayLike | None = None,
) -> list[tuple[Event, ...]]:
    """Turn frame scores into events, clip by clip.

    Args:
        scores: `(clips, frames, classes)`.
        classes: class names in the order of the last axis.
        seconds_per_frame: length of a frame, for instance 10 / 64.
        thresholds: one for all classes or `(classes,)`.
        filters: sizes of the median filters in frames (odd; 1 changes nothing), one for all classes or `(classes,)`.
        durations: lengths of the clips in seconds, `(clips,)`; by default all frames belong to the clip.

    Returns:
        For each clip its events, sorted by onset.

    Raises:
        ValueError: shapes do not fit, a score is NaN, or a filter size is not odd.

    Example:
        >>> decode_events([[[0.9], [0.2], [0.8], [0.7]]], classes=["Dog"], seconds_per_frame=0.5)
        [(Event(onset=0.0, offset=0.5, label='Dog'), Event(onset=1.0, offset=2.0, label='Dog'))]
    """
    scores, durations = check_scores(scores, classes, seconds_per_frame, durations)
    thresholds = np.broadcast_to(np.asarray(thresholds, np.float64), (len(classes),))
    filters = check_filters(np.broadcast_to(filters, (len(classes),)))
    starts, ends, lengths = frame_times(scores.shape[1], seconds_per_frame=seconds_per_frame, durations=durations)
    smooth = np.zeros(scores.shape, bool)
    for length in np.unique(lengths):
        clips = np.flatnonzero(lengths == length)
        for index in range(len(classes)):
            active = scores[clips, :length, index].T.astype(np.float64) >= thresholds[index]
            smooth[clips, :length, index] = median_filter(active, filters[index]).T
    return events_of_decisions(smooth, classes=classes, starts=starts, ends=ends)


def events_of_decisions(
    decisions: NDArray[np.bool_],
    *,
    classes: Sequence[str],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
) -> list[tuple[Event, ...]]:
    """Turn decisions of frames into events, clip by clip.

    Args:
        decisions: `(clips, frames, classes)`; none past the end of a clip.
        classes: class names in the order of the last axis.
        starts: first instant of each frame in seconds, `(frames,)`.
        ends: last instant of each frame, `(clips, frames)`.

    Returns:
        For each clip its events, sorted by onset.

    Example:
        >>> decisions = np.array([[[True], [True], [False]]])
        >>> events_of_decisions(
        ...     decisions, classes=["Dog"], starts=np.array([0.0, 0.5, 1.0]), ends=np.array([[0.5, 1.0, 1.5]])
        ... )
        [(Event(onset=0.0, offset=1.0, label='Dog'),)]
    """
    decoded: list[list[Event]] = [[] for _ in decisions]
    frames = decisions.shape[1]
    for index, label in enumerate(classes):
        # With a frame of silence after each clip, all are one sequence, whose edges alternate: onset, offset
        padded = np.pad(decisions[:, :, index], [(0, 0), (0, 1)]).ravel()
        edges = np.flatnonzero(np.diff(padded, prepend=False))
        clip, first = np.divmod(edges[::2], frames + 1)
        last = edges[1::2] - 1 - clip * (frames + 1)
        for where, onset, offset in zip(clip.tolist(), starts[first].tolist(), ends[clip, last].tolist(), strict=True):
            decoded[where].append(Event(onset, offset, label))
    return [tuple(sorted(events)) for events in decoded]


def check_filters(sizes: ArrayLike) -> tuple[int, ...]:
    """Filter sizes as integers; a `ValueError` where one is not odd or not above 0."""
    sizes = np.asarray(sizes)
    if not ((sizes % 2 == 1) & (sizes > 0)).all():
        raise ValueError(f"median filters must have odd sizes above 0, not {sizes.tolist()}")
    return tuple(int(size) for size in sizes.ravel())


def check_scores(
    scores: ArrayLike, classes: Sequence[str], seconds_per_frame: float, durations: ArrayLike | None
) -> tuple[NDArray, NDArray[np.float64]]:
    """Scores `(clips, frames, classes)` and durations `(clips,)` as arrays; a `ValueError` where they do not fit."""
    scores = np.asarray(scores)
    if scores.ndim != 3 or scores.shape[2] != len(classes):
        raise ValueError(f"scores must have the shape (clips, frames, {len(classes)} classes), not {scores.shape}")
    if np.isnan(scores).any():
        clip, frame, index = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"scores hold NaN, first for clip {clip}, frame {frame}, class {classes[index]}")
    if not seconds_per_frame > 0:
        raise ValueError(f"seconds_per_frame must be above 0, not {seconds_per_frame}")
    if durations is None:
        durations = np.full(len(scores), scores.shape[1] * float(seconds_per_frame))
    durations = np.asarray(durations, np.float64)
    if durations.shape != (len(scores),):
        raise ValueError(f"durations must have the shape ({len(scores)},), one a clip, not {durations.shape}")
    if not (durations > 0).all():
        raise ValueError(f"durations must be above 0; clip {int(np.argmin(durations > 0))} has none")
    return scores, durations
