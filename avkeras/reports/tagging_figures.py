"""Which test clips of a tagging run are drawn with their attention, and why these."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.data.labels import clip_targets
from avkeras.errors import MediaError
from avkeras.reports.report import named_clips, read_probabilities
from avkeras.reports.run_facts import RunFacts
from avkeras.runs.files import file_name, read_json, read_rows, write_rows
from avkeras.runs.run_folder import INPUTS_FILE
from avkeras.serving.trained_embedders import trained_embedders

if TYPE_CHECKING:
    from avkeras.data.manifest import Clip

FIGURES = 3
CONTRAST = 20.0  # standard deviation of brightness, of 255: below, a picture is all but of one colour
HOW_CHOSEN = (
    f"Drawn are the {FIGURES} test clips that are recognised with the highest probability among those whose pictures "
    f"have a contrast of at least {CONTRAST:g} (standard deviation of brightness, of 255; median of 5 pictures); "
    "where fewer have it, the others follow by their contrast."
)
_LOOKED_AT = 30  # clips whose pictures are looked at
_PICTURE_TIMES = (0.5, 1.5, 2.5, 4.5, 8.5)  # seconds


def write_attention_figures(run: RunFacts, system: str) -> list[Path]:
    """Draws the attention in the clips that `choose_clips` chooses (2019, figures 4 to 7), and writes `chosen.csv`.

    Args:
        run: a finished tagging run.
        system: which of its models is asked: the last epoch of its ensemble.

    Returns:
        The pictures.

    Raises:
        AvkerasError: the run's model, clips or embedders cannot be had.
    """
    import keras

    from avkeras.reports.visualize import clip_attention_figure

    source, classes = run.folder / system, run.manifest.classes
    folder = source / "attention"
    ids, probabilities = read_probabilities(source / "predictions.csv", classes)
    clips = named_clips(run.manifest, ids, file=source / "predictions.csv")
    seen = np.array([run.visual is not None and run.visual.records[id].frames > 0 for id in ids], bool)
    rows = choose_clips(clips, np.array([clip_targets(clip.labels, classes) for clip in clips]) * probabilities, seen)
    write_rows(
        folder / "chosen.csv",
        [{"clip": ids[row["place"]], "probability": row["probability"], "contrast": row["contrast"]} for row in rows],
    )
    embedders = trained_embedders(read_json(source / INPUTS_FILE)["embedders"], folder=source)
    model = keras.saving.load_model(source / "model.keras", compile=False)
    files = []
    for row in rows:
        clip = clips[row["place"]]
        files.append(
            clip_attention_figure(
                folder / f"{file_name(clip.id)}.png",
                model,
                audio=clip.audio,
                video=clip.video,
                audio_embedder=embedders["audio"],
                video_embedder=embedders.get("video"),
                title=f"{clip.id}: {', '.join(clip.labels)}",
            )
        )
    return files


def has_attention_figures(folder: Path) -> bool:
    """Returns whether a system's folder holds all the pictures that `chosen.csv` names."""
    chosen = folder / "attention" / "chosen.csv"
    if not chosen.is_file():
        return False
    return all((chosen.parent / f"{file_name(row['clip'])}.png").is_file() for row in read_rows(chosen))


def choose_clips(clips: Sequence["Clip"], probabilities: np.ndarray, seen: np.ndarray) -> list[dict]:
    """Returns place, probability and contrast of the clips to draw: sure ones whose pictures show something.

    Args:
        clips: to choose from; where some have video, only these.
        probabilities: of their own labels, `(clips, classes)`; 0 for other classes.
        seen: which clips have video, `(clips,)`.
    """
    certainty = probabilities.max(axis=1)
    order = [place for place in np.argsort(-certainty, kind="stable") if seen[place] or not seen.any()]
    looked = []
    for place in order[:_LOOKED_AT]:
        row = {"place": int(place), "probability": float(certainty[place]), "contrast": contrast(clips[place])}
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
