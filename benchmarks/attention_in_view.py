"""Weight of the cross-modal attention on pictures in which what is heard is seen, against the other pictures of a clip.

    python recipes/dcase2017_av.py --out runs/demo
    python benchmarks/attention_in_view.py runs/demo

Over the test clips of a demo in which the source is in some pictures and not in others. Of each clip: mean weight on
these pictures by mean weight on the others, in the last decoder block, averaged over queries; 1: attention does not
care. Given are the geometric mean over clips with its 95 % interval (resampled clips), all heads together and head by
head, and the share of clips above 1. `--untrained` asks the same of the model before its training.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from avkeras.datasets.demo.make import seen_while_heard
from avkeras.reports.run_facts import RunFacts
from avkeras.runs.files import read_json
from avkeras.serving.trained_embedders import trained_embedders


def telling_model(folder, untrained):
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    member = [part for part in (model, *model.layers) if hasattr(part, "with_attention")][-1]
    if untrained:
        keras.utils.set_random_seed(0)
        member = type(member).from_config(member.get_config())
    config = member.get_config()
    if config["first"] != "video":
        raise SystemExit(f"{folder}: its attention is on {config['first']}; a model with video first is wanted")
    return member.with_attention(), config


def ratios(run, system, untrained):
    """Per clip and head, weight in view by weight out of view, `(clips, heads)`."""
    facts = RunFacts(run)
    folder = run / system
    telling, config = telling_model(folder, untrained)
    hearing = trained_embedders(read_json(folder / "inputs.json")["embedders"], folder=folder)["audio"]
    demo = json.loads((facts.manifest.path.parent / "demo.json").read_text())
    options = {name: demo[name] for name in ("task", "seed", "without_video")} | {"seconds": tuple(demo["seconds"])}
    found = []
    for clip in facts.manifest.split("test"):
        audio, video = (facts.stores[name].read(clip.id) for name in ("audio", "video"))
        if not len(video):
            continue
        times = hearing.frame_times(len(audio))
        view = seen_while_heard("test", int(clip.id.split("-")[1]), times, **options)[: len(video)]
        if view.all() or not view.any():
            continue
        inputs = {name: value[None].astype("float32") for name, value in {"audio": audio, "video": video}.items()}
        outputs = telling({name: inputs[name] for name in {config["first"], config["second"]}})
        weights = np.asarray(outputs[f"attention_{config['blocks']}"])[0].mean(axis=1)  # (heads, keys)
        found.append(weights[:, view].mean(axis=1) / weights[:, ~view].mean(axis=1))
    return np.array(found)


def line(name, values):
    logs = np.log(values)
    draws = np.random.default_rng(0).integers(0, len(logs), (2000, len(logs)))
    low, high = np.exp(np.quantile(logs[draws].mean(axis=1), (0.025, 0.975)))
    share = 100 * (values > 1).mean()
    return f"{name:<10} {np.exp(logs.mean()):5.2f} ({low:.2f} to {high:.2f}), above 1 in {share:.0f} %"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--system", default="audio+video")
    parser.add_argument("--untrained", action="store_true")
    options = parser.parse_args()
    found = ratios(options.run, options.system, options.untrained)
    print(f"{len(found)} test clips in which the source is in some pictures and not in others")
    print(line("all heads", np.exp(np.log(found).mean(axis=1))))
    for head, values in enumerate(found.T):
        print(line(f"head {head}", values))


if __name__ == "__main__":
    main()
