"""What an encoder of pretrained sound embeddings adds to a detection model that is trained from scratch.

python benchmarks/pretrained_encoder.py ESC-10 --out runs/pretrained_encoder [--seeds 3]

The folder has a folder per class; the first digit of a file's name is its fold. Soundscapes of 10 s are made of its
clips over pink noise: training of folds 1 to 3, validation of fold 4, test of fold 5, so no recording is in two of
them. A small multi-encoder model is trained with `log_mel` alone and with each embedder beside it, seed by seed.
"""

import argparse
import dataclasses
import statistics
from pathlib import Path

import numpy as np
import soundfile

from avkeras.data.manifest import Clip, Event, read_manifest, write_manifest
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection import run_on_features
from avkeras.experiments.detection_inputs import detection_features
from avkeras.media.audio import load_audio

RATE, SECONDS = 32_000, 10
FOLDS = {"train": (1, 2, 3), "validation": (4,), "test": (5,)}
CLIPS = {"train": 240, "validation": 60, "test": 100}
SUPERVISION = ("strong", "weak", "unlabelled", "unlabelled")  # of training clips, by turns
METRICS = ("CBF1", "SBF1", "EBF1", "PSDS1", "PSDS2")
VALUES = SoundEventDetection(
    weights=(0.25, 0.5, 0.75),
    blocks=1,
    dim=32,
    num_heads=2,
    key_dim=16,
    hidden_dim=64,
    filters=(8, 16, 16, 32, 32, 32, 32),
    epochs=12,
    steps_per_epoch=30,
    batch=(8, 8, 8),
    learning_rate=0.003,
    decay_steps=1000,
    decay_rate=0.3,
    teacher_decay=0.95,
)


def sounding_part(path, rng):
    """Returns up to 4 s of a clip, from where it begins to sound, as ESC's short sounds are followed by silence."""
    sound = load_audio(path, sample_rate=RATE)
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    sound = sound[loud[0] : loud[-1] + 1][: int(RATE * rng.uniform(1, 4))]
    return sound / np.sqrt(np.mean(sound**2))


def soundscape(files, classes, rng):
    """Returns 10 s of noise with one to three sounds of different classes, and their events."""
    samples = RATE * SECONDS
    spectrum = np.fft.rfft(rng.normal(size=samples)) / np.sqrt(np.arange(1, samples // 2 + 2))
    noise = np.fft.irfft(spectrum)
    mixed, events = noise / np.sqrt(np.mean(noise**2)), []
    for label in rng.choice(classes, size=rng.integers(1, 4), replace=False):
        sound = sounding_part(rng.choice(files[label]), rng)
        start = int(rng.integers(samples - len(sound)))
        mixed[start : start + len(sound)] += 10 ** (rng.uniform(0, 15) / 20) * sound
        events.append(Event(start / RATE, (start + len(sound)) / RATE, str(label)))
    return (0.9 * mixed / np.abs(mixed).max()).astype("float32"), tuple(sorted(events))


def make_soundscapes(source, folder):
    """Makes the soundscapes and their manifest, unless they are there."""
    if (folder / "manifest.tsv").exists():
        return read_manifest(folder / "manifest.tsv")
    (folder / "media").mkdir(parents=True)
    classes, rng, clips = (
        sorted(place.name for place in source.iterdir() if place.is_dir()),
        np.random.default_rng(0),
        [],
    )
    for split, folds in FOLDS.items():
        files = {name: sorted(f for f in (source / name).iterdir() if int(f.name[0]) in folds) for name in classes}
        for number in range(CLIPS[split]):
            sound, events = soundscape(files, classes, rng)
            path = folder / "media" / f"{split}-{number}.wav"
            soundfile.write(path, sound, RATE)
            kind = SUPERVISION[number % 4] if split == "train" else "strong"
            labels = tuple(sorted({event.label for event in events})) if kind != "unlabelled" else ()
            clips.append(Clip(path.stem, path, None, split, labels, events if kind == "strong" else (), kind))
    return write_manifest(folder / "manifest.tsv", clips, classes=classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--embedders", nargs="+", default=["efficientat"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    manifest = make_soundscapes(options.folder, options.out / "soundscapes")
    values = dataclasses.replace(VALUES, data=manifest.path, encoders=("log_mel", *options.embedders))
    features = detection_features(values, manifest)
    found = {}
    for seed in range(options.seeds):
        for others in ((), *((name,) for name in options.embedders)):
            name = "+".join(("log_mel", *others))
            changes = {"encoders": ("log_mel", *others), "seed": seed, "out": options.out / f"{name}-{seed}"}
            report = run_on_features(dataclasses.replace(values, **changes), manifest, features.of(others))
            row = report.rows[0]
            found.setdefault(name, []).append([100 * row[metric] for metric in METRICS])
            print(f"{name}, seed {seed}: " + ", ".join(f"{metric} {100 * row[metric]:.1f}" for metric in METRICS))
    for name, rows in found.items():
        means = (
            f"{metric} {statistics.fmean(column):.1f} ({min(column):.1f} to {max(column):.1f})"
            for metric, column in zip(METRICS, zip(*rows, strict=True), strict=True)
        )
        print(f"{name}, {len(rows)} seeds: {', '.join(means)}")


if __name__ == "__main__":
    main()
