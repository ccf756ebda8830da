"""How the 10 classes of DCASE 2020 task 4 look in the demo: `(pen, sounding)` draws a thing at rest or sounding."""

from avkeras.datasets.demo.drawing import Pen, grey, near, shade
from avkeras.datasets.demo.traffic_pictures import face

_DARK, _STEEL, _WHITE = (30, 30, 32), (180, 185, 190), (240, 240, 238)


def alarm_bell(pen: Pen, sounding: bool) -> None:
    """Draws an alarm clock with two bells."""
    body, tilt = shade(pen.rng), 3 if sounding else 0
    for x in (34, 66):
        pen.disc(x, 17 + (tilt if x < 50 else -tilt), 11, (205, 170, 60), flat=0.8)
        pen.line([(50, 50), (x, 72)], _DARK, thick=3)
    pen.disc(50, 42, 26, body)
    pen.disc(50, 42, 21, _WHITE)
    pen.line([(50, 26), (50, 42), (62, 48)], _DARK, thick=2)
    pen.line([(50 - tilt, 16), (50 + tilt, 6)], _DARK, thick=3)


def blender(pen: Pen, sounding: bool) -> None:
    """Draws a jar on a motor base, full of something."""
    pen.area([(32, 6), (68, 6), (62, 48), (38, 48)], (205, 225, 230))
    level = 16 if sounding else 24
    pen.area([(34, level), (66, level + (5 if sounding else 0)), (62, 48), (38, 48)], shade(pen.rng))
    pen.box(34, 2, 66, 7, _DARK)
    pen.area([(36, 49), (64, 49), (70, 72), (30, 72)], grey(pen.rng, 30, 220))
    pen.disc(50, 62, 4, (230, 60, 40) if sounding else (120, 120, 120))


def _animal(pen: Pen, *, cat: bool, sounding: bool) -> None:
    fur = near(pen.rng, pen.rng.choice([(150, 110, 75), (90, 90, 95), (215, 175, 120)]), 25)
    pen.disc(62, 58, 24, fur, flat=0.6)
    pen.line([(82, 56), (92, 36 if cat else 46)], fur, thick=4)
    pen.disc(36, 38, 19, fur, flat=0.9)
    if cat:
        pen.area([(20, 30), (20, 8), (34, 22)], fur)
        pen.area([(38, 22), (52, 8), (52, 30)], fur)
        for y in (42, 46):
            pen.line([(14, y), (30, 44)], _WHITE, thick=0.6)
            pen.line([(42, 44), (58, y)], _WHITE, thick=0.6)
    else:
        ear = near(pen.rng, (90, 60, 40), 20)
        pen.disc(18, 40, 6, ear, flat=2.2)
        pen.disc(54, 40, 6, ear, flat=2.2)
        pen.disc(36, 48, 11, near(pen.rng, (215, 190, 160), 15), flat=0.8)
    for x in (29, 43):
        pen.disc(x, 34, 3, (120, 190, 70) if cat else _DARK)
    pen.disc(36, 42, 3 if cat else 4, (200, 120, 130) if cat else _DARK, flat=0.7)
    pen.disc(36, 51, 5, (150, 40, 50), flat=0.9 if sounding else 0.15)


def cat(pen: Pen, sounding: bool) -> None:
    """Draws a cat with pointed ears."""
    _animal(pen, cat=True, sounding=sounding)


def dog(pen: Pen, sounding: bool) -> None:
    """Draws a dog with hanging ears."""
    _animal(pen, cat=False, sounding=sounding)


def dishes(pen: Pen, sounding: bool) -> None:
    """Draws a stack of plates, a cup and a glass."""
    shift = 3 if sounding else 0
    rim = near(pen.rng, (90, 120, 190), 60)
    for step in range(6):
        y = 66 - 5 * step
        pen.disc(36 + (shift if step > 3 else 0), y, 27, rim, flat=0.2)
        pen.disc(36 + (shift if step > 3 else 0), y - 1, 24, _WHITE, flat=0.17)
    pen.box(68, 48 - shift, 84, 68 - shift, shade(pen.rng), radius=3)
    pen.ring(86, 57 - shift, 5, shade(pen.rng), thick=2)
    pen.line([(74, 20), (78, 46)], _STEEL, thick=2)


def shaver(pen: Pen, sounding: bool) -> None:
    """Draws a face with a shaver or a toothbrush before it."""
    face(pen, False)
    shift = 2 if sounding else 0
    tool = grey(pen.rng, 20, 230)
    if pen.rng.random() < 0.5:
        pen.box(66 - shift, 42, 78 - shift, 66, tool, radius=3)
        pen.box(65 - shift, 38, 79 - shift, 43, _STEEL)
    else:
        pen.line([(50 + shift, 50), (84, 60)], tool, thick=4)
        pen.box(46 + shift, 45, 58 + shift, 49, _WHITE)


def frying(pen: Pen, sounding: bool) -> None:
    """Draws a pan on a hob, eggs in it."""
    pen.box(4, 52, 96, 75, grey(pen.rng, 20, 90))
    pen.disc(44, 48, 36, _DARK, flat=0.45)
    pen.disc(44, 46, 31, (75, 65, 55), flat=0.42)
    pen.line([(78, 46), (99, 36)], (60, 40, 30), thick=5)
    shift = 1 if sounding else 0
    for x, y in ((34, 44), (54, 48))[: pen.rng.integers(1, 3)]:
        pen.disc(x + shift, y, 12, _WHITE, flat=0.5)
        pen.disc(x + shift, y - 1, 4, (250, 190, 40), flat=0.7)
    if sounding:
        for x in (30, 44, 58):
            pen.line([(x, 26), (x + 4, 18), (x, 10)], (225, 225, 225), thick=1.5)


def running_water(pen: Pen, sounding: bool) -> None:
    """Draws a tap above a sink."""
    pen.box(10, 54, 90, 75, grey(pen.rng, 170, 240), radius=4)
    pen.disc(50, 58, 34, grey(pen.rng, 110, 160), flat=0.25)
    pen.line([(24, 54), (24, 18), (52, 18), (52, 30)], near(pen.rng, _STEEL, 20), thick=6)
    pen.box(18, 8, 34, 13, _STEEL)
    if sounding:
        pen.box(50, 31, 55, 58, (150, 200, 240))


def speech(pen: Pen, sounding: bool) -> None:
    """Draws a face that talks."""
    face(pen, sounding)


def vacuum_cleaner(pen: Pen, sounding: bool) -> None:
    """Draws a vacuum cleaner with its hose on a carpet."""
    shift = 4 if sounding else 0
    pen.box(0, 62, 100, 75, shade(pen.rng))
    pen.line([(34, 46), (46, 12), (66, 10), (84 - shift, 64)], _DARK, thick=3.5)
    pen.box(74 - shift, 62, 98 - shift, 68, (60, 60, 64), radius=2)
    pen.disc(28, 52, 20, shade(pen.rng), flat=0.75)
    pen.wheel(16, 62, 7)
    pen.wheel(40, 63, 5)


HOUSEHOLD_PICTURES = {
    "Alarm_bell_ringing": alarm_bell,
    "Blender": blender,
    "Cat": cat,
    "Dishes": dishes,
    "Dog": dog,
    "Electric_shaver_toothbrush": shaver,
    "Frying": frying,
    "Running_water": running_water,
    "Speech": speech,
    "Vacuum_cleaner": vacuum_cleaner,
}
