"""How the 17 classes of DCASE 2017 task 4 look in the demo: `(pen, sounding)` draws a thing at rest or sounding.

Some classes look the same, or nearly, though they sound different: trains, lorries and cars.
"""

from avkeras.datasets.demo.drawing import Colour, Pen, grey, near, shade

_GLASS = (175, 205, 225)
_BLUE, _RED, _AMBER, _YELLOW, _DARK = (40, 90, 255), (245, 40, 40), (255, 170, 30), (255, 240, 120), (25, 25, 28)
_SKIN = (225, 175, 140)


def _car(pen: Pen, body: Colour, *, lamps: Colour | None = None) -> None:
    pen.area([(24, 44), (34, 30), (64, 30), (76, 44)], near(pen.rng, body, 12))
    pen.area([(30, 43), (37, 33), (48, 33), (48, 43)], _GLASS)
    pen.area([(51, 43), (51, 33), (62, 33), (70, 43)], _GLASS)
    pen.box(10, 43, 92, 58, body, radius=4)
    pen.wheel(27, 58, 8)
    pen.wheel(75, 58, 8)
    if lamps:
        pen.disc(12, 48, 4, lamps)
        pen.disc(90, 48, 4, lamps)


def car(pen: Pen, sounding: bool) -> None:
    """Draws a car of any colour."""
    _car(pen, shade(pen.rng))


def car_alarm(pen: Pen, sounding: bool) -> None:
    """Draws a car whose indicators flash."""
    _car(pen, shade(pen.rng), lamps=_AMBER if sounding else None)


def police_car(pen: Pen, sounding: bool) -> None:
    """Draws a car with a stripe and a bar of lights."""
    _car(pen, near(pen.rng, (235, 235, 240), 15))
    pen.box(10, 47, 92, 53, near(pen.rng, (20, 60, 110), 40))
    pen.box(42, 26, 49, 30, _BLUE if sounding else (60, 60, 110))
    pen.box(50, 26, 57, 30, (90, 40, 50) if sounding else _RED)


def _lorry(pen: Pen, body: Colour, cab: Colour) -> None:
    pen.box(6, 14, 66, 56, body)
    pen.area([(68, 56), (68, 24), (84, 24), (94, 40), (94, 56)], cab)
    pen.area([(74, 40), (74, 28), (82, 28), (89, 40)], _GLASS)
    for x in (18, 32, 80):
        pen.wheel(x, 58, 8)


def truck(pen: Pen, sounding: bool) -> None:
    """Draws a lorry with a box body."""
    _lorry(pen, shade(pen.rng, 90), shade(pen.rng))


def air_horn(pen: Pen, sounding: bool) -> None:
    """Draws a lorry, with horns on its roof at times."""
    _lorry(pen, shade(pen.rng, 90), shade(pen.rng))
    if pen.rng.random() < 0.5:
        pen.area([(70, 22), (90, 16), (90, 24)], (235, 235, 235) if sounding else (150, 150, 150))


def reversing(pen: Pen, sounding: bool) -> None:
    """Draws the back of a lorry, with its lights."""
    pen.box(22, 8, 78, 58, shade(pen.rng, 90))
    pen.line([(50, 8), (50, 58)], _DARK, thick=1)
    pen.box(20, 58, 80, 64, (60, 60, 65))
    pen.box(26, 62, 36, 74, _DARK)
    pen.box(64, 62, 74, 74, _DARK)
    lamp = (255, 255, 240) if sounding else (110, 110, 105)
    for x in (25, 68):
        pen.box(x, 52, x + 7, 57, lamp)
        pen.box(x, 46, x + 7, 51, (190, 30, 30))


def bus(pen: Pen, sounding: bool) -> None:
    """Draws a long bus with a row of windows."""
    pen.box(3, 14, 97, 58, shade(pen.rng), radius=3)
    for x in range(8, 82, 13):
        pen.box(x, 20, x + 10, 36, _GLASS)
    pen.box(85, 20, 94, 56, (90, 110, 125))
    for x in (22, 76):
        pen.wheel(x, 58, 7)


def ambulance(pen: Pen, sounding: bool) -> None:
    """Draws a light van with a red cross and a blue light."""
    body = near(pen.rng, (245, 245, 235), 10)
    pen.box(8, 20, 70, 57, body)
    pen.area([(70, 57), (70, 26), (80, 26), (93, 42), (93, 57)], body)
    pen.area([(74, 41), (74, 30), (79, 30), (88, 41)], _GLASS)
    pen.box(8, 44, 93, 49, near(pen.rng, (235, 120, 30), 25))
    pen.box(36, 26, 42, 42, (220, 30, 40))
    pen.box(31, 31, 47, 37, (220, 30, 40))
    pen.box(58, 15, 70, 20, _BLUE if sounding else (70, 70, 120))
    pen.wheel(25, 58, 8)
    pen.wheel(77, 58, 8)


def fire_engine(pen: Pen, sounding: bool) -> None:
    """Draws a red lorry with a ladder and a light."""
    red = near(pen.rng, (205, 30, 30), 18)
    pen.box(5, 24, 68, 57, red)
    pen.box(69, 20, 95, 57, red, radius=2)
    pen.box(76, 25, 92, 38, _GLASS)
    for y in (16, 21):
        pen.line([(8, y), (70, y)], (210, 210, 210), thick=1.2)
    for x in range(10, 70, 8):
        pen.line([(x, 16), (x, 21)], (210, 210, 210), thick=1)
    pen.box(5, 44, 95, 48, (245, 225, 90))
    pen.box(78, 14, 90, 20, _BLUE if sounding else _RED)
    for x in (18, 50, 82):
        pen.wheel(x, 58, 8)


def civil_defense_siren(pen: Pen, sounding: bool) -> None:
    """Draws horns on a tall pole."""
    metal = near(pen.rng, (200, 190, 90), 45)
    pen.line([(50, 75), (50, 20)], grey(pen.rng, 70, 140), thick=3)
    reach = 28 if sounding else 20
    pen.area([(46, 20), (50 - reach, 8), (50 - reach, 32)], metal)
    pen.area([(54, 20), (50 + reach, 8), (50 + reach, 32)], metal)
    pen.box(44, 15, 56, 26, _DARK)


def bicycle(pen: Pen, sounding: bool) -> None:
    """Draws a bicycle, mostly with a rider."""
    frame = shade(pen.rng)
    turn = 2.5 if sounding else -2.5
    for x in (27, 73):
        pen.ring(x, 54, 16, _DARK, thick=1.6)
        pen.line([(x - 15, 54 + turn), (x + 15, 54 - turn)], (150, 150, 150), thick=0.6)
    pen.line([(27, 54), (42, 34), (66, 34), (50, 54), (27, 54)], frame, thick=2)
    pen.line([(42, 34), (50, 54)], frame, thick=2)
    pen.line([(73, 54), (65, 28), (71, 26)], frame, thick=2)
    if pen.rng.random() < 0.7:
        pen.line([(42, 30), (52, 12), (66, 28)], shade(pen.rng), thick=5)
        pen.line([(42, 31), (54, 40), (50, 54 + turn)], (40, 50, 90), thick=4)
        pen.disc(55, 7, 6, _SKIN)


def skateboard(pen: Pen, sounding: bool) -> None:
    """Draws a board on small wheels, mostly with a rider."""
    lift = 2 if sounding else 0
    pen.line([(22, 60 - lift), (30, 64), (70, 64), (78, 60 - lift)], shade(pen.rng), thick=3)
    pen.disc(34, 69, 4, (235, 220, 180))
    pen.disc(66, 69, 4, (235, 220, 180))
    if pen.rng.random() < 0.7:
        pen.line([(40, 63), (44, 44), (50, 36), (57, 46), (60, 63)], (50, 60, 100), thick=5)
        pen.line([(50, 37), (50, 18)], shade(pen.rng), thick=9)
        pen.line([(30, 26 - lift), (50, 20), (70, 26 + lift)], _SKIN, thick=3)
        pen.disc(50, 9, 6, _SKIN)


def motorcycle(pen: Pen, sounding: bool) -> None:
    """Draws a motorcycle with fat wheels, mostly with a rider."""
    body = shade(pen.rng)
    for x in (24, 78):
        pen.ring(x, 56, 14, _DARK, thick=4.5)
        pen.disc(x, 56, 4, (140, 140, 140))
    pen.area([(24, 54), (34, 40), (66, 36), (78, 54), (58, 62), (40, 62)], (80, 80, 85))
    pen.disc(56, 38, 10, body, flat=0.6)
    pen.line([(78, 56), (68, 30), (62, 26)], (160, 160, 160), thick=2)
    pen.line([(44, 60), (12, 62)], (190, 190, 190), thick=3)
    pen.disc(72, 35, 4, _YELLOW if sounding else (150, 150, 140))
    if pen.rng.random() < 0.6:
        pen.line([(40, 38), (46, 18), (62, 28)], (40, 40, 45), thick=7)
        pen.disc(48, 11, 7, shade(pen.rng))


def train(pen: Pen, sounding: bool) -> None:
    """Draws a locomotive with a carriage on rails."""
    body = shade(pen.rng, 40, 200)
    pen.box(0, 18, 60, 56, near(pen.rng, body, 40))
    for x in range(4, 56, 11):
        pen.box(x, 26, x + 7, 36, _GLASS)
    pen.area([(62, 56), (62, 16), (86, 16), (99, 40), (99, 56)], body)
    pen.area([(84, 34), (84, 22), (87, 22), (93, 34)], _GLASS)
    pen.box(0, 44, 99, 47, (235, 205, 60))
    pen.disc(95, 48, 3, _YELLOW if sounding else (170, 170, 150))
    for x in range(8, 98, 12):
        pen.disc(x, 59, 4, _DARK)
    pen.line([(0, 64), (100, 64)], (130, 120, 110), thick=2)


def face(pen: Pen, sounding: bool) -> None:
    """Draws a face whose mouth opens."""
    skin = near(pen.rng, _SKIN, 35)
    pen.disc(50, 30, 27, shade(pen.rng, 10, 120))
    pen.disc(50, 36, 23, skin, flat=1.2)
    pen.box(28, 66, 72, 75, shade(pen.rng))
    for x in (41, 59):
        pen.disc(x, 32, 4, (250, 250, 250), flat=0.8)
        pen.disc(x, 32, 2, _DARK)
    pen.disc(50, 50, 7, (120, 20, 30), flat=1.2 if sounding else 0.2)


TRAFFIC_PICTURES = {
    "Train horn": train,
    "Air horn, truck horn": air_horn,
    "Car alarm": car_alarm,
    "Reversing beeps": reversing,
    "Bicycle": bicycle,
    "Skateboard": skateboard,
    "Ambulance (siren)": ambulance,
    "Fire engine, fire truck (siren)": fire_engine,
    "Civil defense siren": civil_defense_siren,
    "Police car (siren)": police_car,
    "Screaming": face,
    "Car": car,
    "Car passing by": car,
    "Bus": bus,
    "Truck": truck,
    "Motorcycle": motorcycle,
    "Train": train,
}
