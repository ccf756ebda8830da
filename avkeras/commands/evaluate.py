"""`avkeras evaluate`: scores of anyone's detected events."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.evaluation.evaluate import Evaluation

HELP = "score anyone's detected events"
EXAMPLES = """  avkeras evaluate predictions.tsv --truth ground_truth.tsv
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --scores scores --tuning tuning.json
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --clip-probabilities clips.csv --clip-threshold 0.4

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
    parser.add_argument(
        "--filters",
        nargs="+",
        type=int,
        default=[1],
        metavar="N",
        help="PSDS: median filter in frames, one for all classes or one per class of the scores; default: 1",
    )
    parser.add_argument(
        "--clip-probabilities",
        type=Path,
        metavar="FILE",
        help="CBF1 of these instead of the events' classes: a table of commas, id and a column per class",
    )
    parser.add_argument(
        "--clip-threshold", type=float, default=0.5, metavar="P", help="of --clip-probabilities; default: 0.5"
    )
    parser.add_argument(
        "--tuning", type=Path, metavar="FILE", help="tuning.json of a run: its filters for PSDS and clip thresholds"
    )


def run(options) -> None:
    """Scores, and shows the metrics."""
    from avkeras.evaluation.clip_probabilities import clip_f1_of_probabilities, read_clip_probabilities
    from avkeras.evaluation.evaluate import evaluate
    from avkeras.evaluation.files import read_events

    truth = read_events(options.truth)
    filters = options.filters[0] if len(options.filters) == 1 else options.filters
    thresholds, given = options.clip_threshold, {}
    if options.tuning:
        from avkeras.experiments.detection_scores import Tuning

        tuning = Tuning.read(options.tuning)
        filters, given = tuning.psds_filters, {"classes": tuning.classes}
        thresholds = dict(zip(tuning.classes, tuning.clip_thresholds, strict=True))
    evaluation = evaluate(
        options.predictions, truth, durations=options.durations, scores=options.scores, filters=filters, **given
    )
    if options.clip_probabilities:
        probabilities = read_clip_probabilities(options.clip_probabilities)
        clip = clip_f1_of_probabilities(probabilities, truth, thresholds=thresholds)
        evaluation = dataclasses.replace(evaluation, clip=clip)
    show_evaluation(evaluation)


def show_evaluation(evaluation: "Evaluation") -> None:
    """Shows the metrics of detected events."""
    for name, value in evaluation.summary().items():
        sys.stdout.write(f"{name:<8}{value:.6f}\n")
    if evaluation.silent_clips:
        sys.stdout.write(f"{evaluation.silent_clips} clips of the ground truth have no predicted event\n")
