"""The features of clips written to stores: in the order of the clips, once, resumable; one that fails stops nothing."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordWriter, media_digest
from avkeras.errors import AvkerasError, MediaError
from avkeras.features.clip_pipeline import ClipPipeline
from avkeras.features.clip_reading import ClipReader, failure_reason
from avkeras.features.cluster import ClusterLost, ClusterPipeline, ClusterPool
from avkeras.features.embedder import BATCH_PICTURES
from avkeras.media.containers import check_regular
from avkeras.media.decoding_process import DecoderUnavailable
from avkeras.runs.files import read_rows, write_rows

_UNREADABLE = "unreadable: "  # before the reason, where other media have their digest


@dataclass
class Summary:
    """What an extraction did.

    Args:
        clips: in the manifest.
        reused: were in the store already.
        without_video: have no video file, or none that could be used.
        notes: clip id and what was padded, replaced or missing.
        errors: clip id and why it has no features; such clips are left out.
        read_to: by input, the bytes of the store's index that hold what was done; see `RecordReader`.
    """

    clips: int = 0
    reused: int = 0
    without_video: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    read_to: dict[str, int] = field(default_factory=dict)


def write_extraction(path: Path, summary: Summary) -> None:
    """Writes a row for every clip that was padded, cut, lacks something or failed, where they are not there already.

    Complete stores may lie on a disk that cannot be written.
    """
    kinds = (("note", summary.notes), ("error", summary.errors))
    rows = [{"clip": clip, "kind": kind, "text": text} for kind, lines in kinds for clip, text in lines]
    with suppress(AvkerasError, ValueError):  # it is not there, or damaged
        if read_rows(path) == rows and path.stat().st_size > 0:
            return
    write_rows(path, rows)


@dataclass
class _Entry:
    clip: Clip
    digest: str
    done: bool  # in the stores already
    features: Future | None = None


def write_clips(
    clips: Sequence[Clip],
    places: Mapping[str, tuple[Path, dict]],
    reader: ClipReader,
    *,
    workers: int,
    pool: ClusterPool | None,
    patience: float,
    retry_errors: bool,
    progress: Callable[[int, int], None] | None,
) -> Summary:
    """Reads every clip that is not in the stores yet, and writes what comes of it in the order of `clips`.

    Args:
        clips: what to read.
        places: folder and description of each input's store, `audio` first.
        reader: what is made of a clip.
        workers: clips decoded at a time.
        pool: the cluster that does it; None: this machine.
        patience: seconds for which nothing may come of decoding a file before it is given up.
        retry_errors: whether clips that failed before are tried again.
        progress: called with (clips done, clips in all).

    Raises:
        ClusterLost: the cluster is gone; what was written stays, and the rest is left for the next call.
        DecoderUnavailable: the processes that decode cannot be started; likewise.
    """
    summary = Summary(clips=len(clips))
    stores = {name: RecordWriter(*place) for name, place in places.items()}
    try:
        if pool is None:
            # Enough clips for a full batch, should each have one picture.
            pipeline = ClipPipeline(reader, workers=workers, patience=patience)
            group, ahead = 1, 2 * workers + BATCH_PICTURES
        else:
            pipeline = ClusterPipeline(pool, reader, patience=patience)
            group, ahead = pipeline.group, 2 * workers * pipeline.group
        with pipeline:
            for number, entry in enumerate(_started(clips, stores, pipeline, group, ahead, retry_errors), start=1):
                if entry.done:
                    summary.reused += 1
                else:
                    _write(entry, stores)
                _count(entry, stores, reader.visual, summary)
                if progress:
                    progress(number, len(clips))
        summary.read_to = {name: store.read_to for name, store in stores.items()}
    finally:
        for store in stores.values():
            store.close()
    return summary


def _started(
    clips: Iterable[Clip],
    stores: Mapping[str, RecordWriter],
    pipeline: "ClipPipeline | ClusterPipeline",
    group: int,
    ahead: int,
    retry_errors: bool,
) -> Iterator[_Entry]:
    """Yields the clips in order, with so many begun ahead, a group at a time."""
    waiting = iter(clips)
    entries, begin = deque(), []
    while True:
        while len(entries) < ahead and (clip := next(waiting, None)) is not None:
            digest = _digest(clip)
            done = all(store.done(clip.id, digest, retry_errors=retry_errors) for store in stores.values())
            if digest.startswith(_UNREADABLE):  # an outage of a file server shall not undo days of work
                done = done or all(_kept(store, clip.id) for store in stores.values())
            entries.append(_Entry(clip, digest, done))
            begin += [] if done else [entries[-1]]
            if len(begin) == group:
                _submit(pipeline, begin)
        if not entries:
            return
        if len(entries) < ahead or not (entries[0].done or entries[0].features):  # nothing to wait for, or no time
            _submit(pipeline, begin)
        yield entries.popleft()


def _digest(clip: Clip) -> str:
    """Names the clip's media; a file that is gone, or a pipe that would keep the reader waiting, by what is wrong."""
    try:
        for path in filter(None, (clip.audio, clip.video)):
            check_regular(path)
        return media_digest(clip.audio, clip.video)
    except MediaError as error:
        return f"{_UNREADABLE}{error.reason}"
    except OSError as error:
        return f"{_UNREADABLE}{error.strerror}"


def _submit(pipeline: "ClipPipeline | ClusterPipeline", begin: list[_Entry]) -> None:
    media = [(entry.clip.audio, entry.clip.video) for entry in begin]
    for entry, features in zip(begin, pipeline.submit_all(media), strict=True):
        entry.features = features
    begin.clear()


def _write(entry: _Entry, stores: Mapping[str, RecordWriter]) -> None:
    clip, digest = entry.clip, entry.digest
    try:
        found = entry.features.result()
    except (ClusterLost, DecoderUnavailable):
        raise
    except Exception as error:  # a decoder's surprise on one clip must not stop the others
        return _fail(clip, digest, failure_reason(clip.id, error), stores)
    # The audio record carries the notes; it is written last, so that a kill between two of them repeats the clip.
    try:
        for name, store in stores.items():
            if name != "audio" and not store.done(clip.id, digest, retry_errors=True):
                if name in found.heard:
                    store.write(clip.id, digest, np.concatenate(found.heard[name]))
                else:
                    rows = found.visual.get(name, np.zeros((0, store.meta["dim"])))
                    store.write(clip.id, digest, rows, seen=found.seen)
        stores["audio"].write(clip.id, digest, found.audio, notes=tuple(found.notes))
    except ValueError as error:  # features that a store refuses
        _fail(clip, digest, str(error), stores)


def _fail(clip: Clip, digest: str, reason: str, stores: Mapping[str, RecordWriter]) -> None:
    """Records why there are no features; a store that has some of media that are away keeps them."""
    for store in stores.values():
        if not (digest.startswith(_UNREADABLE) and _kept(store, clip.id)):
            store.fail(clip.id, digest, reason)


def _kept(store: RecordWriter, clip: str) -> bool:
    record = store.records.get(clip)
    return record is not None and not record.error


def _count(entry: _Entry, stores: Mapping[str, RecordWriter], visual: Iterable[str], summary: Summary) -> None:
    clip, audio = entry.clip, stores["audio"].records[entry.clip.id]
    summary.notes.extend((clip.id, note) for note in audio.notes)
    error = next((error for store in stores.values() if (error := store.records[clip.id].error)), "")
    if entry.done and entry.digest.startswith(_UNREADABLE) and not error:
        reason = entry.digest.removeprefix(_UNREADABLE)
        summary.notes.append((clip.id, f"its media cannot be used now ({reason}): features of before are kept"))
    if error:
        summary.errors.append((clip.id, error))
    elif any(stores[name].records[clip.id].frames == 0 for name in visual):
        summary.without_video += 1
