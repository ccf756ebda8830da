"""`avkeras export`: the model of a run as a SavedModel for TF Serving."""

import sys
from pathlib import Path

HELP = "write a run's model for TF Serving, with a model card"
EXAMPLES = """  avkeras export runs/demo --out served/1
  avkeras export runs/demo --system audio --bundle --out served/2
  avkeras export runs/detection --out served_events/1 --overwrite
  avkeras export runs/mine --out served/3 --results runs/reproduce-2019/results.jsonl --cell CELL

The card, assets.extra/MODEL_CARD.md, tells data, embedders and licences, scores, limits and how to serve the model.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run, or of an exported model")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder to write; TF Serving wants a number as its name"
    )
    parser.add_argument(
        "--system",
        metavar="NAME",
        help="tagging: which system of the run, such as audio+video; default: the one with the best F1",
    )
    parser.add_argument("--bundle", action="store_true", help="tagging: put the embedders in, to be asked with media")
    parser.add_argument(
        "--embedders", nargs="+", default=[], metavar="NAME_OR_DIR", help="to bundle, where the run's are not found"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="results.jsonl of avkeras reproduce: scores with their spread"
    )
    parser.add_argument("--cell", metavar="CELL", help="which cell of --results; not needed if it holds one")
    parser.add_argument("--overwrite", action="store_true", help="replace a SavedModel that is there")


def run(options) -> None:
    """Exports, and says where the card is."""
    from avkeras.serving.export_run import export

    names = ("system", "bundle", "embedders", "results", "cell", "overwrite")
    folder = export(options.run, options.out, **{name: options[name] for name in names})
    extra = folder / "assets.extra"
    lines = [f"SavedModel in {folder}", f"Model card, with how to serve it: {extra / 'MODEL_CARD.md'}"]
    if not (extra / "tf_serving_warmup_requests").is_file():
        lines.append('No warm-up requests: pip install "tensorflow-serving-api>=2.16,<2.17"')
    sys.stdout.write("\n".join(lines) + "\n")
