"""Takes media files that the user already has, by their official names; nothing is copied."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from avkeras.datasets.ledger import Entry, Ledger
from avkeras.datasets.task_lists import SourceClip, parse_name
from avkeras.errors import AvkerasError, MediaError
from avkeras.media.media_files import AUDIO, VIDEO


@dataclass
class Adopted:
    """What `adopt` found.

    Args:
        adopted: clips for which files were taken.
        notes: names that are ambiguous, files that cannot be used, and how many files match no clip.
    """

    adopted: int = 0
    notes: list[str] = field(default_factory=list)


def adopt(
    clips: Iterable[SourceClip],
    media: str | Path,
    ledger: Ledger,
    *,
    names: Callable[[SourceClip], Iterable[str]] = lambda clip: (),
    among: Iterable[SourceClip] | None = None,
) -> Adopted:
    """Writes into the ledger which clips are had in a folder and its subfolders.

    A name matches a clip whether it begins with Y or not and however its seconds are written. An audio file gives the
    sound, a video file the pictures, and the sound too where there is no audio file. Two files for one of these are
    ambiguous: neither is taken. What the ledger has as done keeps its files.

    Args:
        clips: what is looked for.
        media: the folder.
        ledger: of the fetch.
        names: gives other names, without extension, under which files of a clip go round.
        among: all clips of the lists: a name that fits several of them is ambiguous and taken for none; default:
            `clips`.

    Raises:
        AvkerasError: the folder cannot be read.
    """
    media = Path(media)
    if not media.is_dir():
        raise AvkerasError(f"media: {media}: no such folder")
    found, result, clips = _find(media), Adopted(), tuple(clips)
    keys, several = _match(clips if among is None else among, found, names)
    for key in several:
        files = ", ".join(str(path) for paths in found.pop(key).values() for path in paths)
        result.notes.append(f"{files}: fits several clips: taken for none; name it by its times, too")
    wanted = [clip for clip in clips if clip.id in keys]
    with ThreadPoolExecutor() as pool:
        for entry, notes in pool.map(lambda clip: _entry(clip, found, keys[clip.id], ledger), wanted):
            result.notes += notes
            if entry is not None:
                ledger.write(entry)
                result.adopted += 1
    unmatched = len(found.keys() - {key for clip in wanted for key in keys[clip.id]})
    if unmatched:
        result.notes.append(f"{media}: names that match no clip that was asked for: {unmatched}, ignored")
    return result


def _find(media: Path) -> dict[tuple, dict[str, list[Path]]]:
    """Returns audio and video files by the clip that their names tell."""
    found: dict[tuple, dict[str, list[Path]]] = {}
    seen: set[str] = set()
    for folder, below, names in os.walk(media, followlinks=True):
        real = os.path.realpath(folder)
        below[:] = [] if real in seen else sorted(below)  # links may lead in circles
        for name in () if real in seen else sorted(names):
            stem, extension = os.path.splitext(name)
            kind = "audio" if extension.lower() in AUDIO else "video" if extension.lower() in VIDEO else None
            if kind is None or name.startswith("."):
                continue
            key = parse_name(stem) or (stem,)
            found.setdefault(key, {"audio": [], "video": []})[kind].append(Path(folder, name))
        seen.add(real)
    return found


def _match(clips: Iterable[SourceClip], found: dict, names) -> tuple[dict[str, list[tuple]], list[tuple]]:
    """Returns the keys of the files of each clip, by its id, and the keys that fit several clips."""
    owners: dict[tuple, set[tuple]] = {}
    keys: dict[str, list[tuple]] = {}
    for clip in clips:
        own = dict.fromkeys((clip.key, *(parse_name(name) or (name,) for name in names(clip))))
        for key in own.keys() & found.keys():
            owners.setdefault(key, set()).add(clip.key)
            if key not in keys.setdefault(clip.id, []):
                keys[clip.id].append(key)
    several = {key for key, clips_of in owners.items() if len(clips_of) > 1}
    keys = {clip: [key for key in of_clip if key not in several] for clip, of_clip in keys.items()}
    return {clip: of_clip for clip, of_clip in keys.items() if of_clip}, sorted(several, key=str)


def _entry(clip: SourceClip, found: dict, keys: list[tuple], ledger: Ledger) -> tuple[Entry | None, list[str]]:
    """Returns the new entry of a clip, or None: nothing was taken, or it stands there already."""
    before = ledger.entries.get(clip.id)
    files, notes = {}, []
    for kind in ("audio", "video"):
        distinct = {path.resolve(): path for key in keys for path in found[key][kind]}
        if len(distinct) > 1:
            names = ", ".join(str(path) for path in distinct.values())
            notes.append(f"{clip.id}: ambiguous {kind} files ({names}): none taken; delete or move all but one")
        elif distinct:
            files[kind] = os.path.abspath(next(iter(distinct.values())))
    entry = before if before is not None and before.state == "done" else Entry(clip.id, "done")
    if set(files.values()) <= {entry.audio, entry.video}:
        return None, notes  # known from an earlier run
    holds = {}
    for path in files.values():
        try:
            holds[path] = _tracks(path)
        except MediaError as error:
            notes.append(f"{clip.id}: {error}: not taken")
    audio = next((path for path in files.values() if "audio" in holds.get(path, ())), "")
    video = next((path for path in reversed(files.values()) if "video" in holds.get(path, ())), "")
    taken = replace(entry, audio=entry.audio or audio, video=entry.video or video)
    if video and not entry.video:
        taken = replace(taken, video_why="")
    if not taken.audio:
        if holds:
            notes.append(f"{clip.id}: {next(iter(holds))}: has no sound: not taken")
        return None, notes
    return (None if taken == before else taken), notes


def _tracks(path: str) -> set[str]:
    from avkeras.media.media import probe

    info = probe(path)
    return {name for name, there in (("audio", info.has_audio), ("video", info.has_video)) if there}
