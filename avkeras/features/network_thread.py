"""A network in a thread of its own, which gathers pictures of many clips into full batches."""

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from avkeras.features.embedder import BATCH_PICTURES

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder

_WAITING_PARTS = 4  # that decoding may be ahead of the network
_WAITING_BATCHES = 4  # of pictures of different sizes, before batches that are not full are embedded


def calls_at_a_time() -> int:
    """Returns how many calls of a network run side by side: two where each of its operations has one thread alone."""
    alone = os.environ.get("TF_NUM_INTRAOP_THREADS") == "1"
    return 2 if alone and len(os.sched_getaffinity(0)) > 1 else 1


class _Part:
    """Pictures of one clip, and the rows that they have become so far."""

    def __init__(self, pictures: np.ndarray, rows: Future) -> None:
        self.pictures = pictures
        self.found: dict[int, np.ndarray] = {}  # by the first of their pictures: batches may end in any order
        self.taken = 0
        self.rows = rows
        self._lock = threading.Lock()

    def take(self, count: int) -> range:
        self.taken += count
        return range(self.taken - count, self.taken)

    def give(self, start: int, rows: np.ndarray) -> None:
        with self._lock:
            self.found[start] = rows
            if sum(map(len, self.found.values())) == len(self.pictures):
                self.rows.set_result(np.concatenate([self.found[start] for start in sorted(self.found)]))

    def fail(self, error: Exception) -> None:
        with self._lock:
            if not self.rows.done():
                self.rows.set_exception(error)


class NetworkThread:
    """Runs one embedder on what other threads decode, while they decode on.

    Pictures of one size, whichever clips they come from, go through the network in batches of `BATCH_PICTURES`; a
    batch that is not full is filled with black ones. The network therefore sees one shape only: nothing is traced or
    tuned anew, and a picture's row does not depend on how many others were at hand, which it else would in the last
    bits. A waveform goes through the network by itself, since TF Hub's contract for sound is one `(samples,)` a call.

    Rows are half precision, as stores keep them. What decoding may be ahead is bounded: `submit` waits. Where
    TensorFlow has one thread for each operation, two more threads call the network, side by side.

    Args:
        embedder: of sound or of pictures.
    """

    def __init__(self, embedder: "Embedder") -> None:
        self.embedder = embedder
        self._queue = queue.Queue(maxsize=_WAITING_PARTS)
        self._waiting: dict[tuple[int, ...], list[_Part]] = {}  # by the size of the pictures
        self._stopped = False
        calls = calls_at_a_time()
        self._callers = ThreadPoolExecutor(calls, f"network {embedder.spec.name} call") if calls > 1 else None
        self._free = threading.Semaphore(calls)
        self._thread = threading.Thread(target=self._run, name=f"network {embedder.spec.name}", daemon=True)
        self._thread.start()

    def submit(self, array: np.ndarray) -> Future:
        """Hands over a piece of a waveform, `(samples,)`, or uint8 pictures, `(pictures, height, width, 3)`.

        Returns:
            The rows to come, `(frames, dim)`, half precision.

        Raises:
            CancelledError: `stop` was called.
        """
        rows = Future()
        if self._stopped:
            raise CancelledError
        self._queue.put((array, rows))
        return rows

    def flush(self) -> None:
        """Has pictures embedded that wait for others to fill their batch, since no others come for now."""
        if self.embedder.spec.modality == "video":
            self._queue.put((None, None))

    def stop(self) -> None:
        """Lets what was handed over go, and refuses more."""
        self._stopped = True

    def join(self) -> None:
        """Ends the thread, after `stop` and when nobody is in `submit`."""
        self._queue.put(None)
        self._thread.join()
        if self._callers is not None:
            self._callers.shutdown()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            array, rows = item
            if self._stopped:
                self._waiting.clear()
            elif array is None:
                self._embed_waiting(least=1)
            elif self.embedder.spec.modality == "audio":
                self._call(self._embed_sound, array, rows)
            else:
                self._waiting.setdefault(array.shape[1:], []).append(_Part(array, rows))
                self._embed_waiting(least=BATCH_PICTURES)
                if sum(map(_left, self._waiting.values())) > _WAITING_BATCHES * BATCH_PICTURES:
                    self._embed_waiting(least=1)

    def _call(self, call: Callable, *values) -> None:
        """Calls now, or in the next caller that is free: what waits for one is no more than `submit` allows."""
        if self._callers is None:
            call(*values)
            return
        self._free.acquire()
        self._callers.submit(call, *values).add_done_callback(lambda _: self._free.release())

    def _embed_sound(self, piece: np.ndarray, rows: Future) -> None:
        try:
            rows.set_result(_half(self.embedder.embed_piece(piece)))
        except Exception as error:  # is the clip's: the thread goes on with the others
            rows.set_exception(error)

    def _embed_waiting(self, *, least: int) -> None:
        """Embeds batches as long as so many pictures of a size are left."""
        for size, parts in list(self._waiting.items()):
            while _left(parts) >= least:
                taken, room = [], BATCH_PICTURES
                while parts and room:
                    count = min(room, _left(parts[:1]))
                    taken.append((parts[0], parts[0].take(count)))
                    room -= count
                    if not _left(parts[:1]):
                        parts.pop(0)
                self._call(self._embed_batch, taken)
            if not parts:
                del self._waiting[size]

    def _embed_batch(self, taken: list[tuple[_Part, range]]) -> None:
        taken = [(part, places) for part, places in taken if not part.rows.done()]  # it failed in another batch
        if not taken:
            return
        pictures = [part.pictures[places.start : places.stop] for part, places in taken]
        batch = np.zeros((BATCH_PICTURES, *pictures[0].shape[1:]), np.float32)
        ends = np.cumsum([len(each) for each in pictures])
        np.divide(np.concatenate(pictures), np.float32(255), out=batch[: ends[-1]])
        try:
            rows = _half(self.embedder(batch))
        except Exception as error:  # is that of one clip perhaps: the others are tried without it
            if len(taken) == 1:
                taken[0][0].fail(error)
            else:
                for one in taken:
                    self._embed_batch([one])
            return
        for (part, places), found in zip(taken, np.split(rows, ends), strict=False):  # the last split is the filling
            part.give(places.start, found)


def _left(parts: list[_Part]) -> int:
    return sum(len(part.pictures) - part.taken for part in parts)


def _half(rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # a store refuses what becomes infinite
        return rows.astype("<f2")
