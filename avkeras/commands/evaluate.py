"""`avkeras evaluate`: scores of anyone's detected events."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.evaluation.evaluate import Evaluation

HELP = "score anyone's detected events"
EXAMPLES = """  avkeras evaluate predictions.tsv --truth ground_truth.tsv
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores

Files are tables with the columns filename, onset, offset and event_label (tabs between them; seconds).
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="table of detected events")
    parser.add_argument("--truth", required=True, type=Path, metavar="FILE", help="table of true events")
    parser.add_argument(
        "--durations", type=Path, metavar="FILE", help="table of filename and duration in seconds; needed for PSDS"
    )
    parser.add_argument(
        "--scores", type=Path, metavar="DIR", help="folder with a table of frame scores per clip; needed for PSDS"
    )


def run(options) -> None:
    """Scores, and shows the metrics."""
    from avkeras.evaluation.evaluate import evaluate

    show_evaluation(evaluate(options.predictions, options.truth, durations=options.durations, scores=options.scores))


def show_evaluation(evaluation: "Evaluation") -> None:
    """Shows the metrics of detected events."""
    for name, value in evaluation.summary().items():
        sys.stdout.write(f"{name:<8}{value:.6f}\n")
    if evaluation.silent_clips:
        sys.stdout.write(f"{evaluation.silent_clips} clips of the ground truth have no predicted event\n")
