"""The clips that a tagging model is trained, tuned and scored on, and its scores (2019, section 3.2.10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.evaluation.decisions import RULES, choose_decision
from avkeras.evaluation.thresholds import micro_f1


@dataclass
class SystemResult:
    """What one system reached.

    Args:
        system: its name.
        folder: its files: `metrics.csv`, `epochs`, `model.keras`, `predictions.csv`, `inputs.json`, `result.json`.
        threshold: of the decision, chosen on validation; one for all classes, or one per class.
        f1: micro-F1 on all test clips that it can be scored on.
        f1_with_video: micro-F1 on the test clips with video; None: there are none.
        clips: how many test clips `f1` is of.
        accuracy: share of the test clips whose one label is the most probable class; None: clips have several labels.
        epochs: that it was trained for.
        validation: micro-F1 on validation by the decision; None: of a run of an older version.
        decision: its rule, one of `avkeras.evaluation.decisions.RULES`.
    """

    system: str
    folder: Path
    threshold: float | Sequence[float]
    f1: float
    f1_with_video: float | None
    clips: int
    accuracy: float | None
    epochs: int
    validation: float | None = None
    decision: str = "global"

    def row(self) -> dict[str, Any]:
        """Returns it as `result.json` and `results.csv` have it."""
        return {**vars(self), "folder": self.folder.name}


def clip_sets(
    manifest: Manifest, stores: Mapping[str, RecordReader], modalities: set[str], *, complete_only: bool
) -> dict[str, ClipSet]:
    """Returns the clips of each split that a model is trained, tuned and scored on, with what it takes of them.

    Args:
        manifest: the clips.
        stores: of all modalities.
        modalities: that the model takes.
        complete_only: leave out clips that lack any modality of the stores, whether the model takes it or not; where
            no model sees, those for which the manifest names no video. A model that only sees leaves out clips without
            video anyway.

    Raises:
        AvkerasError: a modality has no store, or a split no clip.
    """
    if missing := sorted(modalities - set(stores)):
        raise AvkerasError(f"no clip has {missing[0]}")
    used = {modality: store for modality, store in stores.items() if modality in modalities}
    by_manifest = complete_only and "video" not in stores and any(clip.video for clip in manifest.clips)
    sets = {}
    for split in ("train", "validation", "test"):
        clips = manifest.split(split)
        if by_manifest:
            clips = tuple(clip for clip in clips if clip.video)
        if complete_only:
            clips = ClipSet(clips, stores, manifest.classes, complete_only=True).clips
        sets[split] = ClipSet(clips, used, manifest.classes, complete_only=complete_only or "audio" not in modalities)
        if not len(sets[split]):
            lacking = " and ".join(sorted(stores if complete_only else modalities))
            raise AvkerasError(f"no clip of split {split} has {lacking}")
    return sets


def score_tagging(
    sets: Mapping[str, ClipSet],
    probabilities: Mapping[str, np.ndarray],
    *,
    with_video: np.ndarray,
    rule: str = "global",
) -> dict[str, Any]:
    """Chooses the threshold on validation and scores the test clips by it (2019, section 3.2.10).

    Args:
        sets: `validation` and `test`.
        probabilities: of their clips, `(clips, classes)`.
        with_video: which test clips have video, `(clips,)`.
        rule: of the decision.

    Returns:
        The fields of a `SystemResult` that are scores.
    """
    decision, validation = choose_decision(rule, sets["validation"].targets, probabilities["validation"])
    targets, found = sets["test"].targets, probabilities["test"]
    decided = decision.decide(found)
    one_label = bool((targets.sum(axis=1) == 1).all())
    seen = micro_f1(targets[with_video], decided[with_video]) if with_video.any() else None
    return {
        "threshold": decision.threshold,
        "f1": micro_f1(targets, decided),
        "f1_with_video": seen,
        "clips": len(targets),
        "accuracy": float((found.argmax(1) == targets.argmax(1)).mean()) if one_label else None,
        "validation": float(validation),
        "decision": rule,
    }


def decision_rows(sets: Mapping[str, ClipSet], probabilities: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns what each rule of decision reaches with the same probabilities (2019, section 3.2.10).

    Args:
        sets: `validation` and `test`.
        probabilities: of their clips, `(clips, classes)`.

    Returns:
        Per rule its name, and micro-F1 on validation, where it is chosen, and on test.
    """
    rows = []
    for rule in RULES:
        decision, validation = choose_decision(rule, sets["validation"].targets, probabilities["validation"])
        test = micro_f1(sets["test"].targets, decision.decide(probabilities["test"]))
        rows.append({"decision": rule, "validation": round(validation, 6), "test": round(test, 6)})
    return rows


def clips_with_video(clips: ClipSet, stores: Mapping[str, RecordReader]) -> np.ndarray:
    """Returns which clips have video, `(clips,)`, whether a model takes it or not."""
    records = stores["video"].records if "video" in stores else {}
    return np.array([clip.id in records and records[clip.id].frames > 0 for clip in clips.clips], bool)
