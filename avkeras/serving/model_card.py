"""A model card beside every exported model: data, embedders, scores, limits, and how to serve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avkeras.serving.serving_examples import serving_examples

CARD = "MODEL_CARD.md"
_TITLES = {"tagging": "Audio tagging", "detection": "Sound event detection"}


def model_card(description: Mapping[str, Any], signatures: Mapping[str, Any], *, warm_up: bool) -> str:
    """Returns the text of a model card, in Markdown.

    Args:
        description: what `avkeras.json` holds. Of its `metadata`, `data` and `limits` are lists of lines, and `scores`
            is a list of `{"metric", "part", "mean", "deviation", "runs"}` with scores in [0, 1] (`deviation` None for
            one run); everything else is listed as it is.
        signatures: of the SavedModel.
        warm_up: whether warm-up requests lie beside the card.
    """
    metadata = dict(description.get("metadata") or {})
    data, scores, limits = (metadata.pop(name, ()) for name in ("data", "scores", "limits"))
    title = _TITLES[description["kind"]]
    sections = [
        f"# {title}: {_few(description['classes'])}",
        f"Exported by avkeras {description['avkeras']}.\n\n" + _lines([f"{k}: {v}" for k, v in metadata.items()]),
        "## Model\n\n" + _signatures(signatures),
        "## Data\n\n" + (_lines(data) or "Not told at the export."),
        "## Embedders\n\n" + _embedders(description),
        "## Scores\n\n" + _scores(scores),
        "## Known limits\n\n" + _lines([*limits, *_own_limits(description, scores)]),
        "## Serving\n\n" + serving_examples(signatures, lengths=description["lengths"], warm_up=warm_up),
        "## Files\n\n" + _files(description, warm_up),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _few(classes: Sequence[str]) -> str:
    shown = "; ".join(classes[:3])  # names hold commas
    return f"{shown} and {len(classes) - 3} more classes" if len(classes) > 3 else shown


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _signatures(signatures: Mapping[str, Any]) -> str:
    rows = ["| signature | inputs | outputs |", "|---|---|---|"]
    for name, signature in signatures.items():
        inputs = _tensors(signature.structured_input_signature[1])
        rows.append(f"| `{name}` | {inputs} | {_tensors(signature.structured_outputs)} |")
    masks = "A mask is true where a frame is real; all of it false: the clip has none of that input."
    return "\n".join(rows) + f"\n\nFirst dimension: the batch. `?`: any length. {masks}"


def _tensors(specs: Mapping[str, Any]) -> str:
    shapes = {
        name: ", ".join("?" if size is None else str(size) for size in spec.shape) for name, spec in specs.items()
    }
    return ", ".join(f"`{name}` ({shapes[name]}) {spec.dtype.name}" for name, spec in specs.items())


def _embedders(description: Mapping[str, Any]) -> str:
    rows = ["| input | embedder | values | licence of the weights | note |", "|---|---|---|---|---|"]
    for name, embedder in description["embedders"].items():
        spec = embedder["spec"]
        note = f"**{spec['note'] or 'a stand-in'}**" if spec["stand_in"] else spec["note"]
        if spec["modality"] == "audio":
            note += f"; sound at {spec.get('sample_rate', 16_000) / 1000:g} kHz"
        rows.append(f"| {name} | {spec['name']} | {spec['dim']} | {spec['licence'] or 'none given'} | {note} |")
    front_end = description.get("front_end")
    if front_end or description["kind"] == "detection":
        bands = description["inputs"]["audio"]
        made = f"{front_end['sample_rate'] / 1000:g} kHz, hop {front_end['hop']}" if front_end else "16 kHz, hop 313"
        rows.append(f"| audio | log-mel spectrogram of avkeras | {bands} | no weights | {made} |")
    elif not description["embedders"]:
        return "Not told at the export; requests must hold embeddings of the very ones of training."
    inside = "They are in this SavedModel." if description.get("bundled") else "They are not in this SavedModel."
    return "\n".join(rows) + f"\n\n{inside} Embeddings of others mean nothing to the model."


def _scores(scores: Sequence[Mapping[str, Any]]) -> str:
    if not scores:
        return "Not told at the export."
    rows = ["| metric | on | score in % | runs |", "|---|---|---|---|"]
    for score in scores:
        spread = "" if score.get("deviation") is None else f" ± {100 * score['deviation']:.1f}"
        rows.append(f"| {score['metric']} | {score['part']} | {100 * score['mean']:.1f}{spread} | {score['runs']} |")
    return "\n".join(rows) + "\n\n±: standard deviation over runs that differ by their seed; without it: one run."


def _own_limits(description: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what the description itself tells of the model's limits."""
    specs = [embedder["spec"] for embedder in description["embedders"].values()]
    lines = [
        f"{spec['name']} is a stand-in, not a pretrained network: scores say nothing of the papers' system."
        for spec in specs
        if spec["stand_in"]
    ]
    if scores and all(score["runs"] == 1 for score in scores):
        lines.append("Scores are of one run with one seed; how much they vary is not known.")
    if description["lengths"]:
        longest = ", ".join(f"{length} frames of {name}" for name, length in description["lengths"].items())
        lines.append(f"Made for clips of up to {longest}; cut longer ones into windows.")
    if any("non-commercial" in spec["licence"].lower() for spec in specs):
        lines.append("An embedder's licence allows non-commercial use only.")
    lines.append("Thresholds were tuned on validation clips; other recordings may need others.")
    return lines


def _files(description: Mapping[str, Any], warm_up: bool) -> str:
    decisions = "threshold" if description["kind"] == "tagging" else "thresholds, median filters, audio weight"
    lines = ["`classes.txt`: names, in the order of the outputs", f"`avkeras.json`: {decisions}, embedders"]
    lines.append("`library`: the model's graph alone, which avkeras loads fast")
    return _lines([*lines, *(["`tf_serving_warmup_requests`: a request per signature"] if warm_up else [])])
