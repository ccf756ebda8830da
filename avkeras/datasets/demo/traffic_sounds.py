# ruff: noqa: D103 (a function per class, named as the class)
"""How the 17 classes of DCASE 2017 task 4 sound in the demo: `(rng, samples, rate) -> float32 (samples,)`.

Engines, sirens and horns form groups whose parameters overlap, so that the sound alone leaves doubt.
"""

import numpy as np

from avkeras.datasets.demo.synthesis import (
    band,
    bell,
    click,
    coloured,
    formants,
    noise,
    pulse,
    ramp,
    regular,
    rolloff,
    smooth,
    strikes,
    tone,
    unit,
    wander,
)


def _blasts(rng: np.random.Generator, n: int, rate: int, lengths: tuple[float, float]) -> np.ndarray:
    """Returns an envelope of blasts with short gaps."""
    envelope, at = np.zeros(n, np.float32), 0
    while at < n:
        length = int(rng.uniform(*lengths) * rate)
        envelope[at : at + length] = 1
        at += length + int(rng.uniform(0.15, 0.5) * rate)
    return smooth(envelope, int(0.04 * rate))


def _reeds(rng: np.random.Generator, n: int, rate: int, notes: list[float]) -> np.ndarray:
    harmonics = rolloff(25, rng.uniform(0.5, 1.1))
    return sum(tone(note * rng.uniform(0.99, 1.01), n, rate, harmonics) for note in notes)


def train_horn(rng, n, rate):
    root = rng.uniform(260, 420)
    ratios = np.array((1.0, 1.19, 1.34, 1.5, 1.68, 2.0))[: rng.integers(3, 7)]
    sound = _reeds(rng, n, rate, list(root * ratios))
    return sound * _blasts(rng, n, rate, (0.6, 2.5)) + 0.05 * noise(rng, n, rate, coloured(1))


def air_horn(rng, n, rate):
    root = rng.uniform(150, 330)
    notes = [root, root * rng.choice((1.19, 1.26, 1.34)), root * 1.5][: rng.integers(1, 4)]
    return _reeds(rng, n, rate, notes) * _blasts(rng, n, rate, (0.25, 1.6)) + 0.05 * noise(rng, n, rate)


def car_alarm(rng, n, rate):
    kind = rng.integers(3)
    if kind == 0:  # chirps
        speed = rng.uniform(2.5, 7)
        sweep = rng.uniform(500, 900) + rng.uniform(500, 1100) * (np.arange(n) / rate * speed % 1)
        return tone(sweep, n, rate, rolloff(6, 1.2))
    if kind == 1:  # the horn, on and off
        note = rng.uniform(330, 520)
        return _reeds(rng, n, rate, [note, note * 1.24]) * pulse(rng.uniform(1.2, 2.6), n, rate)
    low = rng.uniform(600, 1100)  # two tones
    steps = pulse(rng.uniform(1.5, 5), n, rate)
    return tone(low * (1 + rng.uniform(0.2, 0.5) * steps), n, rate, rolloff(8, 1))


def reversing_beeps(rng, n, rate):
    pitch = rng.uniform(900, 1500)
    beeps = tone(pitch, n, rate, [1, 0, rng.uniform(0, 0.4)])
    beeps = beeps * pulse(rng.uniform(0.9, 2.4), n, rate, duty=rng.uniform(0.35, 0.6))
    return beeps + rng.uniform(0, 0.5) * unit(truck(rng, n, rate))


def bicycle(rng, n, rate):
    ticks = click(rng, rate, low=1800, high=6000, seconds=rng.uniform(0.01, 0.03))
    sound = strikes(rng, n, rate, regular(rng, n / rate, rng.uniform(6, 22), jitter=0.05), ticks)
    sound = unit(sound) + rng.uniform(0.2, 1.0) * noise(rng, n, rate, band(200, 1500))
    if rng.random() < 0.4:
        ding = bell(rate, rng.uniform(1500, 2600), (1, 1.5, 2.3, 3.1), seconds=0.8)
        sound = sound + 2 * strikes(rng, n, rate, regular(rng, n / rate, rng.uniform(0.4, 1.5)), ding)
    return sound


def skateboard(rng, n, rate):
    low = rng.uniform(150, 500)
    sound = noise(rng, n, rate, band(low, low * rng.uniform(3, 8))) * (1 + 0.6 * wander(rng, n, rate, speed=3))
    clack = click(rng, rate, low=600, high=4000, seconds=rng.uniform(0.02, 0.08))
    return sound + 2 * unit(
        strikes(rng, n, rate, regular(rng, n / rate, rng.uniform(1, 8), jitter=0.3), clack, spread=0.8)
    )


def _siren(rng, n, rate, modes: tuple[float, float, float, float], pitch: tuple[float, float]) -> np.ndarray:
    """Returns a siren; `modes` weighs hi-lo, yelp, wail and a slow rise."""
    mode = rng.choice(4, p=modes)
    low = rng.uniform(*pitch)
    seconds = np.arange(n) / rate + rng.uniform(0, 4)
    if mode == 0:
        curve = low * (1 + rng.uniform(0.2, 0.45) * pulse(rng.uniform(0.5, 1.3), n, rate))
    elif mode == 1:
        curve = low * (1 + rng.uniform(0.6, 1.2) * (seconds * rng.uniform(2.5, 5) % 1))
    elif mode == 2:
        speed = rng.uniform(0.15, 0.5)
        curve = low * (1 + rng.uniform(0.5, 1.2) * (0.5 - 0.5 * np.cos(2 * np.pi * speed * seconds)))
    else:
        curve = low * rng.uniform(0.6, 0.9) * (1 + 0.9 * (1 - np.exp(-(seconds % 6) / 1.5)))
    return unit(tone(curve, n, rate, rolloff(12, rng.uniform(0.8, 1.8)))) * (1 + 0.3 * wander(rng, n, rate))


def ambulance(rng, n, rate):
    return _siren(rng, n, rate, (0.75, 0.1, 0.1, 0.05), (600, 900))


def fire_engine(rng, n, rate):
    siren = _siren(rng, n, rate, (0.1, 0.05, 0.35, 0.5), (350, 600))
    if rng.random() < 0.5:
        siren = siren + 0.6 * unit(air_horn(rng, n, rate)) * pulse(0.3, n, rate)
    return siren + rng.uniform(0, 0.7) * unit(truck(rng, n, rate))


def civil_defense_siren(rng, n, rate):
    seconds = np.arange(n) / rate + rng.uniform(0, 8)
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(0.06, 0.2) * seconds)
    curve = rng.uniform(260, 480) * (0.6 + 0.5 * rise)
    sound = tone(curve, n, rate, rolloff(15, 0.8)) + tone(curve * 1.2, n, rate, rolloff(15, 0.8))
    return sound * (1 + 0.4 * wander(rng, n, rate, speed=1))


def police_car(rng, n, rate):
    return _siren(rng, n, rate, (0.05, 0.65, 0.25, 0.05), (520, 850))


def screaming(rng, n, rate):
    pitch = rng.uniform(550, 1300)
    voice = rng.uniform(900, 1500)
    curve = pitch * (1 + 0.15 * wander(rng, n, rate, speed=4) + 0.03 * wander(rng, n, rate, speed=30))
    sound = tone(curve, n, rate, formants(pitch, [(voice, 300), (voice * 2.2, 500)]))
    breath = unit(noise(rng, n, rate, band(1000, 4500)))
    return (unit(sound) + rng.uniform(0.1, 0.7) * breath) * _blasts(rng, n, rate, (0.4, 1.6))


def _engine(rng, n, rate, *, firing: tuple[float, float], slope: tuple[float, float], beat: float, hiss: float):
    """Returns an engine: harmonics of the firing rate, beaten at half of it, above a bed of noise."""
    base = rng.uniform(*firing)
    curve = base * (1 + rng.uniform(0.05, 0.45) * wander(rng, n, rate, speed=rng.uniform(0.4, 1.5)))
    sound = unit(tone(curve, n, rate, rolloff(60, rng.uniform(*slope)) * rng.uniform(0.5, 1.5, 60)))
    sound = sound * (1 + beat * rng.uniform(0.5, 1.3) * tone(curve / 2, n, rate))
    return sound + hiss * rng.uniform(0.5, 2.0) * noise(rng, n, rate, coloured(rng.uniform(0.6, 1.8)))


def car(rng, n, rate):
    return _engine(rng, n, rate, firing=(60, 120), slope=(1.1, 1.8), beat=0.2, hiss=0.6)


def car_passing_by(rng, n, rate):
    seconds = np.linspace(-1, 1, n) * n / rate
    closest = rng.uniform(-0.3, 0.3) * n / rate
    width = rng.uniform(0.4, 1.3)
    nearness = 1 / (1 + ((seconds - closest) / width) ** 2)
    doppler = 1 - 0.08 * np.tanh((seconds - closest) / width)
    hum = tone(rng.uniform(60, 130) * doppler, n, rate, rolloff(30, 1.2))
    tyres = noise(rng, n, rate, band(250, rng.uniform(1200, 3000)))
    return (rng.uniform(0.2, 0.8) * unit(hum) + tyres) * nearness.astype(np.float32)


def bus(rng, n, rate):
    sound = _engine(rng, n, rate, firing=(38, 80), slope=(0.9, 1.5), beat=0.45, hiss=0.5)
    if rng.random() < 0.6:  # the doors' air
        air = click(rng, rate, low=2500, high=7000, seconds=rng.uniform(0.4, 0.9))
        sound = sound + 2 * strikes(rng, n, rate, rng.uniform(0, n / rate, 2), air)
    return sound


def truck(rng, n, rate):
    return _engine(rng, n, rate, firing=(26, 60), slope=(0.6, 1.2), beat=0.7, hiss=0.7)


def motorcycle(rng, n, rate):
    sound = _engine(rng, n, rate, firing=(60, 160), slope=(0.3, 0.8), beat=0.7, hiss=0.3)
    if rng.random() < 0.5:  # revs
        sound = sound * (0.5 + pulse(rng.uniform(0.4, 1.2), n, rate, duty=0.6))
    return sound


def train(rng, n, rate):
    rumble = noise(rng, n, rate, band(40, rng.uniform(200, 900), slope=1.5)) * (1 + 0.4 * wander(rng, n, rate))
    clack = click(rng, rate, low=250, high=2500, seconds=rng.uniform(0.05, 0.12))
    first = regular(rng, n / rate, rng.uniform(0.8, 2.5), jitter=0.03)
    pairs = np.concatenate((first, first + rng.uniform(0.1, 0.2)))
    sound = rumble + rng.uniform(0.4, 1.5) * unit(strikes(rng, n, rate, pairs, clack))
    if rng.random() < 0.3:  # flanges
        squeal = tone(rng.uniform(1800, 3200) * (1 + 0.02 * wander(rng, n, rate)), n, rate, [1, 0.4])
        sound = sound + 0.5 * squeal * ramp(np.clip(rng.uniform(-1, 1, 6), 0, 1), n)
    return sound


TRAFFIC_SOUNDS = {
    "Train horn": train_horn,
    "Air horn, truck horn": air_horn,
    "Car alarm": car_alarm,
    "Reversing beeps": reversing_beeps,
    "Bicycle": bicycle,
    "Skateboard": skateboard,
    "Ambulance (siren)": ambulance,
    "Fire engine, fire truck (siren)": fire_engine,
    "Civil defense siren": civil_defense_siren,
    "Police car (siren)": police_car,
    "Screaming": screaming,
    "Car": car,
    "Car passing by": car_passing_by,
    "Bus": bus,
    "Truck": truck,
    "Motorcycle": motorcycle,
    "Train": train,
}
