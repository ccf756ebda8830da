"""How well a linear classifier tells the sounds of ESC-10 or ESC-50 from an embedder's mean over each clip.

python benchmarks/linear_probe.py ESC-10 --embedders efficientat yamnet

The folder has a folder per class; the first digit of a file's name is its fold. A logistic regression on standardised
means is trained on four folds and asked for the fifth, by turns.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avkeras.features.embedders import load_embedder
from avkeras.media.audio import load_audio


def fold_accuracies(means, classes, folds):
    """Percent of clips told right, fold by fold."""
    found = []
    for fold in np.unique(folds):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        probe.fit(means[folds != fold], classes[folds != fold])
        found.append(100 * probe.score(means[folds == fold], classes[folds == fold]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedders", nargs="+", default=["efficientat"])
    options = parser.parse_args()
    files = sorted(file for file in options.folder.glob("*/*") if file.suffix in (".ogg", ".wav"))
    classes, folds = np.array([file.parent.name for file in files]), np.array([int(file.name[0]) for file in files])
    for name in options.embedders:
        embedder = load_embedder(name, modality="audio")
        rate = embedder.spec.sample_rate
        means = np.stack([embedder(load_audio(file, sample_rate=rate)).mean(axis=0) for file in files])
        found = fold_accuracies(means, classes, folds)
        folds_shown = " ".join(f"{value:.2f}" for value in found)
        print(f"{embedder.spec.name}: {len(files)} clips, by fold {folds_shown} %, mean {np.mean(found):.2f} %")


if __name__ == "__main__":
    main()
