"""Many clips at a time: processes decode while each network embeds, so that the slower of the two sets the pace."""

import functools
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path

from avkeras.features.clip_reading import ClipReader, Decoder, PictureRows, SoundRows, clip_features, read_pictures
from avkeras.features.network_thread import NetworkThread
from avkeras.media.decoding_process import PATIENCE, DecodingProcess


class ClipPipeline:
    """Reads clips; a context manager, whose end drops what is not done.

    A clip is two tasks for the decoding threads, since only the embedder of the sound knows how many pictures it
    needs: its sound, and, when the sound's rows are there, its pictures. Threads never wait for rows, and earlier clips
    go first. Each thread has a process that decodes for it, so that no file can stop the others.

    Args:
        reader: what is made of a clip.
        workers: threads that decode; each network has one more.
        patience: seconds for which nothing may come of a file before it is given up.

    Example:
        >>> import soundfile
        >>> from avkeras.features.extract import WindowReader
        >>> from avkeras.features.embedders import load_embedder
        >>> soundfile.write("clip.wav", np.zeros(160_000), 16_000)
        >>> with ClipPipeline(WindowReader(load_embedder("vggish_stand_in"), None), workers=2) as pipeline:
        ...     pipeline.submit("clip.wav", None).result().audio.shape
        (10, 128)
    """

    def __init__(self, reader: ClipReader, *, workers: int, patience: float = PATIENCE) -> None:
        self.reader = reader
        self._networks = {name: NetworkThread(embedder) for name, embedder in reader.networks.items()}
        self._tasks = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._decoding = 0  # clips that more may come of
        self._decoders = [DecodingProcess(patience=patience) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._work, args=(decoder,), name="decode", daemon=True)
            for decoder in self._decoders
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, audio: str | Path, video: str | Path | None) -> Future:
        """Begins a clip.

        Returns:
            Its `ClipFeatures` to come, half precision; or `MediaError`, when its sound cannot be used.
        """
        features = Future()
        number = next(self._numbers)
        with self._lock:
            self._decoding += 1
        self._put(number, functools.partial(self._read_sound, number, audio, video, features))
        return features

    def submit_all(self, media: Sequence[tuple[str | Path, str | Path | None]]) -> list[Future]:
        """Begins clips, each a sound and a video; returns their features to come."""
        return [self.submit(audio, video) for audio, video in media]

    def __enter__(self) -> "ClipPipeline":
        return self

    def __exit__(self, *exception) -> None:
        for network in self._networks.values():
            network.stop()
        for _ in self._threads:
            self._put(-1, None)  # before every clip
        for decoder in self._decoders:
            decoder.interrupt()
        for thread in self._threads:
            thread.join()
        for network in self._networks.values():
            network.join()

    def _put(self, number: int, task: Callable[[Decoder], None] | None) -> None:
        self._tasks.put((number, next(self._numbers), task))

    def _work(self, decoder: DecodingProcess) -> None:
        with decoder:
            while (task := self._tasks.get()[2]) is not None:
                task(decoder)

    def _embed(self, name: str, array) -> Future:
        return self._networks[name].submit(array)

    def _read_sound(
        self, number: int, audio: str | Path, video: str | Path | None, features: Future, decoder: Decoder
    ) -> None:
        try:
            sound = self.reader.read_sound(audio, self._embed, decoder)
        except BaseException as error:
            features.set_exception(error)
            return self._decoded()
        _after(sound.all_parts, functools.partial(self._sound_read, number, sound, video, features))

    def _sound_read(self, number: int, sound: SoundRows, video: str | Path | None, features: Future) -> None:
        try:
            times = self.reader.picture_times(sound)
        except BaseException as error:
            features.set_exception(error)
            return self._decoded()
        if video is not None and self.reader.visual:
            return self._put(number, functools.partial(self._read_pictures, sound, video, times, features))
        _finish(features, sound, PictureRows(), times)
        self._decoded()

    def _read_pictures(self, sound: SoundRows, video: str | Path, times, features: Future, decoder: Decoder) -> None:
        try:
            pictures = read_pictures(video, times, self.reader.visual, self._embed, decoder)
        except BaseException as error:
            features.set_exception(error)
        else:
            parts = itertools.chain.from_iterable(pictures.parts.values())
            _after(parts, functools.partial(_finish, features, sound, pictures, times))
        self._decoded()

    def _decoded(self) -> None:
        """Counts a clip as decoded; after the last one nothing comes to fill the networks' batches."""
        with self._lock:
            self._decoding -= 1
            last = self._decoding == 0
        if last:
            for network in self._networks.values():
                network.flush()


def _finish(features: Future, *found) -> None:
    try:
        features.set_result(clip_features(*found))
    except BaseException as error:
        features.set_exception(error)


def _after(futures: Iterable[Future], call: Callable[[], None]) -> None:
    """Calls when all are done: in the thread that ends the last one, or at once."""
    futures = list(futures)
    left = itertools.count(len(futures), -1)  # its steps are atomic

    def done(_) -> None:
        if next(left) == 1:
            call()

    for future in futures:
        future.add_done_callback(done)
    if not futures:
        call()
