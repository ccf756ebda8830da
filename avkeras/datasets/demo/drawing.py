"""A pen for sprites in units of 100 x 75, and the backgrounds that they stand before."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]


class Pen:
    """Draws on a transparent picture of 100 x 75 units, the origin at the top left, anti-aliased.

    Args:
        width: width of the picture in pixels.
        rng: colours and small variations come from it.
    """

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self._scale = 2 * width / 100  # drawn at twice the size, then halved
        self._image = Image.new("RGBA", (2 * width, 2 * (width * 3 // 4)))
        self._draw = ImageDraw.Draw(self._image)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, *, radius: float = 0) -> None:
        """Draws a box, with rounded corners where `radius` is given."""
        corners = [value * self._scale for value in (left, top, right, bottom)]
        self._draw.rounded_rectangle(corners, radius * self._scale, fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Colour, *, flat: float = 1.0) -> None:
        """Draws a disc; `flat` scales its height."""
        high = radius * flat
        box = [value * self._scale for value in (x - radius, y - high, x + radius, y + high)]
        self._draw.ellipse(box, fill=fill)

    def ring(self, x: float, y: float, radius: float, fill: Colour, *, thick: float) -> None:
        """Draws a circle's line."""
        box = [value * self._scale for value in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, outline=fill, width=max(1, round(thick * self._scale)))

    def area(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        """Draws a filled polygon."""
        self._draw.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=fill)

    def line(self, points: Sequence[tuple[float, float]], fill: Colour, *, thick: float) -> None:
        """Draws a line through points."""
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._draw.line(scaled, fill=fill, width=max(1, round(thick * self._scale)), joint="curve")

    def text(self, x: float, y: float, words: str, fill: Colour, *, size: float) -> None:
        """Writes a line of text."""
        self._draw.text((x * self._scale, y * self._scale), words, fill=fill, font_size=size * self._scale)

    def wheel(self, x: float, y: float, radius: float) -> None:
        """Draws a road wheel."""
        self.disc(x, y, radius, (25, 25, 28))
        self.disc(x, y, radius * 0.5, (170, 170, 175))

    def picture(self) -> Image.Image:
        """Returns what was drawn, as RGBA."""
        return self._image.reduce(2)


def shade(rng: np.random.Generator, low: int = 40, high: int = 235) -> Colour:
    """Returns a random colour."""
    return tuple(int(value) for value in rng.integers(low, high, 3))


def grey(rng: np.random.Generator, low: int, high: int) -> Colour:
    """Returns a random, slightly tinted grey."""
    level = rng.integers(low, high)
    return tuple(int(np.clip(level + value, 0, 255)) for value in rng.integers(-12, 13, 3))


def near(rng: np.random.Generator, colour: Colour, spread: int = 30) -> Colour:
    """Returns a colour close to another one."""
    return tuple(int(np.clip(value + rng.integers(-spread, spread + 1), 0, 255)) for value in colour)


def background(rng: np.random.Generator, width: int, height: int, *, indoors: bool) -> Image.Image:
    """Returns a background of random colours: a street with houses and trees, or a room, with grain."""
    split = rng.uniform(0.5, 0.8)
    if indoors:
        top, bottom = shade(rng, 90, 240), shade(rng, 60, 200)
    elif rng.random() < 0.2:  # night
        top, bottom = near(rng, (15, 18, 40), 14), grey(rng, 25, 60)
    else:
        top, bottom = near(rng, (140, 180, 225), 50), near(rng, (110, 115, 95), 40)
    rows = np.linspace(0, 1, height)[:, None]
    light = 1 + rng.uniform(-0.4, 0.4) * (rows - 0.5)
    pixels = np.where(rows < split, np.array(top) * light, np.array(bottom) * light)
    image = Image.fromarray(np.broadcast_to(pixels[:, None].clip(0, 255), (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 8)):
        x, wide, high = rng.integers(0, width), rng.integers(8, width // 4), rng.integers(8, height // 2)
        foot = int(split * height)
        colour = shade(rng, 40, 200)
        if rng.random() < 0.5:
            draw.rectangle((x, foot - high, x + wide, foot), fill=colour)
            for step in range(4, wide - 4, 9):
                draw.rectangle((x + step, foot - high + 5, x + step + 4, foot - high + 10), fill=top)
        elif indoors:
            draw.ellipse((x, foot - wide // 2, x + wide, foot + wide // 4), fill=colour)
        else:
            draw.rectangle((x + wide // 2 - 1, foot - high // 2, x + wide // 2 + 2, foot), fill=(90, 65, 40))
            draw.ellipse((x, foot - high, x + wide, foot - high // 3), fill=near(rng, (50, 110, 50), 35))
    if not indoors and rng.random() < 0.6:  # the road
        draw.rectangle((0, int(0.86 * height), width, height), fill=grey(rng, 60, 120))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.BoxBlur(int(rng.integers(1, 3))))
    grain = rng.normal(0, rng.uniform(1, 9), (height, width, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
