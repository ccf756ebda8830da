"""The pictures of a scene, which tell of its sound only in part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from avkeras.data.manifest import Event
from avkeras.datasets.demo.drawing import Pen, background, shade
from avkeras.datasets.demo.scene import Scene
from avkeras.datasets.demo.tasks import Task

# What a clip shows: the sources of its events as they sound; a still of one of them; nothing; a thing that is not
# heard; a title.
POLICIES = {"sources": 0.60, "still": 0.14, "black": 0.09, "other": 0.11, "title": 0.06}
_PASSING = "Car passing by"


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

    def put(self, frame: Image.Image, time: float, events: list[Event]) -> None:
        """Pastes the thing as it is at `time`, in seconds, where `events` are its sounds."""
        close = [event for event in events if event.onset - 0.4 <= time < event.offset + 0.4]
        if not close and (self.passes or not self.stays):
            return
        active = any(event.onset <= time < event.offset for event in close)
        sprite = self.sounding if active and (time * self.blinks) % 1 < 0.6 else self.rest
        shake = round(1.5 * np.sin(40 * time)) if active else 0
        x = self.x
        if self.passes:
            share = (time - close[0].onset) / (close[0].offset - close[0].onset)
            x = round(-sprite.width + share * (frame.width + sprite.width))
        frame.paste(sprite, (x, self.y + shake), sprite)


def film(
    task: Task, scene: Scene, *, width: int, height: int, rate: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields the frames of a clip at `rate` per second, uint8 `(height, width, 3)` RGB."""
    policy = str(rng.choice(list(POLICIES), p=list(POLICIES.values())))
    count = max(1, int(np.ceil(scene.seconds * rate)))
    if policy in ("sources", "other"):
        picture = _stage(task, scene, policy, width, height, rng)
        for step in range(count):
            yield np.asarray(picture(step / rate))
        return
    if policy == "still":
        image = _stage(task, scene, policy, width, height, rng)(scene.seconds / 2)
    else:
        image = Image.new("RGB", (width, height)) if policy == "black" else _title(rng, width, height)
    for _ in range(count):
        yield np.asarray(image)


def _stage(
    task: Task, scene: Scene, policy: str, width: int, height: int, rng: np.random.Generator
) -> Callable[[float], Image.Image]:
    """Returns a function from a time in seconds to the picture."""
    events = list(scene.events)
    if policy == "other":
        absent = [name for name in task.classes if name not in scene.labels]
        events = [event._replace(label=str(rng.choice(absent))) for event in events[:1]]
    elif policy == "still":
        chosen = events[rng.integers(len(events))]
        events = [Event(0.0, scene.seconds, chosen.label)]
    else:  # now and then a source stays out of the picture
        events = [event for event in events if rng.random() < 0.9] or events[:1]
    behind = background(rng, width * 5 // 4, height, indoors=task.indoors)
    looks: dict[str, _Actor] = {}  # one thing may sound several times
    for event in events:
        looks[event.label] = looks.get(event.label) or _actor(task, event.label, width, height, rng)
    sway = rng.uniform(0.1, 0.8) if rng.random() < 0.5 else 0.0

    def picture(time: float) -> Image.Image:
        left = round((0.5 + 0.5 * np.sin(sway * time)) * (behind.width - width))
        frame = behind.crop((left, 0, left + width, height))
        for label, actor in looks.items():
            actor.put(frame, time, [event for event in events if event.label == label])
        return frame

    return picture


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
