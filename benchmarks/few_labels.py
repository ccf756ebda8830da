"""What a detection model learns of weak and unlabelled clips alone, and of a first model's labels (`--teacher`).

python benchmarks/few_labels.py ESC-10 --out runs/few_labels [--seeds 2]

The soundscapes are those of `pretrained_encoder.py`, without the times of any training clip: half of them weak, half
unlabelled. A small CRNN and a small multi-encoder model of sound are trained on these; then the multi-encoder with the
events of either as labels of the unlabelled half; and last with the true events of a quarter, for comparison.
"""

import argparse
import dataclasses
import statistics
from pathlib import Path

from pretrained_encoder import METRICS, VALUES, make_soundscapes

from avkeras.data.manifest import write_manifest
from avkeras.experiments.configs import system_values
from avkeras.experiments.detection import run_sound_event_detection

CRNN = ("filters=4", "units=16", "layers=1", "dropout=0.2", "momentum=0.9")


def without_times(clip):
    if clip.split != "train" or clip.supervision != "strong":
        return clip
    return dataclasses.replace(clip, events=(), supervision="weak")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    every = make_soundscapes(options.folder, options.out / "soundscapes")
    weak = write_manifest(
        options.out / "weak" / "manifest.tsv", map(without_times, every.clips), classes=every.classes
    ).path
    records = options.out / "records"
    shared = {"records": records, "batch": (0, 8, 8), "epochs": VALUES.epochs, "steps_per_epoch": 30}
    crnn = system_values(
        "crnn_2020", data=weak, options=CRNN, learning_rate=0.003, select="last", decision="median", **shared
    )
    multi = dataclasses.replace(VALUES, data=weak, visual=(), **shared)
    found = {}
    for seed in range(options.seeds):
        folders = {name: options.out / f"{name}-{seed}" for name in ("crnn", "multi")}
        taught = dataclasses.replace(multi, batch=(12, 12, 0))
        runs = {
            "CRNN, weak": dataclasses.replace(crnn, out=folders["crnn"]),
            "multi-encoder, weak": dataclasses.replace(multi, out=folders["multi"]),
            "multi-encoder, taught by the CRNN": dataclasses.replace(taught, teacher=folders["crnn"]),
            "multi-encoder, taught by the multi-encoder": dataclasses.replace(taught, teacher=folders["multi"]),
            "multi-encoder, a quarter strong": dataclasses.replace(multi, data=every.path, batch=(8, 8, 8)),
        }
        for place, (name, values) in enumerate(runs.items()):
            out = values.out if place < 2 else options.out / f"{place}-{seed}"
            row = run_sound_event_detection(dataclasses.replace(values, seed=seed, out=out)).rows[0]
            found.setdefault(name, []).append([100 * row[metric] for metric in METRICS])
            print(f"{name}, seed {seed}: " + ", ".join(f"{m} {100 * row[m]:.1f}" for m in METRICS), flush=True)
    for name, rows in found.items():
        columns = zip(METRICS, zip(*rows, strict=True), strict=True)
        means = (f"{m} {statistics.fmean(one):.1f} ({min(one):.1f} to {max(one):.1f})" for m, one in columns)
        print(f"{name}: {', '.join(means)}")


if __name__ == "__main__":
    main()
