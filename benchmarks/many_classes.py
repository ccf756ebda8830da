"""What 527 classes and 20,000 clips cost beside 17 classes and 2,000: manifest, targets, sampling, decisions, metrics.

    python benchmarks/many_classes.py [--rounds 3]

Clips hold 2.5 classes on average, as unevenly as Audio Set's do. Each row is the processor time of one job, the best of
some rounds: for few classes and clips, for ten times as many clips, and for 31 times as many classes as well. `per
clip` and `per cell` say by how much a clip, or a clip's place for a class, then costs more than before: 1 means that
time grows by the number alone, less that it grows slower.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.data.labels import clip_targets
from avkeras.data.manifest import Clip, Event, read_manifest, write_manifest
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.data.sampling import BalancedSampler
from avkeras.evaluation.clip_counts import event_counts, label_counts, segment_counts
from avkeras.evaluation.decisions import choose_decision
from avkeras.evaluation.tagging_figures import tagging_figures

SIZES = ((17, 2_000), (17, 20_000), (527, 20_000))
STEPS = 10_000  # batches of 40


def make(folder, classes, clips):
    random = np.random.default_rng(0)
    names = [f"class {number}, of {classes}" for number in range(classes)]
    shares = np.geomspace(100, 1, classes)
    counts = 1 + random.poisson(1.5, clips)
    rows, events = [], []
    for number in range(clips):
        drawn = random.choice(classes, size=min(counts[number], classes), replace=False, p=shares / shares.sum())
        labels = tuple(names[one] for one in np.sort(drawn))
        rows.append(Clip(f"-clip{number:06d}_0.000_10.000", folder / "a.flac", None, "train", labels))
        onsets = random.uniform(0, 9, len(labels))
        events.append([Event(on, on + 0.9, label) for on, label in zip(onsets, labels, strict=True)])
    targets = np.array([clip_targets(row.labels, names) for row in rows], bool)
    scores = np.clip(0.3 * targets + random.uniform(0, 0.7, targets.shape), 0, 1).astype(np.float32)
    write_manifest(folder / "manifest.tsv", rows, classes=names)
    with RecordWriter(folder / "audio", {"dim": 2}) as store:
        for row in rows:
            store.write(row.id, "digest", np.ones((1, 2)))
    return names, rows, events, targets, scores


def jobs(folder, classes, clips):
    names, rows, events, targets, scores = make(folder, classes, clips)
    moved = [[event._replace(onset=event.onset + 0.1, offset=event.offset + 0.1) for event in one] for one in events]
    store, labels = RecordReader(folder / "audio"), [row.labels for row in rows]
    sampler = BalancedSampler(targets)
    decided = scores >= 0.5
    return {
        "manifest read": lambda: read_manifest(folder / "manifest.tsv", check_files=False),
        "set of clips, targets": lambda: ClipSet(rows, {"audio": store}, names),
        "balanced sampler made": lambda: BalancedSampler(targets),
        f"{STEPS} balanced batches": lambda: sampler.batches(0, STEPS),
        "decision, global": lambda: choose_decision("global", targets, scores),
        "decision, class-wise": lambda: choose_decision("class_wise", targets, scores),
        "figures with average precision": lambda: tagging_figures(targets, scores, decided, classes=names),
        "clip counts": lambda: label_counts(labels, labels, classes=names),
        "segment counts": lambda: segment_counts(events, moved, classes=names),
        "event counts": lambda: event_counts(events, moved, classes=names),
    }


def seconds(job, rounds):
    found = []
    for _ in range(rounds):
        start = time.process_time()
        job()
        found.append(time.process_time() - start)
    return min(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    for classes, clips in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            for name, job in jobs(Path(folder), classes, clips).items():
                found.setdefault(name, []).append(seconds(job, options.rounds))
    header = [f"{classes} x {clips:,}" for classes, clips in SIZES]
    print(f"{'seconds of':<32}" + "".join(f"{one:>14}" for one in header) + f"{'per clip':>10}{'per cell':>10}")
    clips, cells = SIZES[1][1] / SIZES[0][1], SIZES[2][0] / SIZES[1][0]
    for name, times in found.items():
        growth = times[1] / times[0] / clips, times[2] / times[1] / cells
        print(f"{name:<32}" + "".join(f"{one:>14.4f}" for one in times) + "".join(f"{one:>10.2f}" for one in growth))


if __name__ == "__main__":
    main()
