"""How long `avkeras predict` takes from start to end, by TensorFlow's C library and by its Python, beside its import.

    python benchmarks/first_answer.py --rounds 3

The model is the paper's of 2019, untrained, with the stand-in for VGGish and EfficientNet-Lite0; the files are clips of
10 s of the demo. Processes take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PREDICT = "from avkeras.cli import main; main()"
CLIPS = 20


def prepare(folder):
    """Writes the clips and the model, and builds the embedders, in a process of its own."""
    import avkeras as av
    from avkeras.datasets.demo.make import make_demo
    from avkeras.features.embedders import load_embedder
    from avkeras.serving.export_tagging import export_model

    demo = make_demo(folder / "demo", clips={"train": 1, "test": CLIPS}, seconds=(10.0, 10.0), without_video=0.0)
    embedders = {"audio": load_embedder("vggish_stand_in"), "video": load_embedder("efficientnet_lite0")}
    dims = {"video": embedders["video"].spec.dim, "audio": embedders["audio"].spec.dim}
    model = av.models.AudiovisualTransformer(classes=len(demo.classes), dims=dims, attention="softmax")
    export_model(model, folder / "model", classes=demo.classes, threshold=0.5, embedders=embedders, frames=10)


def seconds(*arguments):
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=os.environ)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begun, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        seconds(__file__, "--prepare", folder)
        files = sorted(Path(folder, "demo", "media").glob("test-*.mp4"))
        rest = ["--model", f"{folder}/model", "--json"]
        runs = {
            (count, runtime): ["-c", PREDICT, "predict", *files[:count], *rest, "--runtime", runtime]
            for count in (1, CLIPS)
            for runtime in ("python", "library")
        }
        times = {name: [] for name in (*runs, "import")}
        answers = {}
        for _ in range(options.rounds):
            for name, arguments in (*runs.items(), ("import", ["-c", "import tensorflow"])):
                took, answers[name] = seconds(*arguments)
                times[name].append(took)
    apart = max(
        abs(one["probabilities"][key] - other["probabilities"][key])
        for count in (1, CLIPS)
        for one, other in zip(
            *([json.loads(line) for line in answers[count, runtime].splitlines()] for runtime in ("python", "library")),
            strict=True,
        )
        for key in one["probabilities"]
    )
    print("| files | TensorFlow's Python | its C library | ratio: least, median | `import tensorflow` alone |")
    print("|---|---|---|---|---|")
    for count in (1, CLIPS):
        python, library = (np.array(times[count, runtime]) for runtime in ("python", "library"))
        ratio, alone = python / library, np.median(times["import"])
        print(
            f"| {count} | {np.median(python):.1f} s | {np.median(library):.1f} s | {ratio.min():.2f}, "
            f"{np.median(ratio):.2f} | {alone:.1f} s |"
        )
    print(f"\nProbabilities of both differ by at most {apart:.1e}; medians of {options.rounds} rounds.")


if __name__ == "__main__":
    main()
