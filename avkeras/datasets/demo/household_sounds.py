# ruff: noqa: D103 (a function per class, named as the class)
"""How the 10 classes of DCASE 2020 task 4 sound in the demo: `(rng, samples, rate) -> float32 (samples,)`.

Motors, hissing liquids and voices form groups whose parameters overlap, so that the sound alone leaves doubt.
"""

import numpy as np

from avkeras.datasets.demo.synthesis import (
    band,
    bell,
    click,
    decay,
    formants,
    noise,
    pulse,
    ramp,
    regular,
    rolloff,
    strikes,
    tone,
    unit,
    wander,
)


def alarm_bell(rng, n, rate):
    if rng.random() < 0.5:
        stroke = bell(rate, rng.uniform(700, 1800), (1, 1.5, 2.1, 2.9, 3.7), seconds=0.6)
        sound = strikes(rng, n, rate, regular(rng, n / rate, rng.uniform(7, 18), jitter=0.03), stroke)
        return sound * (0.1 + pulse(rng.uniform(0.2, 0.6), n, rate, duty=0.7))
    beeps = tone(rng.uniform(900, 3000), n, rate, [1, 0, rng.uniform(0, 0.4)])
    return beeps * pulse(rng.uniform(4, 9), n, rate) * pulse(rng.uniform(0.7, 1.3), n, rate, duty=0.6)


def _motor(rng, n, rate, *, pitch: tuple[float, float], slope: float, air: tuple[float, float], hiss: float):
    """Returns an electric motor that runs up, wavers and hisses."""
    run_up = 1 - 0.4 * decay(n, rate, rng.uniform(0.3, 1.5))
    curve = rng.uniform(*pitch) * run_up * (1 + 0.06 * wander(rng, n, rate, speed=rng.uniform(0.5, 3)))
    whirr = unit(tone(curve, n, rate, rolloff(40, slope) * rng.uniform(0.4, 1.6, 40)))
    return (whirr + hiss * rng.uniform(0.5, 1.6) * noise(rng, n, rate, band(*air))) * run_up


def blender(rng, n, rate):
    sound = _motor(rng, n, rate, pitch=(150, 380), slope=0.7, air=(700, 5000), hiss=0.7)
    return sound * (1 + 0.4 * wander(rng, n, rate, speed=8))


def shaver(rng, n, rate):
    return _motor(rng, n, rate, pitch=(90, 270), slope=0.5, air=(2000, 6000), hiss=0.4)


def vacuum_cleaner(rng, n, rate):
    return _motor(rng, n, rate, pitch=(120, 330), slope=1.0, air=(300, 4000), hiss=1.0)


def cat(rng, n, rate):
    def meow() -> np.ndarray:
        m = int(rng.uniform(0.4, 0.9) * rate)
        pitch = rng.uniform(380, 800)
        voice = rng.uniform(900, 1700)
        sound = tone(pitch * ramp([0.9, 1.25, 1.15, 0.8], m), m, rate, formants(pitch, [(voice, 250), (2800, 500)]))
        return unit(sound) * ramp([0, 1, 0.8, 0.5, 0], m)

    out = np.zeros(n, np.float32)
    for start in regular(rng, n / rate, rng.uniform(0.6, 1.2), jitter=0.2):
        out += strikes(rng, n, rate, np.array([start]), meow())
    return out


def dishes(rng, n, rate):
    out = np.zeros(n, np.float32)
    count = max(2, rng.poisson(n / rate * rng.uniform(2, 6)))
    for start in np.append(rng.uniform(0, n / rate, count), 0.0):
        clink = bell(rate, rng.uniform(1300, 4500), (1, 1.53, 2.2), seconds=rng.uniform(0.08, 0.4))
        out += strikes(rng, n, rate, np.array([start]), clink, spread=0.8)
    knock = click(rng, rate, low=300, high=2500, seconds=0.06)
    return unit(out) + strikes(rng, n, rate, rng.uniform(0, n / rate, 4), knock)


def dog(rng, n, rate):
    m = int(rng.uniform(0.12, 0.3) * rate)
    pitch = rng.uniform(250, 750)
    throat = rng.uniform(600, 1400)
    bark = unit(tone(pitch * ramp([0.8, 1.2, 0.7], m), m, rate, formants(pitch, [(throat, 350), (2300, 700)])))
    bark = (bark + 0.6 * noise(rng, m, rate, band(400, 3000))) * ramp([0, 1, 0.7, 0], m)
    return strikes(rng, n, rate, regular(rng, n / rate, rng.uniform(1.2, 3), jitter=0.25), bark)


def frying(rng, n, rate):
    sound = noise(rng, n, rate, band(rng.uniform(1200, 3000), 7000)) * (1 + 0.4 * wander(rng, n, rate, speed=6))
    pop = click(rng, rate, low=1500, high=7000, seconds=0.015)
    pops = strikes(rng, n, rate, rng.uniform(0, n / rate, rng.poisson(12 * n / rate) + 1), pop, spread=0.9)
    return sound + rng.uniform(0.3, 1.2) * unit(pops)


def running_water(rng, n, rate):
    low = rng.uniform(500, 2000)
    sound = noise(rng, n, rate, band(low, 7000, slope=1.2)) * (1 + 0.25 * wander(rng, n, rate, speed=12))
    drops = np.zeros(n, np.float32)
    for start in rng.uniform(0, n / rate, int(4 * n / rate)):
        m = int(0.04 * rate)
        gulp = tone(rng.uniform(500, 1600) * ramp([1, 1.5], m), m, rate) * decay(m, rate, 0.04)
        drops += strikes(rng, n, rate, np.array([start]), gulp)
    return sound + rng.uniform(0, 0.8) * unit(drops)


def speech(rng, n, rate):
    pitch = rng.uniform(90, 260)
    tract = rng.uniform(0.9, 1.2)
    out = np.zeros(n, np.float32)
    at, pause = 0.0, 0.0
    while at < n / rate:
        m = int(rng.uniform(0.1, 0.25) * rate)
        peaks = [(tract * rng.uniform(*limits), width) for limits, width in _VOWELS]
        fundamental = pitch * rng.uniform(0.85, 1.2)
        vowel = unit(tone(fundamental * ramp([1.05, 1.0, 0.9], m), m, rate, formants(fundamental, peaks)))
        vowel = vowel * ramp([0, 1, 0.8, 0], m)
        if rng.random() < 0.4:
            hiss = noise(rng, m, rate, band(3000, 7000)) * ramp([0, 0.5, 0, 0], m)
            vowel = vowel + hiss
        out += strikes(rng, n, rate, np.array([at]), vowel)
        pause = rng.uniform(0.2, 0.4) if rng.random() < 0.12 else rng.uniform(0, 0.06)
        at += m / rate + pause
    return out


_VOWELS = (((280, 850), 80), ((850, 2300), 120), ((2300, 3000), 200))

HOUSEHOLD_SOUNDS = {
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
