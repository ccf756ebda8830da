"""The classes of Audio Set (Gemmeke et al., 2017), in the order in which networks trained on it give them.

`audioset_classes.csv` is Google's `class_labels_indices.csv`, CC BY 4.0.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

# Of the 527, those that YAMNet does not tell.
_NOT_YAMNETS = (
    "Male speech, man speaking",
    "Female speech, woman speaking",
    "Battle cry",
    "Male singing",
    "Female singing",
    "Funny music",
)


@functools.cache
def audioset_mids() -> dict[str, str]:
    """Returns the names of Audio Set's 527 classes by their codes (MIDs), as its lists of clips have them.

    Example:
        >>> audioset_mids()["/m/0bt9lr"]
        'Dog'
    """
    text = resources.files("avkeras.data").joinpath("audioset_classes.csv").read_text(encoding="utf-8")
    return {row["mid"]: row["display_name"] for row in csv.DictReader(text.splitlines())}


@functools.cache
def audioset_classes() -> tuple[str, ...]:
    """Returns the names of Audio Set's 527 classes.

    Example:
        >>> audioset_classes()[74]
        'Dog'
    """
    return tuple(audioset_mids().values())


@functools.cache
def yamnet_classes() -> tuple[str, ...]:
    """Returns the names of the 521 classes that YAMNet tells, in its order.

    Example:
        >>> yamnet_classes()[494]
        'Silence'
    """
    return tuple(name for name in audioset_classes() if name not in _NOT_YAMNETS)
