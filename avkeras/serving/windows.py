"""A long clip in parts that are no longer than the clips in training."""


def window_starts(frames: int, most: int | None) -> list[int]:
    """Returns the first frame of each window of `most` frames, the last one so that it ends with the clip.

    Args:
        frames: of the clip.
        most: frames of the longest clip in training; None: no limit.

    Example:
        >>> window_starts(25, 10)
        [0, 10, 15]
    """
    if most is None or frames <= most:
        return [0]
    starts = list(range(0, frames - most + 1, most))
    return starts if starts[-1] + most == frames else [*starts, frames - most]
