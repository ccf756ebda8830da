"""Which test clips of a tagging run are drawn with their attention, and why these."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.errors import MediaError
from avkeras.runs.run_folder import write_rows

if TYPE_CHECKING:
    import keras

    from avkeras.data.manifest import Clip
    from avkeras.features.embedders import Embedder

FIGURES = 3
CONTRAST = 20.0  # standard deviation of brightness, of 255: below, a picture is all but of one colour
HOW_CHOSEN = (
    f"Drawn are the {FIGURES} test clips that are recognised with the highest probability among those whose pictures "
    f"have a contrast of at least {CONTRAST:g} (standard deviation of brightness, of 255; median of 5 pictures); "
    "where fewer have it, the others follow by their contrast."
)
_LOOKED_AT = 30  # clips whose pictures are looked at
_PICTURE_TIMES = (0.5, 1.5, 2.5, 4.5, 8.5)  # seconds


def write_attention_figures(
    folder: Path,
    model: "keras.Model",
    test: ClipSet,
    probabilities: np.ndarray,
    *,
    embedders: Mapping[str, "Embedder"],
) -> None:
    """Draws the attention in the clips that `choose_clips` chooses (2019, figures 4 to 7), and writes `chosen.csv`.

    Args:
        folder: for the pictures.
        model: what is asked for its attention.
        test: clips to choose from.
        probabilities: of these clips, `(clips, classes)`.
        embedders: by modality.
    """
    from avkeras.reports.visualize import clip_attention_figure

    rows = choose_clips(test, probabilities)
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(
        folder / "chosen.csv",
        [
            {"clip": test.clips[row["place"]].id, "probability": row["probability"], "contrast": row["contrast"]}
            for row in rows
        ],
    )
    for row in rows:
        clip = test.clips[row["place"]]
        clip_attention_figure(
            folder / f"{clip.id}.png",
            model,
            audio=clip.audio,
            video=clip.video,
            audio_embedder=embedders["audio"],
            video_embedder=embedders.get("video"),
            title=f"{clip.id}: {', '.join(clip.labels)}",
        )


def choose_clips(test: ClipSet, probabilities: np.ndarray) -> list[dict]:
    """Returns place, probability and contrast of the clips to draw: sure ones whose pictures show something.

    Args:
        test: clips to choose from; where there are stores of video, only those with video.
        probabilities: of these clips, `(clips, classes)`.
    """
    seen = test.has("video") if "video" in test.stores else np.zeros(len(test), bool)
    certainty = (probabilities * test.targets).max(axis=1)
    order = [place for place in np.argsort(-certainty, kind="stable") if seen[place] or not seen.any()]
    looked = []
    for place in order[:_LOOKED_AT]:
        row = {"place": int(place), "probability": float(certainty[place]), "contrast": contrast(test.clips[place])}
        looked.append(row)
        enough = looked if not seen.any() else [row for row in looked if row["contrast"] >= CONTRAST]
        if len(enough) == FIGURES:
            break
    return sorted(looked, key=lambda row: -min(row["contrast"], CONTRAST))[:FIGURES]


def contrast(clip: "Clip") -> float:
    """Returns how much a clip's pictures show: the standard deviation of their brightness, of 255; 0: no pictures."""
    from avkeras.media.video import load_frames

    try:
        pictures, seen = load_frames(clip.video, _PICTURE_TIMES, short_side=64) if clip.video else ([], [])
    except MediaError:
        return 0.0
    found = [picture.mean(axis=2).std() for picture, there in zip(pictures, seen, strict=True) if there]
    return float(np.median(found)) if found else 0.0
