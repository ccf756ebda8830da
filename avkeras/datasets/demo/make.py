"""A demo data set in a folder: real media files and their manifest, made from a seed."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avkeras.data.manifest import SPLITS, Clip, Manifest, read_manifest, write_manifest
from avkeras.datasets.demo.film import film, sources_in_view
from avkeras.datasets.demo.scene import Scene, clip_rng, plan_scene
from avkeras.datasets.demo.soundtrack import soundtrack
from avkeras.datasets.demo.tasks import TASKS, Task
from avkeras.datasets.demo.write import write_mp4, write_wav
from avkeras.errors import AvkerasError
from avkeras.runs.files import write_json

CLIPS = {"train": 480, "validation": 120, "test": 200}
_RATES = (16000, 22050, 44100)  # Hz
_SIZES = ((160, 120), (192, 144), (224, 168))  # pixels


def make_demo(
    folder: str | Path,
    *,
    task: str = "dcase2017",
    clips: Mapping[str, int] | None = None,
    seed: int = 0,
    without_video: float = 0.15,
    seconds: tuple[float, float] = (2.0, 10.0),
    workers: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Manifest:
    """Makes audiovisual soundscapes as media files (MP4; WAV for clips without video) with `manifest.tsv`.

    The sounds and pictures are synthetic; the class names are those of the task. A clip depends on the seed, its
    split and its number alone, so the number of workers changes nothing. Pictures tell of the sound in part only:
    a clip may show its sources, a still, a black screen, something else or a title. A finished folder with the
    same parameters is read as it is, an interrupted one is completed.

    Args:
        folder: where the files go; it is made when it is absent.
        task: `"dcase2017"` (17 classes, weak labels in training) or `"dcase2020"` (10 classes; training clips are
            strong without video, weak and unlabelled, about 1:1:2; clips of the longest duration but for a tenth).
        clips: number of clips per split; default: 480 train, 120 validation, 200 test.
        seed: a non-negative number that all clips derive from.
        without_video: share of clips without video, strong training clips aside.
        seconds: shortest and longest duration of a clip.
        workers: threads; default: one per core.
        progress: called with the numbers of clips done and in all after each clip.

    Returns:
        The `Manifest`. Events are given for validation and test, and for strong training clips.

    Raises:
        AvkerasError: for a bad argument, or a folder that holds other media.
        WriteError: a file cannot be written; what is there is completed by the next call.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> demo = make_demo(folder, clips={"train": 2, "test": 1}, seconds=(2.0, 2.5))
        >>> [clip.id for clip in demo.clips]
        ['train-00000', 'train-00001', 'test-00000']
    """
    folder = Path(folder)
    counts = _checked(task, CLIPS if clips is None else clips, seed, without_video, seconds, workers)
    kinds = TASKS[task]
    parameters = {
        "version": kinds.version,
        "task": task,
        "clips": counts,
        "seed": seed,
        "without_video": without_video,
        "seconds": list(seconds),
    }
    if _finished(folder, parameters):
        return read_manifest(folder / "manifest.tsv")
    _note(folder, parameters, finished=False)
    jobs = [
        (plan_scene(kinds, split, i, seed=seed, without_video=without_video, seconds=seconds), i)
        for split in SPLITS
        for i in range(counts[split])
    ]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        futures = [pool.submit(_make_clip, folder / "media", kinds, scene, seed, i) for scene, i in jobs]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress is not None:
                    progress(done, len(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    rows = [_row(folder / "media", kinds, scene) for scene, _ in jobs]
    manifest = write_manifest(folder / "manifest.tsv", rows, classes=kinds.classes)
    _note(folder, parameters, finished=True)
    return manifest


def _checked(task, clips, seed, without_video, seconds, workers) -> dict[str, int]:
    if task not in TASKS:
        raise AvkerasError(f"task: '{task}' is not known; give one of {', '.join(TASKS)}")
    if unknown := sorted(set(clips) - set(SPLITS)):
        raise AvkerasError(f"clips: '{unknown[0]}' is not a split; the splits are {', '.join(SPLITS)}")
    counts = {split: int(clips.get(split, 0)) for split in SPLITS}
    if min(counts.values()) < 0 or not any(counts.values()):
        raise AvkerasError(f"clips: {dict(clips)} asks for no clips; give a positive number for a split")
    if seed < 0:
        raise AvkerasError(f"seed: {seed} is negative; give 0 or more")
    if not 0 <= without_video <= 1:
        raise AvkerasError(f"without_video: {without_video} is not a share; give a number from 0 to 1")
    if not 1 <= seconds[0] <= seconds[1]:
        raise AvkerasError(f"seconds: {tuple(seconds)} must be the shortest (at least 1 s) and longest duration")
    if workers is not None and workers < 1:
        raise AvkerasError(f"workers: {workers} threads can do nothing; give 1 or more")
    return counts


def _finished(folder: Path, parameters: dict[str, Any]) -> bool:
    """Tells whether the folder holds this demo whole; refuses one that holds something else."""
    note = folder / "demo.json"
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
            finished = found.pop("finished")
        except (ValueError, KeyError, AttributeError) as error:
            raise AvkerasError(f"{note}: cannot be read; delete {folder} or give another folder") from error
        if found != parameters:
            raise AvkerasError(f"{folder}: holds a demo with other parameters; delete it or give another folder")
        return bool(finished)
    if (folder / "manifest.tsv").exists() or (folder / "media").exists():
        raise AvkerasError(f"{folder}: holds data that is no demo (no demo.json); give another folder")
    return False


def _note(folder: Path, parameters: dict[str, Any], *, finished: bool) -> None:
    write_json(folder / "demo.json", {**parameters, "finished": finished})


def _media(folder: Path, scene: Scene) -> Path:
    return folder / f"{scene.id}.{'mp4' if scene.has_video else 'wav'}"


def _make_clip(folder: Path, task: Task, scene: Scene, seed: int, index: int) -> None:
    path = _media(folder, scene)
    if path.is_file():  # made before an interruption, whole: files are renamed into place
        return
    form = _form(scene, seed, index)
    sound = soundtrack(
        task,
        scene.events,
        seconds=scene.seconds,
        rate=form.rate,
        channels=form.channels,
        rng=clip_rng(seed, scene.split, index, 1),
    )
    if not scene.has_video:
        write_wav(path, sound, form.rate)
        return
    pictures = film(
        task,
        scene,
        width=form.width,
        height=form.height,
        rate=form.frame_rate,
        rng=clip_rng(seed, scene.split, index, 2),
    )
    write_mp4(path, sound, form.rate, pictures, frame_rate=form.frame_rate, encoder=form.encoder)


def seen_while_heard(
    split: str,
    index: int,
    times: Sequence[float],
    *,
    task: str = "dcase2017",
    seed: int = 0,
    without_video: float = 0.15,
    seconds: tuple[float, float] = (2.0, 10.0),
) -> np.ndarray | None:
    """Returns at which times what is heard in a clip of a demo is in its picture, too.

    Args:
        split: of the clip.
        index: of the clip in its split.
        times: in seconds.
        task: as for `make_demo`, like the following.
        seed: likewise.
        without_video: likewise.
        seconds: likewise.

    Returns:
        `(times,)` boolean; None: the clip has no video.

    Example:
        >>> seen_while_heard("test", 8, [0.5, 1.5, 2.5]).tolist()
        [False, True, False]
    """
    kinds = TASKS[task]
    scene = plan_scene(kinds, split, index, seed=seed, without_video=without_video, seconds=seconds)
    if not scene.has_video:
        return None
    form = _form(scene, seed, index)
    rng = clip_rng(seed, split, index, 2)
    return sources_in_view(kinds, scene, times, width=form.width, height=form.height, rng=rng)


class _Form(NamedTuple):
    """How a clip is written."""

    rate: int
    channels: int
    width: int
    height: int
    frame_rate: int
    encoder: str


def _form(scene: Scene, seed: int, index: int) -> _Form:
    rng = clip_rng(seed, scene.split, index, 3)
    rate = int(rng.choice(_RATES, p=(0.6, 0.3, 0.1)))
    channels = 2 if rng.random() < 0.4 else 1
    width, height = _SIZES[rng.integers(len(_SIZES))]
    frame_rate = int(rng.integers(8, 13))
    return _Form(rate, channels, width, height, frame_rate, "libx264" if rng.random() < 0.7 else "mpeg4")


def _row(folder: Path, task: Task, scene: Scene) -> Clip:
    media = _media(folder, scene)
    labels, events = scene.labels, scene.events
    # What real data does not tell about training clips is not told here either.
    if scene.split == "train" and scene.supervision != "strong":
        events = ()
        labels = () if scene.supervision == "unlabelled" else labels
    ordered = tuple(name for name in task.classes if name in labels)
    return Clip(scene.id, media, media if scene.has_video else None, scene.split, ordered, events, scene.supervision)
