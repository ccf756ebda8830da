"""A tagger, trained or pretrained, scored on the clips of a manifest, whose classes need not be its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avkeras.data.class_maps import ClassMap, find_class_map
from avkeras.data.labels import clip_targets
from avkeras.data.manifest import SPLITS, Clip, Manifest
from avkeras.errors import AvkerasError, MediaError
from avkeras.evaluation.decisions import UNTUNED, Decision, choose_decision
from avkeras.evaluation.tagging_figures import tagging_figures
from avkeras.runs.files import write_json, write_rows
from avkeras.serving.predictor import Predictor


@dataclass
class TaggerScores:
    """What a tagger reached.

    Args:
        classes: names of the classes.
        clips: ids of the clips.
        targets: which classes they hold, `(clips, classes)`.
        probabilities: of the classes, `(clips, classes)`.
        decision: by which probabilities became classes.
        figures: of all classes together, see `avkeras.evaluation.tagging_figures.tagging_figures`.
        rows: a row per class.
        left_out: id and reason of each clip that could not be used.
        notes: what was mapped and how the decision was made, a line each.
    """

    classes: tuple[str, ...]
    clips: list[str]
    targets: np.ndarray
    probabilities: np.ndarray
    decision: Decision
    figures: dict[str, float]
    rows: list[dict]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: str | Path) -> None:
        """Writes `scores.json`, `classes.csv`, `probabilities.csv` (for `avkeras evaluate`) and `left_out.csv`."""
        folder = Path(folder)
        threshold = np.asarray(self.decision.threshold).tolist()
        facts = {"clips": len(self.clips), "left_out": len(self.left_out), "threshold": threshold, "notes": self.notes}
        write_json(folder / "scores.json", {**self.figures, **facts, "decision": self.decision.rule})
        write_rows(folder / "classes.csv", self.rows)
        rows = zip(self.clips, self.probabilities.tolist(), strict=True)
        table = [{"id": id, **dict(zip(self.classes, row, strict=True))} for id, row in rows]
        write_rows(folder / "probabilities.csv", table)
        write_rows(folder / "left_out.csv", [{"clip": id, "reason": reason} for id, reason in self.left_out])


def score_tagger(
    predictor: Predictor,
    manifest: Manifest,
    *,
    split: str = "test",
    classes: ClassMap | None = None,
    decision: str | None = None,
    threshold: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaggerScores:
    """Tags the clips of a split and scores what was found.

    The thresholds of the decision are chosen on the clips of `validation`, if there are some and they are not those
    that are scored; otherwise the model's own decide, as in `predict`.

    Args:
        predictor: from `avkeras.load`.
        manifest: the clips and their labels.
        split: which of its clips.
        classes: which of the model's classes stand for those of the manifest; default: what
            `avkeras.data.find_class_map` finds.
        decision: the rule, one of `avkeras.evaluation.decisions.RULES`; None: `global` where thresholds are chosen.
        threshold: one for all classes; nothing is chosen then.
        progress: called with (clips done, clips in all).

    Raises:
        AvkerasError: there is no such split, no clip of it can be used, the classes do not fit each other, or the rule
            that is asked for has thresholds to choose and there are no clips for it.
    """
    if split not in SPLITS:
        raise AvkerasError(f"split '{split}' is none of {', '.join(SPLITS)}")
    if not _labelled(manifest, split):
        raise AvkerasError(f"{manifest.path}: no clip of split {split} has labels; give another split")
    mapping = classes.only(manifest.classes) if classes else find_class_map(predictor.classes, manifest.classes)
    if mapping is not None:
        mapping.apply(np.zeros((1, len(predictor.classes))), predictor.classes)  # refused now, not after all clips
    tuned = threshold is None and decision not in UNTUNED and split != "validation"
    wanted = {name: _labelled(manifest, name) for name in (["validation"] if tuned else []) + [split]}
    if threshold is None and decision not in (None, *UNTUNED) and not wanted.get("validation"):
        raise AvkerasError(
            f"decision {decision}: its thresholds are chosen on clips of split validation, of which "
            f"{manifest.path} has none beside those that are scored; leave the decision out, or give a threshold"
        )
    left_out: list[tuple[str, str]] = []
    done, every = 0, sum(map(len, wanted.values()))
    found: dict[str, tuple[list[str], np.ndarray, np.ndarray]] = {}
    for name, clips in wanted.items():
        ids, targets, rows = [], [], []
        for clip in clips:
            try:
                answer = predictor.predict(clip.audio, video=clip.video)
            except MediaError as error:
                left_out.append((clip.id, str(error)))
            else:
                ids.append(clip.id)
                targets.append(clip_targets(clip.labels, manifest.classes))
                rows.append([answer.probabilities[one] for one in predictor.classes])
            done += 1
            if progress:
                progress(done, every)
        if rows:
            mapped = _mapped(np.array(rows), predictor.classes, mapping, manifest.classes)
            found[name] = (ids, np.array(targets), mapped)
    if split not in found:
        raise AvkerasError(f"{manifest.path}: no clip of split {split} can be used ({left_out[-1][1]})")
    notes = [] if mapping is None else [f"classes by the map {mapping.name}: the highest of those that stand for each"]
    if "validation" in found and tuned:
        chosen, _ = choose_decision(decision or "global", *found["validation"][1:])
        notes.append(f"decision: {chosen.rule}, chosen on {len(found['validation'][0])} validation clips")
    elif threshold is not None:
        chosen = Decision(decision if decision in UNTUNED else "global", threshold)
        notes.append(f"decision: {threshold:g} for all classes")
    elif decision in UNTUNED:
        chosen, _ = choose_decision(decision, *found[split][1:])  # looks at none of them
        notes.append(f"decision: {decision}, {chosen.threshold:g} for all classes")
    else:
        chosen, whose = _own_decision(predictor, mapping, manifest.classes)
        notes.append(f"decision: {whose}, nothing was tuned")
    ids, targets, probabilities = found[split]
    figures, rows = tagging_figures(targets, probabilities, chosen.decide(probabilities), classes=manifest.classes)
    return TaggerScores(manifest.classes, ids, targets, probabilities, chosen, figures, rows, left_out, notes)


def _labelled(manifest: Manifest, split: str) -> list[Clip]:
    return [clip for clip in manifest.split(split) if clip.supervision != "unlabelled"]


def _own_decision(predictor: Predictor, mapping: ClassMap | None, classes) -> tuple[Decision, str]:
    """Returns what the model decides by, for the classes of the manifest, and how to call it."""
    own = predictor.answer.decision
    if np.ndim(own.threshold) == 0:
        return own, f"the model's own ({own.rule}, {own.threshold:g})"
    if mapping is not None:
        return Decision("global", 0.5), "0.5 for all classes, as the model's own thresholds are of its own classes"
    place = {name: number for number, name in enumerate(predictor.classes)}
    return Decision(own.rule, [own.threshold[place[name]] for name in classes]), f"the model's own ({own.rule})"


def _mapped(rows: np.ndarray, own, mapping: ClassMap | None, classes) -> np.ndarray:
    if mapping is not None:
        return mapping.apply(rows, own)
    place = {name: number for number, name in enumerate(own)}
    return rows[:, [place[name] for name in classes]]
