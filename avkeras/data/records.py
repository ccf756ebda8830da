"""Embeddings on disk: half precision, appended clip by clip, read at random.

A store is a folder for one modality and one embedder:

    meta.json     what made it: embedder, fingerprint, parameters
    data.f16      the embeddings of all clips, one after the other, little-endian half precision
    index.jsonl   a line per clip: id, media, start row, frames, mask, checksum; or the reason why it has none

A clip is in the store once its line in the index is whole. Whatever a kill leaves behind that line is cut off before
the next clip is written, so a resumed run ends with the same bytes as one that was never interrupted.
"""

import hashlib
import json
import os
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avkeras.errors import AvkerasError
from avkeras.runs.files import append, write_text, writing
from avkeras.runs.locks import take_lock

_EDGE = 1 << 16


def media_digest(*paths: str | Path | None) -> str:
    """Names the content of media files by their sizes and their first and last 64 KiB; `None` stands for no file.

    Example:
        >>> media_digest(None) == media_digest(None, None)
        False
    """
    digest = hashlib.blake2b(digest_size=10)
    for path in paths:
        if path is None:
            digest.update(b"none")
            continue
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{size} ".encode() + file.read(_EDGE))
            if size > _EDGE:
                file.seek(-_EDGE, os.SEEK_END)
                digest.update(file.read(_EDGE))
    return digest.hexdigest()


def store_key(meta: dict) -> str:
    """Names a store by what made it.

    Example:
        >>> len(store_key({"embedder": "vggish"}))
        10
    """
    return hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=5).hexdigest()


@dataclass(frozen=True)
class Record:
    """One line of the index.

    Args:
        id: the clip.
        media: `media_digest` of the files that it was made from.
        row: its first row in `data.f16`.
        frames: its number of rows; 0: the clip lacks this modality.
        mask: a `1` per frame that was seen, a `0` per frame that was not; the index has it by this name.
        checksum: CRC-32 of its bytes.
        notes: what was padded, replaced or missing.
        error: why the clip has no embeddings; empty: it has.
    """

    id: str
    media: str
    row: int = 0
    frames: int = 0
    mask: str = ""
    checksum: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""


class RecordWriter:
    """Appends the embeddings of clips to a store; one process at a time. Nothing is touched where nothing is appended.

    Args:
        folder: the store; made if it is not there.
        meta: what makes the embeddings; must hold `dim`. A store that was made otherwise is refused.

    Raises:
        AvkerasError: the store was made otherwise or is damaged, or another process writes to it.
        WriteError: the disk is full or read-only.

    Example:
        >>> import tempfile
        >>> with RecordWriter(tempfile.mkdtemp() + "/audio", {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((3, 2)))
        ...     store.done("a1", "digest")
        True
    """

    def __init__(self, folder: str | Path, meta: dict) -> None:
        self.folder = Path(folder)
        self.meta = meta
        self.read_to = 0  # bytes of the index that `records` are of
        self._index = self._data = None
        file = self.folder / "meta.json"
        if not file.exists():
            self._open()
        else:
            self._check_meta()
            self.records, self.read_to = _read_index(self.folder / "index.jsonl")
            data = self.folder / "data.f16"
            _check_length(self.folder, self.records, data.stat().st_size if data.exists() else 0, meta["dim"])

    def _open(self) -> None:
        """Takes the lock, checks what made the store, and cuts off what a kill left behind.

        Not before there is something to write: a store that is complete may lie on a disk that cannot be written, and
        several processes may find at once that nothing is left to do.
        """
        index, data = self.folder / "index.jsonl", self.folder / "data.f16"
        with writing(index):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._index = open(index, "a+b", buffering=0)
        try:
            take_lock(self._index, f"{self.folder}: another process is writing to this store; wait for it")
            file = self.folder / "meta.json"
            if file.exists():
                self._check_meta()
            else:
                write_text(file, json.dumps(self.meta, indent=1, sort_keys=True) + "\n")
            with writing(data):
                self._data = open(data, "a+b", buffering=0)
            self.records, self.read_to = _read_index(index)
            held = os.fstat(self._data.fileno()).st_size
            self._rows = _check_length(self.folder, self.records, held, self.meta["dim"])
            self._index.truncate(self.read_to)
            if held > (size := self._rows * 2 * self.meta["dim"]):
                self._data.truncate(size)
        except BaseException:
            self.close()
            raise

    def _check_meta(self) -> None:
        if _read_meta(self.folder / "meta.json") != self.meta:
            raise AvkerasError(f"{self.folder}: was made with other parameters; give another folder or delete it")

    def done(self, id: str, media: str, *, retry_errors: bool = False) -> bool:
        """Returns whether a clip is in the store, made from these media files (or known to fail on them)."""
        record = self.records.get(id)
        return record is not None and record.media == media and not (retry_errors and record.error)

    def write(self, id: str, media: str, embeddings, *, seen=None, notes: tuple[str, ...] = ()) -> None:
        """Appends one clip: `embeddings` `(frames, dim)`, zero frames: it lacks the modality; `seen` `(frames,)`."""
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            rows = np.ascontiguousarray(embeddings, dtype="<f2")
        if rows.ndim != 2 or rows.shape[1] != self.meta["dim"]:
            raise ValueError(f"embeddings of {id} have shape {rows.shape}, not (frames, {self.meta['dim']})")
        if not np.isfinite(rows).all():
            raise ValueError(f"embeddings of {id} are not finite in half precision")
        seen = np.ones(len(rows), bool) if seen is None else np.asarray(seen, bool)
        data = rows.tobytes()
        if self._data is None:
            self._open()
            if self.done(id, media, retry_errors=True):  # another process wrote it meanwhile
                return
        append(self._data, data, self.folder / "data.f16")
        text = "".join("1" if one else "0" for one in seen)
        self._commit(Record(id, media, self._rows, len(rows), text, zlib.crc32(data), tuple(notes)))
        self._rows += len(rows)

    def fail(self, id: str, media: str, reason: str) -> None:
        """Records why a clip has no embeddings."""
        self._commit(Record(id, media, error=reason))

    def _commit(self, record: Record) -> None:
        if self._index is None:
            self._open()
        fields = {name: value for name, value in vars(record).items() if value or name in ("id", "media")}
        line = json.dumps(fields).encode() + b"\n"
        append(self._index, line, self.folder / "index.jsonl")
        self.read_to += len(line)
        self.records[record.id] = record

    def close(self) -> None:
        """Closes the files."""
        for file in (self._index, self._data):
            if file is not None:
                file.close()
        self._index = self._data = None

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *exception) -> None:
        self.close()


class RecordReader:
    """Reads the embeddings of any clip of a store without holding the store in memory; safe in threads.

    Args:
        folder: the store.
        read_to: bytes of the index that count; None: all. What others add behind them, perhaps another file of a clip
            with the same id, is not seen.

    Raises:
        AvkerasError: it is none, or damaged.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp() + "/audio"
        >>> with RecordWriter(folder, {"dim": 2}) as store:
        ...     store.write("a1", "digest", np.ones((3, 2)))
        >>> RecordReader(folder).read("a1").shape
        (3, 2)
    """

    def __init__(self, folder: str | Path, *, read_to: int | None = None) -> None:
        self.folder = Path(folder)
        file = self.folder / "meta.json"
        if not file.is_file():
            raise AvkerasError(f"{self.folder}: holds no embeddings; extract them first")
        self.meta = _read_meta(file)
        self.dim = self.meta["dim"]
        self.records, _ = _read_index(self.folder / "index.jsonl", read_to)
        self._file = os.open(self.folder / "data.f16", os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        _check_length(self.folder, self.records, os.fstat(self._file).st_size, self.dim)

    def read(self, id: str, *, out=None) -> np.ndarray:
        """Returns the embeddings `(frames, dim)` of a clip, half precision; into `out`, if that is given."""
        record = self.records[id]
        rows = np.empty((record.frames, self.dim), "<f2") if out is None else out
        view = memoryview(rows.reshape(-1).view(np.uint8))
        offset = 2 * self.dim * record.row
        while view:
            count = os.preadv(self._file, [view], offset)
            if count == 0:
                raise AvkerasError(f"{self.folder}: data.f16 ends inside clip {id}; delete the store")
            view, offset = view[count:], offset + count
        return rows

    def seen(self, id: str) -> np.ndarray:
        """Returns which frames of a clip were seen, `(frames,)`."""
        return np.frombuffer(self.records[id].mask.encode(), np.uint8) == ord("1")

    def verify(self) -> list[str]:
        """Returns the ids whose bytes do not have the checksum of the index."""
        records = [r for r in self.records.values() if not r.error]
        return [r.id for r in records if zlib.crc32(self.read(r.id).tobytes()) != r.checksum]


def _read_meta(path: Path) -> dict:
    """Returns what made a store."""
    try:
        meta = json.loads(path.read_bytes())
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or "dim" not in meta:
        raise AvkerasError(f"{path}: is damaged; delete the store, and extract again")
    return meta


def _read_index(path: Path, most: int | None = None) -> tuple[dict[str, Record], int]:
    """Returns the records by id, the last line of an id winning, and the length of the whole lines in bytes.

    Args:
        path: of the index.
        most: bytes that are read of it; None: all.
    """
    records: dict[str, Record] = {}
    whole = 0
    if not path.exists():
        return records, whole
    for number, line in enumerate(path.read_bytes()[:most].splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            fields = json.loads(line)
            record = Record(**{**fields, "notes": tuple(fields.get("notes", ()))})
        except (ValueError, TypeError, AttributeError):
            raise AvkerasError(f"{path}:{number}: is damaged; delete that line, and extract again") from None
        records.pop(record.id, None)
        records[record.id] = record
        whole += len(line)
    return records, whole


def _check_length(folder: Path, records: dict[str, Record], held: int, dim: int) -> int:
    """Returns the rows that the index knows of; all of them must be in the bytes that `data.f16` holds."""
    rows = max((record.row + record.frames for record in records.values()), default=0)
    if held < rows * 2 * dim:
        raise AvkerasError(f"{folder}: data.f16 is shorter than its index says; delete the store")
    return rows
