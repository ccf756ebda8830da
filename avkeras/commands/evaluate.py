"""`avkeras evaluate`: scores of anyone's detected events."""

import ctypes
import dataclasses
import os
from pathlib import Path

HELP = "score anyone's detected events"
EXAMPLES = """  avkeras evaluate predictions.tsv --truth ground_truth.tsv
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --scores scores --tuning tuning.json
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --clip-probabilities clips.csv --clip-threshold 0.4
  avkeras evaluate --truth test.tsv --scores test/ --post-processing boxes --validation-truth val.tsv \\
                   --validation-scores val/
  avkeras evaluate a.tsv b.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores_a scores_b

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
Two PREDICTIONS are two systems on the same clips: they are shown beside each other with a paired test. Options that
say something of a system (--scores, --operating-points, --clip-probabilities, --tuning) then take two values.
Clip names match with and without folder and ending: audio/a.wav, a.wav and a are one clip.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument(
        "predictions", type=Path, nargs="*", metavar="PREDICTIONS", help="detected events; two files for two systems"
    )
    parser.add_argument("--truth", required=True, type=Path, metavar="FILE", help="true events")
    parser.add_argument(
        "--durations", type=Path, metavar="FILE", help="length of each clip; for intersection-based F1 and PSDS"
    )
    parser.add_argument("--scores", type=Path, nargs="+", metavar="DIR", help="frame scores of each clip; for PSDS")
    parser.add_argument(
        "--operating-points",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="events at many thresholds; for PSDS in place of --scores",
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
        "--clip-probabilities",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="CBF1 of these, not of the events' classes",
    )
    parser.add_argument(
        "--clip-threshold", type=float, default=0.5, metavar="P", help="of --clip-probabilities; default: 0.5"
    )
    parser.add_argument(
        "--tuning",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="tuning.json of a run: its classes, filters and clip thresholds",
    )
    parser.add_argument(
        "--post-processing",
        choices=("median", "boxes", "hysteresis"),
        help="make the events of --scores, in place of PREDICTIONS: thresholds and median filters, sound event "
        "bounding boxes, or two thresholds with gaps filled; tuned on the validation set",
    )
    parser.add_argument("--validation-truth", type=Path, metavar="FILE", help="--post-processing: true events")
    parser.add_argument("--validation-scores", type=Path, metavar="DIR", help="--post-processing: scores")
    parser.add_argument(
        "--bootstrap",
        type=int,
        metavar="N",
        help="95 %% intervals of every figure from N resamples of the clips; of two systems: the number of resamples "
        "(default: 1000)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, the PSD-ROCs too, as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table of the classes with commas")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the tables and the PSD-ROCs")
    parser.add_argument(
        "--check",
        action="store_true",
        help="ask sed_eval and psds-eval for the same figures; exit status 1 if one differs",
    )


def run(options) -> None:
    """Scores, and shows the metrics."""
    # The products are small: a second thread of the linear algebra would only wait, at full load
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _keep_freed_memory()
    from avkeras.commands import evaluate_view as view
    from avkeras.evaluation import figures

    systems = _systems(options)
    evaluations = [_evaluate(options, **system) for system in systems]
    if len(evaluations) == 2 and evaluations[0].inputs.classes != evaluations[1].inputs.classes:
        every = {name for one in evaluations for name in one.inputs.classes}
        evaluations = [_evaluate(options, more_classes=tuple(every), **system) for system in systems]
    if len(evaluations) == 2:
        from avkeras.evaluation.resampling import compare_systems

        found, tests = compare_systems(*evaluations, resamples=options.bootstrap or 1000)
        if options.json:
            figures.write_json(options.json, figures.comparison_data(found, tests, evaluations))
        if options.csv:
            figures.write_csv(options.csv, figures.comparison_rows(found, tests))
        names = [str(path) for path in options.predictions]
        if options.html:
            from avkeras.reports.evaluation_page import write_comparison_page

            write_comparison_page(options.html, evaluations, names, found, tests)
        view.show_comparison(found, tests, evaluations, names)
    else:
        (evaluation,) = evaluations
        found = {}
        if options.bootstrap:
            from avkeras.evaluation.resampling import intervals

            found = intervals(evaluation, resamples=options.bootstrap)
        if options.json:
            figures.write_json(options.json, figures.as_data(evaluation, found))
        if options.csv:
            figures.write_csv(options.csv, figures.table_rows(evaluation))
        if options.html:
            from avkeras.reports.evaluation_page import write_evaluation_page

            write_evaluation_page(options.html, evaluation, found)
        view.show_evaluation(evaluation, found)
    if options.check:
        from avkeras.evaluation.reference_check import check

        for evaluation in evaluations:
            view.show_check(*check(evaluation))


def _keep_freed_memory() -> None:
    """Lets glibc reuse large arrays rather than have the system clear new pages for each: an eighth of the time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    for option, size in ((-3, 1 << 25), (-1, 1 << 29)):  # M_MMAP_THRESHOLD (its largest value), M_TRIM_THRESHOLD
        mallopt(option, size)


def _systems(options) -> list[dict]:
    """The options of each system."""
    from avkeras.commands.parser import UsageError

    made = options.post_processing
    if made and not (options.scores and options.validation_truth and options.validation_scores):
        raise UsageError("--post-processing: --scores, --validation-truth and --validation-scores are needed")
    if made and (options.predictions or options.filters or options.tuning or len(options.scores) > 1):
        raise UsageError("--post-processing: makes the events of one system; no PREDICTIONS, --filters, --tuning")
    if not made and (options.validation_truth or options.validation_scores):
        raise UsageError("--validation-truth and --validation-scores: are for --post-processing, which is not given")
    if not made and not options.predictions:
        raise UsageError("missing: PREDICTIONS")
    if len(options.predictions) > 2:
        raise UsageError("PREDICTIONS: one file, or two of two systems")
    if options.filters and not options.scores:
        raise UsageError("--filters: median filters are for --scores, which is not given")
    if options.logits and not options.scores:
        raise UsageError("--logits: is said of --scores, which is not given")
    if options.scores and options.operating_points:
        raise UsageError("--scores and --operating-points: PSDS comes from one of them")
    if options.bootstrap is not None and options.bootstrap < 1:
        raise UsageError("--bootstrap: the number of resamples must be above 0")
    systems = [{"predictions": path} for path in options.predictions or [None]]
    for name in ("scores", "operating_points", "clip_probabilities", "tuning"):
        given = options[name] or [None] * len(systems)
        if len(given) != len(systems):
            word = "--" + name.replace("_", "-")
            raise UsageError(f"{word}: {len(given)} for {len(systems)} PREDICTIONS; one is needed for each")
        for system, value in zip(systems, given, strict=True):
            system[name] = value
    return systems


def _evaluate(options, *, predictions, scores, operating_points, clip_probabilities, tuning, more_classes=()):
    """Scores a system."""
    from avkeras.evaluation.evaluate import evaluate

    filters = options.filters or 1
    classes, thresholds = options.classes, options.clip_threshold
    boxes, done = None, []
    if tuning:
        from avkeras.evaluation.score_files import load_scores, sizes_of
        from avkeras.experiments.detection_scores import Tuning

        chosen = Tuning.read(tuning)
        classes = classes or chosen.classes
        if scores:
            scores = load_scores(scores, logits=options.logits, notes=done)
            filters = {name: sizes_of(scores, chosen.classes, own) for name, own in chosen.psds_filters.items()}
        thresholds = dict(zip(chosen.classes, chosen.clip_thresholds, strict=True))
    if options.post_processing:
        from avkeras.evaluation.score_files import load_scores
        from avkeras.evaluation.tuned_events import tune_events

        tuned = tune_events(
            options.post_processing, options.validation_truth, options.validation_scores, logits=options.logits
        )
        scores = load_scores(scores, logits=options.logits, notes=done)
        predictions = tuned.events(scores)
        filters, boxes = tuned.filters_of(scores), tuned.boxes_by_class()
        done.append(f"events by {tuned.summary()}")
    found = evaluate(
        predictions,
        options.truth,
        durations=options.durations,
        scores=scores,
        points=operating_points,
        filters=filters,
        boxes=boxes,
        classes=classes,
        offset_rule=options.offset_rule,
        logits=options.logits,
        clip_probabilities=clip_probabilities,
        clip_thresholds=thresholds,
        more_classes=more_classes,
    )
    return dataclasses.replace(found, notes=(*done, *found.notes))
