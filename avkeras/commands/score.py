"""`avkeras score`: a tagger, trained or pretrained, on the clips of a manifest."""

import math
import sys
from pathlib import Path

HELP = "score a tagger, also a pretrained one, on the clips of a manifest"
EXAMPLES = """  avkeras score clips/manifest.tsv
  avkeras score desed/manifest.tsv --classes dcase2020 --out scores
  avkeras score clips/manifest.tsv --model runs/demo/audio+video --split validation
  avkeras score vggsounder/manifest.tsv --targets either --classes my_classes.csv

Without --model the best pretrained tagger that is there answers: EfficientAT, else YAMNet, with Audio Set's classes.
Those of DCASE 2017, 2018 and 2020 are made of them. A table of your own has the lines class,from,reason: a class of the
manifest, one of the model's that stands for it, and why; the highest probability counts.
"""
_SHOWN = 40


def add_arguments(parser) -> None:
    """Adds the options."""
    from avkeras.data.manifest import TARGETS
    from avkeras.evaluation.decisions import RULES

    parser.add_config()
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="table of the clips")
    parser.add_argument("--model", type=Path, metavar="DIR", help="as of predict; default: a pretrained tagger")
    parser.add_argument("--embedders", nargs="+", default=[], metavar="NAME_OR_DIR", help="as of predict")
    parser.add_argument(
        "--classes", metavar="NAME_OR_FILE", help="dcase2017, dcase2020 or a table; default: what fits the manifest"
    )
    parser.add_argument("--split", default="test", metavar="SPLIT", help="train, validation or test (default)")
    parser.add_argument("--targets", choices=TARGETS, default="heard", help="which classes count; default: those heard")
    parser.add_argument(
        "--decision",
        choices=RULES,
        help="thresholds, chosen on validation clips; default: global, or the model's own where there are none",
    )
    parser.add_argument("--threshold", type=float, metavar="P", help="one for all classes; nothing is chosen then")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for scores, classes and probabilities")


def run(options) -> None:
    """Tags and scores, and shows the figures."""
    from avkeras.commands.terminal import progress_bars
    from avkeras.data.class_maps import class_map
    from avkeras.data.manifest import read_manifest
    from avkeras.serving.predictor import load
    from avkeras.serving.tagger_scores import score_tagger

    manifest = read_manifest(options.manifest, targets=options.targets)
    mapping = class_map(options.classes) if options.classes else None
    predictor = load(options.model, embedders=options.embedders)
    values = {name: options[name] for name in ("split", "decision", "threshold")}
    with progress_bars() as step:
        found = score_tagger(predictor, manifest, classes=mapping, progress=step("clips"), **values)
    if options.out is not None:
        found.write(options.out)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(found, options.out)))


def _lines(found, out: Path | None) -> list[str]:
    lines = [f"{name:<24}{value:.4f}" for name, value in found.figures.items()]
    width = max(map(len, found.classes))
    rows = [row for row in found.rows if row["clips"]]
    if len(rows) <= _SHOWN:
        lines += ["", f"{'class':<{width}}  clips  predicted  correct      F1  average precision"]
        for row in rows:
            precision = "-" if math.isnan(row["average_precision"]) else f"{row['average_precision']:.4f}"
            lines.append(
                f"{row['class']:<{width}}  {row['clips']:>5}  {row['predicted']:>9}  {row['correct']:>7}  "
                f"{row['f1']:.4f}  {precision:>17}"
            )
    lines.append("")
    lines += [f"{len(found.clips)} clips, {len(found.left_out)} could not be used"]
    lines += [f"  left out: {id}: {reason}" for id, reason in found.left_out[:5]]
    lines += [f"note: {note}" for note in found.notes]
    if out is not None:
        lines.append(f"class by class, clip by clip: {out}")
    elif len(rows) > _SHOWN:
        lines.append(f"{len(rows)} classes: give --out for a table of them")
    return lines
