"""How time, memory and start grow with clips, classes and frames: the 2019 model on made-up embeddings (128 + 128).

    python benchmarks/scale.py --folder F
    python benchmarks/scale.py --folder F --clips 1000 20000

Each row is a process of its own: seconds from the imports to the end of the first step (the stores are there),
milliseconds of a training step with its batch of 40 (the least of three rounds), and the most memory. The last columns
are ratios to the next smaller row of the same kind: what does not follow the size has 1, and nothing should grow by
more than the size did but attention, which has as many scores as the square of the frames.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sides import processor

DIM, BATCH = 128, 40


def store(folder, clips, frames):
    """Makes the stores of some clips, if they are not there."""
    from avkeras.data.records import RecordWriter

    folder = Path(folder, f"{clips}x{frames}")
    values = np.random.default_rng(0).normal(size=(100, frames, DIM)).astype("float16")
    for name in ("audio", "video"):
        if (folder / name / "done").is_file():
            continue
        with RecordWriter(folder / name, {"dim": DIM}) as writer:
            for number in range(clips):
                writer.write(f"clip-{number}", "made up", values[number % len(values)])
        (folder / name / "done").touch()
    return folder


def measure(folder, clips, classes, frames):
    start = time.perf_counter()
    import avkeras as av
    from avkeras.data.clip_set import ClipSet
    from avkeras.data.manifest import Clip
    from avkeras.data.records import RecordReader
    from avkeras.data.sampling import BalancedSampler

    names = [f"class {number}" for number in range(classes)]
    kept = {name: RecordReader(folder / name) for name in ("audio", "video")}
    listed = [
        Clip(f"clip-{n}", f"{n}.mp4", f"{n}.mp4", "train", (names[n % classes], names[7 * n % classes]))
        for n in range(clips)
    ]
    training = ClipSet(listed, kept, names)
    model = av.models.AudiovisualTransformer(classes=classes, dims={"video": DIM, "audio": DIM})
    model.compile("adam", "binary_crossentropy")
    sampler = BalancedSampler(training.targets, batch_size=BATCH, seed=0)
    batches = iter(training.training_dataset(sampler, steps=1000))
    step = lambda: model.train_on_batch(*next(batches)[:2])  # noqa: E731
    step()
    first, rounds = time.perf_counter() - start, []
    for _ in range(4):
        start = time.perf_counter()
        for _ in range(20 if frames < 512 else 3):
            step()
        rounds.append((time.perf_counter() - start) / (20 if frames < 512 else 3))
    return first, 1e3 * min(rounds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 20_000, 200_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[17, 527])
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 64, 512])
    parser.add_argument("--one", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measure(store(options.folder, options.one[0], options.one[2]), *options.one))
        return
    rows = [(clips, options.classes[0], options.frames[0]) for clips in options.clips]
    rows += [(options.clips[0], classes, options.frames[0]) for classes in options.classes[1:]]
    rows += [(options.clips[0], options.classes[0], frames) for frames in options.frames[1:]]
    print(processor())
    print("| clips | classes | frames | first step, s | step, ms | memory, MB | first | step | memory | size |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    base, before = rows[0], {}
    for row in rows:
        store(options.folder, row[0], row[2])
        command = [sys.executable, __file__, "--folder", str(options.folder), "--one", *map(str, row)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        found = before[row] = tuple(map(float, done.stdout.split()))
        changed = next((place for place in range(3) if row[place] != base[place]), None)
        text = ["", "", "", ""]
        if changed is not None:
            above = max((other for other in before if other[changed] < row[changed]), key=lambda other: other[changed])
            text = [f"{one / other:.2f}" for one, other in zip(found, before[above], strict=True)]
            text.append(f"{row[changed] / above[changed]:.1f}")
        cells = [*map(str, row), f"{found[0]:.1f}", f"{found[1]:.1f}", f"{found[2]:.0f}", *text]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
