"""From the clips of a manifest to log-mel spectrograms and visual embeddings in stores, for the 2022 system.

Spectrograms are kept rather than worked out in the input pipeline: training sees every clip some hundred times, and
decoding and resampling cost more than the 64 KiB that a clip takes. Half precision holds them: levels lie within about
-100 to 80 dB, where it rounds by at most 0.03 dB.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.manifest import Clip
from avkeras.data.records import RecordWriter, media_digest, store_key
from avkeras.errors import MediaError
from avkeras.features.extract import Summary, failure_reason
from avkeras.features.pictures import bounded_size, embed_pictures, load_pictures

if TYPE_CHECKING:
    from avkeras.features.cluster import ClusterPool
    from avkeras.features.embedders import Embedder

VERSION = 1  # of what this module does to media; part of every store's key
SAMPLE_RATE = 16000
HOP = 313  # samples from one log-mel frame to the next (2022, section 3.1.2)
_UNSAID_CUT = SAMPLE_RATE // 10
MAX_FRAMES = 512  # log-mel frames of 10 s, the most that the model takes
LEAST_SAMPLES = 513  # half a window and one: the fewest that a spectrogram can be made of


@dataclass
class DetectionMedia:
    """A clip as decoded: log-mel levels, per visual embedder its pictures and which were seen, and what was changed."""

    log_mel: np.ndarray
    pictures: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def picture_times(samples: int, *, max_frames: int = MAX_FRAMES, visual_frames: int = 64) -> np.ndarray:
    """Returns the times of a clip's still images in seconds: the centres of equal parts of the longest clip.

    With as many pictures as the front end gives vectors, 64, each stands at the centre of a vector.

    Args:
        samples: of the clip at 16 kHz.
        max_frames: log-mel frames of the longest clip, 512 for 10 s.
        visual_frames: pictures of the longest clip; a shorter one has fewer, but always one.

    Example:
        >>> picture_times(80_000, visual_frames=4).round(2).tolist()
        [1.25, 3.76]
    """
    times = (np.arange(visual_frames) + 0.5) * max_frames * HOP / SAMPLE_RATE / visual_frames
    return times[: max(1, np.count_nonzero(times < samples / SAMPLE_RATE))]


def decode_detection_clip(
    audio: str | Path,
    video: str | Path | None,
    *,
    visual: Mapping[str, "Embedder"],
    bands: int = 64,
    max_frames: int = MAX_FRAMES,
    visual_frames: int = 64,
) -> DetectionMedia:
    """Reads a clip's log-mel spectrogram and its still images (2022, section 3.1.2).

    A longer clip is cut after `max_frames`. Video that cannot be used makes the clip one without video. `notes` says
    so, but not that less than 0.1 s was cut: encoders add that much silence at the end of a clip.

    Args:
        audio: the file with the sound.
        video: the file with the pictures, or None.
        visual: embedders by name; only the size of their pictures matters here.
        bands: of the spectrogram.
        max_frames: most log-mel frames.
        visual_frames: pictures for `max_frames`.

    Raises:
        MediaError: when the sound cannot be used.
    """
    from avkeras.features.audio import load_audio
    from avkeras.features.log_mel import log_mel

    waveform = load_audio(audio, sample_rate=SAMPLE_RATE)
    notes = []
    longest = max_frames * HOP - 1
    if len(waveform) > longest + _UNSAID_CUT:
        notes.append(f"cut from {len(waveform) / SAMPLE_RATE:.2f} to {longest / SAMPLE_RATE:.2f} s")
    waveform = waveform[:longest]
    if len(waveform) < LEAST_SAMPLES:
        notes.append(f"audio padded by {LEAST_SAMPLES - len(waveform)} samples to one window")
        waveform = np.pad(waveform, (0, LEAST_SAMPLES - len(waveform)))
    media = DetectionMedia(log_mel(waveform, bands=bands).numpy(), notes=notes)
    if video is None or not visual:
        return media
    times = picture_times(len(waveform), max_frames=max_frames, visual_frames=visual_frames)
    read = {}
    try:
        for spec in {embedder.spec.size: embedder.spec for embedder in visual.values()}.values():
            read[spec.size] = load_pictures(video, times, spec)
    except MediaError as error:
        notes.append(f"video not used: {error.reason}")
        return media
    seen = next(iter(read.values()))[1]
    if not seen.any():
        notes.append("video not used: it shows nothing at the times of the still images")
        return media
    if not seen.all():
        notes.append(f"video missing in {np.count_nonzero(~seen)} of {len(times)} frames")
    media.pictures = {name: read[embedder.spec.size] for name, embedder in visual.items()}
    return media


def detection_stores(
    folder: str | Path,
    *,
    visual: Mapping[str, "Embedder"],
    bands: int = 64,
    max_frames: int = MAX_FRAMES,
    visual_frames: int = 64,
) -> dict[str, tuple[Path, dict]]:
    """Returns folder and description of the store of each input: `audio`, then one per visual embedder."""
    common = {"version": VERSION, "hop": HOP, "max_frames": max_frames}
    metas = {"audio": {"features": "log_mel", "dim": bands, **common}}
    for name, embedder in visual.items():
        metas[name] = {
            "embedder": embedder.spec.name,
            "stand_in": embedder.spec.stand_in,
            "fingerprint": embedder.fingerprint,
            "dim": embedder.spec.dim,
            "visual_frames": visual_frames,
            **common,
            **bounded_size(embedder),
        }
    titles = {name: "log_mel" if name == "audio" else f"pictures-{visual_frames}-{name}" for name in metas}
    return {name: (Path(folder) / f"{titles[name]}-{store_key(meta)}", meta) for name, meta in metas.items()}


def extract_detection(
    clips: Iterable[Clip],
    folder: str | Path,
    *,
    visual: Mapping[str, "Embedder"],
    bands: int = 64,
    max_frames: int = MAX_FRAMES,
    visual_frames: int = 64,
    workers: int = 2,
    pool: "ClusterPool | None" = None,
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Path], Summary]:
    """Reads every clip once and keeps its log-mel spectrogram and visual embeddings in a store per input.

    Threads decode and embed clips side by side; what they give is written in the order of `clips`, so an interrupted
    run goes on to the same bytes. Each visual embedding is aligned to the same still images.

    Args:
        clips: what to read.
        folder: where the stores are.
        visual: embedders of the pictures by name; empty: sound only.
        bands: of the spectrogram.
        max_frames: most log-mel frames; what a clip has beyond is cut off.
        visual_frames: still images for `max_frames`.
        workers: threads that decode and embed.
        pool: what runs the calls; default: so many threads.
        retry_errors: whether clips that failed before are tried again.
        progress: called with (clips done, clips in all).

    Returns:
        The store of each input, `audio` first, and a `Summary`.
    """
    clips = tuple(clips)
    shape = {"bands": bands, "max_frames": max_frames, "visual_frames": visual_frames}
    places = detection_stores(folder, visual=visual, **shape)
    stores = {name: RecordWriter(*place) for name, place in places.items()}
    summary = Summary(clips=len(clips))

    def start(pool: "ThreadPoolExecutor | ClusterPool", clip: Clip) -> tuple[Clip, str, Future | None]:
        try:
            digest = media_digest(clip.audio, clip.video)
        except OSError as error:
            digest = f"unreadable: {error.strerror}"
        if all(store.done(clip.id, digest, retry_errors=retry_errors) for store in stores.values()):
            return clip, digest, None
        return clip, digest, pool.submit(_features, clip.audio, clip.video, visual, shape)

    def decoded(pool: "ThreadPoolExecutor | ClusterPool") -> Iterator[tuple[Clip, str, Future | None]]:
        waiting = iter(clips)
        ahead = [start(pool, clip) for clip in islice(waiting, 2 * workers)]
        while ahead:
            yield ahead.pop(0)
            ahead.extend(start(pool, clip) for clip in islice(waiting, 1))

    try:
        with nullcontext(pool) if pool else ThreadPoolExecutor(workers) as running:
            for number, (clip, digest, media) in enumerate(decoded(running), start=1):
                if media is None:
                    summary.reused += 1
                else:
                    _write(clip, digest, media, stores)
                _count(clip, stores, summary)
                if progress:
                    progress(number, len(clips))
    finally:
        for store in stores.values():
            store.close()
    return {name: place for name, (place, _) in places.items()}, summary


def _features(audio, video, visual, shape) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]], list[str]]:
    """Returns a clip's spectrogram, per visual embedder its embeddings and mask, and what was changed."""
    media = decode_detection_clip(audio, video, visual=visual, **shape)
    embedded = {
        name: (embed_pictures(pictures, seen, visual[name]), seen) for name, (pictures, seen) in media.pictures.items()
    }
    return media.log_mel, embedded, media.notes


def _write(clip: Clip, digest: str, features: Future, stores: dict[str, RecordWriter]) -> None:
    try:
        log_mel, embedded, notes = features.result()
    except Exception as error:  # a decoder's surprise on one clip must not stop the others
        return _fail(clip, digest, failure_reason(clip, error), stores)
    # The audio record carries the notes; it is written last, so that a kill between two of them repeats the clip.
    try:
        for name, store in stores.items():
            if name != "audio" and not store.done(clip.id, digest, retry_errors=True):
                rows, mask = embedded.get(name, (np.zeros((0, store.meta["dim"])), None))
                store.write(clip.id, digest, rows, mask=mask)
        stores["audio"].write(clip.id, digest, log_mel, notes=tuple(notes))
    except ValueError as error:  # features that a store refuses
        _fail(clip, digest, str(error), stores)


def _fail(clip: Clip, digest: str, reason: str, stores: dict[str, RecordWriter]) -> None:
    for store in stores.values():
        store.fail(clip.id, digest, reason)


def _count(clip: Clip, stores: dict[str, RecordWriter], summary: Summary) -> None:
    audio, *others = (store.records[clip.id] for store in stores.values())
    summary.notes.extend((clip.id, note) for note in audio.notes)
    if audio.error:
        summary.errors.append((clip.id, audio.error))
    elif any(record.frames == 0 for record in others):
        summary.without_video += 1
