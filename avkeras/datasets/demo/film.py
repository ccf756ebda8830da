"""The pictures of a scene, which tell of its sound only in part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from avkeras.data.manifest import Event
from avkeras.datasets.demo.drawing import Pen, background, shade
from avkeras.datasets.demo.scene import Scene
from avkeras.datasets.demo.tasks import Task

# What a clip shows: its sources, most of which stay in the picture (of some tasks: in some shots while they sound, and
# another place in the others); a still of one of them; nothing; a thing that is not heard; a title.
POLICIES = {"sources": 0.60, "still": 0.14, "black": 0.09, "other": 0.11, "title": 0.06}
_SHOT = (1.0, 2.5)  # s, shortest and longest
_PASSING = "Car passing by"
_AROUND = 0.4  # s before and after a sound for which its source is there all the same


@dataclass(frozen=True)
class _Actor:
    """A thing in the picture: its sprites at rest and sounding, its place and manners."""

    rest: Image.Image
    sounding: Image.Image
    x: int
    y: int
    passes: bool
    stays: bool
    blinks: float

    def in_view(self, time: float, events: Sequence[Event]) -> bool:
        """Returns whether it is there at `time`, in seconds, where `events` are its sounds."""
        return bool(_close(time, events)) or (self.stays and not self.passes)

    def put(self, frame: Image.Image, time: float, events: Sequence[Event]) -> None:
        """Pastes the thing as it is at `time`."""
        if not self.in_view(time, events):
            return
        close = _close(time, events)
        active = any(event.onset <= time < event.offset for event in close)
        sprite = self.sounding if active and (time * self.blinks) % 1 < 0.6 else self.rest
        shake = round(1.5 * np.sin(40 * time)) if active else 0
        x = self.x
        if self.passes:
            share = (time - close[0].onset) / (close[0].offset - close[0].onset)
            x = round(-sprite.width + share * (frame.width + sprite.width))
        frame.paste(sprite, (x, self.y + shake), sprite)


@dataclass(frozen=True)
class _Stage:
    """A place and the things that come and go in it.

    Args:
        behind: the background, wider than the picture.
        width: of the picture.
        sway: how fast the camera moves.
        actors: by class.
        events: their sounds.
        sources: whether they are what is heard.
    """

    behind: Image.Image
    width: int
    sway: float
    actors: dict[str, _Actor]
    events: Sequence[Event]
    sources: bool

    def of(self, label: str) -> list[Event]:
        """Returns the sounds of a class."""
        return [event for event in self.events if event.label == label]

    def in_view(self, time: float) -> bool:
        """Returns whether a thing is there that is heard."""
        return self.sources and any(actor.in_view(time, self.of(label)) for label, actor in self.actors.items())

    def picture(self, time: float) -> Image.Image:
        """Returns the picture at a time in seconds."""
        left = round((0.5 + 0.5 * np.sin(self.sway * time)) * (self.behind.width - self.width))
        frame = self.behind.crop((left, 0, left + self.width, self.behind.height))
        for label, actor in self.actors.items():
            actor.put(frame, time, self.of(label))
        return frame


@dataclass(frozen=True)
class _Shots:
    """A film that cuts between places: each shot's start in seconds, ascending from 0, and what it shows."""

    starts: Sequence[float]
    stages: Sequence[_Stage]

    def _stage(self, time: float) -> _Stage:
        return self.stages[int(np.searchsorted(self.starts, time, side="right")) - 1]

    def in_view(self, time: float) -> bool:
        return self._stage(time).in_view(time)

    def picture(self, time: float) -> Image.Image:
        return self._stage(time).picture(time)


@dataclass(frozen=True)
class _Fixed:
    """The same picture all the time."""

    image: Image.Image
    source: bool

    def in_view(self, time: float) -> bool:
        return self.source

    def picture(self, time: float) -> Image.Image:
        return self.image


def film(
    task: Task, scene: Scene, *, width: int, height: int, rate: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields the frames of a clip at `rate` per second, uint8 `(height, width, 3)` RGB."""
    shown = _shown(task, scene, width, height, rng)
    for step in range(max(1, int(np.ceil(scene.seconds * rate)))):
        yield np.asarray(shown.picture(step / rate))


def sources_in_view(
    task: Task, scene: Scene, times: Sequence[float], *, width: int, height: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns whether what is heard in a clip is also seen at some times, `(times,)`: of the film of the same `rng`."""
    shown = _shown(task, scene, width, height, rng)
    return np.array([shown.in_view(time) for time in times], bool)


def _shown(task: Task, scene: Scene, width: int, height: int, rng: np.random.Generator) -> _Stage | _Shots | _Fixed:
    policies = {"shots": task.shots} | POLICIES | {"sources": POLICIES["sources"] - task.shots}
    policy = str(rng.choice(list(policies), p=list(policies.values())))
    if policy == "black":
        return _Fixed(Image.new("RGB", (width, height)), source=False)
    if policy == "title":
        return _Fixed(_title(rng, width, height), source=False)
    events = list(scene.events)
    if policy == "other":
        absent = [event._replace(label=_absent(task, scene, rng)) for event in events[:1]]
        return _stage(task, absent, width, height, rng, sources=False)
    if policy == "still":
        chosen = events[rng.integers(len(events))]
        still = _stage(task, [Event(0.0, scene.seconds, chosen.label)], width, height, rng)
        return _Fixed(still.picture(scene.seconds / 2), source=True)
    # now and then a source stays out of the picture
    events = [event for event in events if rng.random() < 0.9] or events[:1]
    stage = _stage(task, events, width, height, rng)
    if policy == "sources":
        return stage
    elsewhere = _stage(task, (), width, height, rng, sources=False)
    if rng.random() < 0.2:
        label = _absent(task, scene, rng)
        elsewhere.actors[label] = replace(_actor(task, label, width, height, rng), stays=True, passes=False)
    starts = np.concatenate([[0.0], np.cumsum(rng.uniform(*_SHOT, int(scene.seconds / _SHOT[0]) + 1))])
    starts = starts[starts < scene.seconds]
    middles = (starts + np.append(starts[1:], scene.seconds)) / 2
    heard = [bool(_close(middle, events)) for middle in middles]
    on = [there and bool(rng.random() < 0.7) for there in heard]
    if not any(on):  # one shot at least
        on[int(np.argmax(heard))] = True
    return _Shots(starts, [stage if there else elsewhere for there in on])


def _absent(task: Task, scene: Scene, rng: np.random.Generator) -> str:
    """Returns a class that is not heard."""
    return str(rng.choice([name for name in task.classes if name not in scene.labels]))


def _stage(
    task: Task, events: Sequence[Event], width: int, height: int, rng: np.random.Generator, *, sources: bool = True
) -> _Stage:
    behind = background(rng, width * 5 // 4, height, indoors=task.indoors)
    actors: dict[str, _Actor] = {}  # one thing may sound several times
    for event in events:
        actors[event.label] = actors.get(event.label) or _actor(task, event.label, width, height, rng)
    sway = rng.uniform(0.1, 0.8) if rng.random() < 0.5 else 0.0
    return _Stage(behind, width, sway, actors, events, sources)


def _close(time: float, events: Sequence[Event]) -> list[Event]:
    """Returns the sounds that a time is in, or next to."""
    return [event for event in events if event.onset - _AROUND <= time < event.offset + _AROUND]


def _actor(task: Task, label: str, width: int, height: int, rng: np.random.Generator) -> _Actor:
    size = int(width * rng.uniform(0.6, 0.95))
    look = int(rng.integers(2**32))
    sprites = []
    for sounding in (False, True):  # from the same random numbers: the same colours
        pen = Pen(size, np.random.default_rng(look))
        task.pictures[label](pen, sounding)
        sprites.append(pen.picture())
    if rng.random() < 0.5:
        sprites = [sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for sprite in sprites]
    x = int(rng.uniform(-0.1 * size, width - 0.9 * size))
    y = int(rng.uniform(0.3, 1.0) * (height - sprites[0].height))
    return _Actor(*sprites, x, y, label == _PASSING, bool(rng.random() < 0.7), float(rng.uniform(1.5, 4)))


def _title(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    words = ("SUBSCRIBE", "Part 2", "My channel", "Best of 2016", "Thanks for watching", "HD", "Sound test")
    image = Image.new("RGB", (width, height), shade(rng, 0, 255))
    pen = Pen(width, rng)
    if rng.random() < 0.5:
        pen.disc(rng.uniform(20, 80), rng.uniform(15, 60), rng.uniform(6, 20), shade(rng))
    for line in range(rng.integers(1, 4)):
        pen.text(rng.uniform(4, 30), 10 + 20 * line, str(rng.choice(words)), shade(rng), size=rng.uniform(7, 13))
    written = pen.picture()
    image.paste(written, (0, 0), written)
    return image
