"""Brings the clips of an official list into a folder: from their source, or from files that the user has.

    DIR/lists/         the official lists
    DIR/audio/ID.flac  the sound of each clip's segment, as decoded
    DIR/video/ID.mp4   its pictures, H.264 of at most 360 lines, without sound
    DIR/ledger.jsonl   what became of each clip (see `avkeras.datasets.ledger`)
    DIR/manifest.tsv   the clips that are there, for recipes

Only the segment is downloaded, in pieces of 256 KiB by HTTP range requests, and PyAV cuts it; no `ffmpeg` program is
needed. A clip that failed is not tried again unless asked for, and a clip whose pictures cannot be had is kept without.
Only what the source answers counts: an outage costs no clip (see `avkeras.datasets.outcomes`).
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from avkeras.data.manifest import Clip, write_manifest
from avkeras.datasets.adopt import adopt
from avkeras.datasets.fetch_clip import fetch_clip
from avkeras.datasets.fetch_folder import claim, present, read_placed, task_module
from avkeras.datasets.ledger import STATES, Entry, Ledger
from avkeras.datasets.outcomes import Outcomes
from avkeras.datasets.pace import Pace
from avkeras.datasets.remote_lists import place_lists
from avkeras.datasets.task_lists import SourceClip, TaskLists
from avkeras.datasets.video_source import YOUTUBE, VideoSource
from avkeras.errors import AvkerasError, WriteError
from avkeras.runs.files import write_text

# What a clip in several lists is kept for: the last of these.
_SPLITS = ("train", "validation", "test")


@dataclass
class FetchSummary:
    """What a run of `fetch` did.

    Args:
        manifest: the file written, or None: no clip is there.
        clips: clips chosen.
        tried: how many clips of this run came to each state.
        left: how many were tried and are left for the next call, since the source gave no answer or refused us.
        before: how many were left as they are, since the ledger has them.
        without_source: synthetic clips, and all others when offline, which are had by adopting only.
        adopted: clips for which files of the user were taken.
        in_manifest: clips in the manifest.
        notes: what was replaced, ignored, ambiguous, or unlike the official lists.
        stopped: why the run ended early or came to nothing: the source cannot be reached or refuses us; empty: neither.
    """

    manifest: Path | None = None
    clips: int = 0
    tried: Counter = field(default_factory=Counter)
    left: int = 0
    before: int = 0
    without_source: int = 0
    adopted: int = 0
    in_manifest: int = 0
    notes: list[str] = field(default_factory=list)
    stopped: str = ""


def fetch(
    task: str,
    folder: str | Path,
    *,
    splits: Sequence[str] | None = None,
    limit: int | None = None,
    jobs: int = 2,
    media: str | Path | None = None,
    offline: bool = False,
    retry: Collection[str] = (),
    lists: str | Path | None = None,
    source: str = YOUTUBE,
    sleep: float = 1.0,
    timeout: float = 30.0,
    tries: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> FetchSummary:
    """Fetches and adopts the clips of a task and writes a manifest of those that are there.

    Args:
        task: `"dcase2017"`, `"dcase2018"`, `"dcase2020"`, `"audioset"` or `"vggsounder"`.
        folder: where to; one task per folder. An interrupted run goes on where it was.
        splits: which: splits (`"train"`, `"validation"`, `"test"`) or official parts; default: all.
        limit: at most that many clips of each part, spread evenly over its list; default: all.
        jobs: clips at a time.
        media: folder with files that the user has, by their official names; they are referred to, not copied.
        offline: never ask the source.
        retry: states whose clips are tried again, and `"video"`: clips whose pictures could not be had.
        lists: folder with official lists; default: they are downloaded.
        source: address of a video with `{id}` in it.
        sleep: least seconds between two clips.
        timeout: seconds after which a request fails.
        tries: how often a clip is tried when the source does not answer or refuses; the pauses double from
            `max(sleep, 1)` seconds, unless the source says how long (`Retry-After`).
        progress: called with (clips done, clips in all).

    Returns:
        A `FetchSummary`.

    Raises:
        AvkerasError: an argument, a list or a folder cannot be used.
        WriteError: a file cannot be written; the clips under way are left for the next call.
    """
    folder = Path(folder)
    module = task_module(task)
    _check(limit=limit, jobs=jobs, timeout=timeout, tries=tries, sleep=sleep, retry=retry)
    pace = Pace(sleep=sleep)
    videos = contextlib.nullcontext() if offline else VideoSource(source, timeout=timeout, pace=pace)
    summary = FetchSummary()
    parts = _without_lists_of_users(module, choose_parts(module.PARTS, splits), splits, folder, lists, summary.notes)
    with Ledger(folder) as ledger:
        claim(folder, task)
        names = {name for part in parts for name in module.FILES[part]}
        wanted = [remote for remote in module.LISTS if remote.name in names]
        summary.notes += place_lists(wanted, folder / "lists", own=lists)
        write_text(folder / "lists" / "LICENCE.txt", f"{module.LICENCE}\n\nPlease cite:\n{module.cite()}\n")
        read = read_placed(folder)
        summary.notes += (*read.notes, *module.validate(read))
        chosen = spread([clip for clip in read.clips if clip.part in parts], limit)
        summary.clips = len(chosen)
        if media is not None:
            names_of = getattr(module, "other_names", lambda clip: ())
            taken = adopt(chosen, media, ledger, names=names_of, among=read.clips)
            summary.adopted, summary.notes = taken.adopted, summary.notes + taken.notes
        try:
            with videos as opened:
                _run(chosen, folder, ledger, opened, pace, jobs, tries, retry, progress, summary)
        finally:
            _write_manifest(folder, read, ledger, summary)
    return summary


def choose_parts(parts: dict[str, str], splits: Sequence[str] | None) -> list[str]:
    """Returns the official parts that splits or parts name, in their order.

    Example:
        >>> choose_parts({"weak": "train", "validation": "validation"}, ["train"])
        ['weak']
    """
    for name in splits or ():
        if name not in parts and name not in parts.values():
            raise AvkerasError(f"splits: '{name}' is none of {', '.join(dict.fromkeys([*parts.values(), *parts]))}")
    return [part for part, split in parts.items() if splits is None or part in splits or split in splits]


def _without_lists_of_users(module, parts, splits, folder: Path, own, notes: list[str]) -> list[str]:
    """Leaves out, unless it is asked for by name, a part whose list only the user can give and has not given."""
    theirs = {remote.name for remote in module.LISTS if not remote.sha256}
    places = [folder / "lists", *([Path(own)] if own is not None else [])]
    kept = []
    for part in parts:
        lacking = [
            name
            for name in theirs & set(module.FILES[part])
            if not any((place / f"{name}{packed}").is_file() for place in places for packed in ("", ".xz"))
        ]
        if lacking and part not in (splits or ()):
            notes.append(f"{part}: left out: {lacking[0]} is not downloaded; give a folder that holds it (lists)")
        else:
            kept.append(part)
    return kept


def spread(clips: Sequence[SourceClip], limit: int | None) -> list[SourceClip]:
    """Returns at most `limit` clips of each part, evenly spread over it: lists are sorted by class."""
    if limit is None:
        return list(clips)
    chosen: list[SourceClip] = []
    for part in dict.fromkeys(clip.part for clip in clips):
        members = [clip for clip in clips if clip.part == part]
        count = min(limit, len(members))
        chosen += [members[number * len(members) // count] for number in range(count)]
    return chosen


def _check(*, limit, jobs, timeout, tries, sleep, retry) -> None:
    for name, value in (("limit", limit), ("jobs", jobs), ("timeout", timeout), ("tries", tries)):
        if value is not None and value <= 0:
            raise AvkerasError(f"{name}: {value} must be above 0")
    if sleep < 0:
        raise AvkerasError(f"sleep: {sleep} must not be below 0")
    for state in retry:
        if state not in (*STATES[1:], "video"):
            raise AvkerasError(f"retry: '{state}' is none of {', '.join((*STATES[1:], 'video'))}")


def _run(chosen, folder, ledger, videos, pace, jobs, tries, retry, progress, summary: FetchSummary) -> None:
    """Tries what is to be tried, `jobs` clips at a time; the ledger is written by this thread alone."""
    waiting = []
    for clip in chosen:
        entry = ledger.entries.get(clip.id)
        if not _wanted(folder, entry, retry):
            summary.before += 1
        elif videos is None or clip.video is None:
            audio, _ = present(folder, entry)
            summary.before += audio is not None
            summary.without_source += audio is None
        else:
            waiting.append((clip, entry))
    for left_over in folder.glob("*/.partial-*"):
        left_over.unlink()
    outcomes = Outcomes(ledger)
    unwritten: WriteError | None = None
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(fetch_clip, clip, entry, folder, videos, pace, tries) for clip, entry in waiting]
        try:
            for number, done in enumerate(as_completed(running), start=1):
                try:
                    entry, error = done.result()
                    if entry is None:
                        continue
                    outcomes.take(entry, error)
                except WriteError as found:  # what others have finished meanwhile is still told
                    unwritten = unwritten or found
                    pace.stopped.set()
                    continue
                if outcomes.stopped:
                    pace.stopped.set()
                if progress:
                    progress(number, len(running))
        finally:
            pace.stopped.set()
            pool.shutdown(cancel_futures=True)
    if unwritten is not None:
        raise unwritten
    outcomes.end()
    summary.tried, summary.left, summary.stopped = outcomes.tried, outcomes.left, outcomes.stopped


def _wanted(folder: Path, entry: Entry | None, retry: Collection[str]) -> bool:
    if entry is None:
        return True
    if entry.state != "done":
        return entry.state in retry
    audio, video = present(folder, entry)
    if audio is None or (entry.video and video is None):
        return True  # somebody has deleted a file
    return not entry.video and (not entry.video_why or "video" in retry)


def _write_manifest(folder: Path, lists: TaskLists, ledger: Ledger, summary: FetchSummary) -> None:
    """Writes the manifest of all clips that are there, in the order of the lists.

    A clip that stands in the lists of several splits (DCASE 2020 has one, for test and unlabelled training) is kept
    where it is scored: a system must not have been trained on it.
    """
    clips: dict[str, Clip] = {}
    twice = []
    for clip in lists.clips:
        audio, video = present(folder, ledger.entries.get(clip.id))
        if audio is None:
            continue
        found = Clip(clip.id, audio, video, clip.split, clip.labels, clip.events, clip.supervision, clip.seen)
        if clip.id in clips:
            twice.append(clip.id)
            found = max(clips[clip.id], found, key=lambda one: _SPLITS.index(one.split))
        clips[clip.id] = found
    if twice:
        summary.notes.append(
            f"clips in the lists of several splits: {len(twice)}, kept only where they are scored ({twice[0]}, ...)"
        )
    if clips:
        summary.manifest = folder / "manifest.tsv"
        summary.in_manifest = len(clips)
        write_manifest(summary.manifest, list(clips.values()), classes=lists.classes)
