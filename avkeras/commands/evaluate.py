"""`avkeras evaluate`: scores of anyone's detected events."""

from pathlib import Path

HELP = "score anyone's detected events"
EXAMPLES = """  avkeras evaluate predictions.tsv --truth ground_truth.tsv
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --scores scores --tuning tuning.json
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --clip-probabilities clips.csv --clip-threshold 0.4

what the files look like (tabs between the fields; times in seconds):
  PREDICTIONS, --truth     filename onset offset event_label, a row an event; a clip without events has one row whose
                           other fields are empty. Files without header, with commas, in Latin-1 or UTF-16, packed by
                           gzip, of sed_eval, DESED_task or pandas are read, too; what was interpreted is said.
  --durations              filename duration. Clips listed here that the truth does not name are silent: what is
                           predicted there is false.
  --scores                 a folder with <clip>.tsv for each clip: onset offset class1 class2 ..., a row a frame or any
                           other segment of time, scores in [0, 1] (the files of sed_scores_eval). Clips that have
                           scores and no row in the truth are silent.
  --operating-points       a file of events with one column more, threshold; or a folder of files like PREDICTIONS.
  --clip-probabilities     id class1 class2 ..., a row a clip.
Clip names match with and without folder and ending: audio/a.wav, a.wav and a are one clip.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="detected events")
    parser.add_argument("--truth", required=True, type=Path, metavar="FILE", help="true events")
    parser.add_argument(
        "--durations", type=Path, metavar="FILE", help="length of each clip; for intersection-based F1 and PSDS"
    )
    parser.add_argument("--scores", type=Path, metavar="DIR", help="frame scores of each clip; for PSDS")
    parser.add_argument(
        "--operating-points", type=Path, metavar="PATH", help="events at many thresholds; for PSDS in place of --scores"
    )
    parser.add_argument("--logits", action="store_true", help="the scores are logits: take their sigmoid")
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME", help="score these only; default: those of truth and predictions"
    )
    parser.add_argument(
        "--filters",
        nargs="+",
        type=int,
        metavar="N",
        help="PSDS: median filter of the scores in frames, one for all classes or one per class of the scores",
    )
    parser.add_argument(
        "--offset-rule",
        choices=("larger", "smaller"),
        default="larger",
        help="event-based F1: an offset may miss by the larger of 200 ms and 20 %% of the event's length, as in "
        "sed_eval (default), or by the smaller",
    )
    parser.add_argument(
        "--clip-probabilities", type=Path, metavar="FILE", help="CBF1 of these instead of the events' classes"
    )
    parser.add_argument(
        "--clip-threshold", type=float, default=0.5, metavar="P", help="of --clip-probabilities; default: 0.5"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, the PSD-ROCs too, as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table of the classes with commas")
    parser.add_argument(
        "--check",
        action="store_true",
        help="ask sed_eval and psds-eval for the same figures; exit status 1 if one differs",
    )
    parser.add_argument(
        "--tuning", type=Path, metavar="FILE", help="tuning.json of a run: its classes, filters and clip thresholds"
    )


def run(options) -> None:
    """Scores, and shows the metrics."""
    from avkeras.commands.evaluate_view import show_check, show_evaluation
    from avkeras.commands.parser import UsageError
    from avkeras.evaluation import figures
    from avkeras.evaluation.evaluate import evaluate

    if options.filters and not options.scores:
        raise UsageError("--filters: median filters are for --scores, which is not given")
    if options.logits and not options.scores:
        raise UsageError("--logits: is said of --scores, which is not given")
    if options.scores and options.operating_points:
        raise UsageError("--scores and --operating-points: PSDS comes from one of them")
    filters = options.filters or 1
    classes, thresholds = options.classes, options.clip_threshold
    if options.tuning:
        from avkeras.experiments.detection_scores import Tuning

        tuning = Tuning.read(options.tuning)
        classes = classes or tuning.classes
        filters = tuning.psds_filters if options.scores else 1
        thresholds = dict(zip(tuning.classes, tuning.clip_thresholds, strict=True))
    evaluation = evaluate(
        options.predictions,
        options.truth,
        durations=options.durations,
        scores=options.scores,
        points=options.operating_points,
        filters=filters,
        classes=classes,
        offset_rule=options.offset_rule,
        logits=options.logits,
        clip_probabilities=options.clip_probabilities,
        clip_thresholds=thresholds,
    )
    if options.json:
        figures.write_json(options.json, evaluation)
    if options.csv:
        figures.write_csv(options.csv, evaluation)
    show_evaluation(evaluation)
    if options.check:
        from avkeras.evaluation.reference_check import check

        show_check(*check(evaluation, filters=filters))
