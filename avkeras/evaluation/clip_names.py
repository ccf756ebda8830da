"""One name for each clip, where files write it with a folder or an ending and others do not."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from avkeras.errors import AvkerasError
from avkeras.evaluation.text_tables import say

Value = TypeVar("Value")
_SOUND = ("wav", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac", "aif", "aiff", "wma")
_MEDIA = frozenset((*_SOUND, "mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "3gp"))


def bare_name(name: str) -> str:
    """A clip's name without folders and without the ending of a media file.

    Example:
        >>> bare_name("audio/Yabc_20.000_30.000.wav"), bare_name("Yabc_20.000_30.000")
        ('Yabc_20.000_30.000', 'Yabc_20.000_30.000')
    """
    last = re.split(r"[/\\]", name)[-1]
    stem, _, ending = last.rpartition(".")
    return stem if stem and ending.lower() in _MEDIA else last


class ClipNames:
    """The clips of an evaluation, by the names of the file that has them first.

    Args:
        names: of the first file.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, None] = {}
        self._by_bare: dict[str, list[str]] = {}
        self._add(names)

    def __iter__(self):
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def adopt(
        self, found: Mapping[str, Value], *, what: str, grow: bool = False, notes: list[str] | None = None
    ) -> tuple[dict[str, Value], list[str]]:
        """Give what another file has for its clips the names used here.

        Args:
            found: by the names of the other file.
            what: the other file, for messages.
            grow: clips that are new become clips here.
            notes: gets how many names were read without folder or ending.

        Returns:
            The same by the names used here, and the names that are not known here (none with `grow`).

        Raises:
            AvkerasError: a name could be that of two clips, or two names are one clip.
        """
        own: dict[str, Value] = {}
        origin: dict[str, str] = {}
        unknown: list[str] = []
        bare = 0
        for name, value in found.items():
            known = name
            if name not in self._names:
                candidates = self._by_bare.get(bare_name(name), [])
                if len(candidates) > 1:
                    raise AvkerasError(
                        f"{what}: {name} could be {candidates[0]} or {candidates[1]}; name clips alike in all files"
                    )
                if candidates:
                    known = candidates[0]
                    bare += 1
                else:
                    unknown.append(name)
            if known in origin:
                raise AvkerasError(f"{what}: {origin[known]} and {name} are the same clip; give it one name")
            origin[known] = name
            own[known] = value
        if grow:
            self._add(unknown)
            unknown = []
        if bare:
            say(notes, f"{what}: {bare} clip names matched without folder or ending")
        return own, unknown

    def _add(self, names: Iterable[str]) -> None:
        for name in names:
            self._names[name] = None
            self._by_bare.setdefault(bare_name(name), []).append(name)
