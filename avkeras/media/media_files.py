"""Media files that are named by themselves, by their folder or by a pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from avkeras.errors import AvkerasError

# How files of the containers that `avkeras.media.containers` reads are usually called.
AUDIO = (
    *(".wav", ".flac", ".mp3", ".mp2", ".ogg", ".oga", ".opus", ".m4a", ".mka", ".aac", ".aif", ".aiff", ".aifc"),
    *(".caf", ".w64", ".wv", ".au", ".tta", ".ac3", ".eac3", ".amr", ".wma"),
)
VIDEO = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".ogv", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".vob", ".flv", ".wmv", ".asf"),
)


def media_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Returns the files that paths name, in their order.

    A folder stands for the audio and video files in it and in its subfolders, by the endings of their names, those of
    hidden files and folders left out; a name with `*`, `?` or `[` that is no file stands for what it matches (`**`: any
    subfolders). Any other name is a file, whether it is there or not.

    Args:
        paths: one or several.

    Raises:
        AvkerasError: a folder holds no media, or a pattern matches nothing.

    Example:
        >>> media_files(["clip.*", "gone.wav"])
        [PosixPath('clip.mp4'), PosixPath('clip.wav'), PosixPath('gone.wav')]
    """
    found: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        if os.path.isdir(path):
            files = _in_folder(path)
            if not files:
                raise AvkerasError(f"{path}: no file in this folder ends as media do ({' '.join(AUDIO + VIDEO)})")
        elif glob.has_magic(str(path)) and not os.path.lexists(path):
            matches = map(Path, sorted(glob.glob(str(path), recursive=True)))
            files = [file for match in matches for file in (_in_folder(match) if match.is_dir() else [match])]
            if not files:
                raise AvkerasError(f"{path}: nothing matches this pattern")
        else:
            files = [path]
        found += files
    return found


def _in_folder(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.suffix.lower() in AUDIO + VIDEO)
