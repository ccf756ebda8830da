"""The `avkeras` command. Nothing heavy is loaded before a subcommand needs it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import avkeras
from avkeras.console import one_line_errors, progress_bars, show_evaluation, show_events, show_prediction

PREDICT = """examples:
  avkeras predict clip.mp4 --model runs/demo/audio+video/saved_model
  avkeras predict clip.wav --model runs/demo/audio/saved_model --json
  avkeras predict clip.mp4 --model runs/detection --figures .
"""
DEMO = """examples:
  avkeras demo --out soundscapes
  avkeras demo --out soundscapes --task dcase2020 --clips 40 10 10 --seed 1
"""
EVALUATE = """examples:
  avkeras evaluate predictions.tsv --truth ground_truth.tsv
  avkeras evaluate predictions.tsv --truth ground_truth.tsv --durations durations.tsv --scores scores/

Files are tables with the columns filename, onset, offset and event_label (tabs between them; seconds).
"""
FETCH = """examples:
  avkeras fetch dcase2017 --out clips --limit 20
  avkeras fetch dcase2017 --out clips --splits train --jobs 4 --sleep 2
  avkeras fetch dcase2017 --out clips --retry failed blocked
  avkeras fetch dcase2020 --out desed --media DESED/dataset/audio --offline

A clip that failed is not tried again without --retry. The same command goes on where an interrupted one was.
"""
STATUS = """examples:
  avkeras status clips
  avkeras status clips --reasons
"""
EXTRACT = """examples:
  avkeras extract clips/manifest.tsv --embedders vggish vgg16
  avkeras extract clips/manifest.tsv --embedders efficientnet_lite0 --detection --out records
  avkeras extract clips/manifest.tsv --embedders vggish vgg16 --retry --strict
  avkeras extract clips/manifest.tsv --embedders vggish vgg16 --cluster 10.0.0.1:6379

The same command goes on where an interrupted one was. The recipes look in `records` beside the manifest.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one subcommand; a user's error ends it with one line and status 1."""
    parser = argparse.ArgumentParser(prog="avkeras", description=avkeras.__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"avkeras {avkeras.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_predict(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    _add_fetch(commands)
    _add_status(commands)
    _add_extract(commands)
    options = parser.parse_args(arguments)
    with one_line_errors():
        options.run(options)


def _command(commands, name: str, run, *, help: str, examples: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=help, description=help, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def _add_predict(commands) -> None:
    parser = _command(commands, "predict", _predict, help="say which sounds a media file holds", examples=PREDICT)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio or video files")
    parser.add_argument(
        "--model", required=True, type=Path, help="folder of a SavedModel (tagging) or of a run (detection) of a recipe"
    )
    parser.add_argument(
        "--figures", type=Path, default=Path("."), help="detection: folder for FILE.events.png; default: this one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file, on a line")


def _predict(options: argparse.Namespace) -> None:
    from avkeras.errors import AvkerasError
    from avkeras.experiments.predict_events import is_detection_model

    predict = _event_prediction(options) if is_detection_model(options.model) else _tag_prediction(options)
    failed = 0
    for file in options.files:
        try:
            predict(file)
        except AvkerasError as error:
            failed += 1
            sys.stderr.write(f"error: {error}\n")
    if failed:
        raise AvkerasError(f"{failed} of {len(options.files)} files could not be predicted")


def _tag_prediction(options: argparse.Namespace) -> Callable[[Path], None]:
    from avkeras.experiments.predict import load_predictor

    predictor = load_predictor(options.model)
    return lambda file: show_prediction(predictor.predict(file), as_json=options.json)


def _event_prediction(options: argparse.Namespace) -> Callable[[Path], None]:
    from avkeras.experiments.event_roll import event_roll_figure
    from avkeras.experiments.predict_events import load_event_predictor

    predictor = load_event_predictor(options.model)

    def predict(file: Path) -> None:
        prediction = predictor.predict(file)
        figure = event_roll_figure(options.figures / f"{file.name}.events.png", prediction)
        show_events(prediction, figure=figure, as_json=options.json)

    return predict


def _add_evaluate(commands) -> None:
    parser = _command(commands, "evaluate", _evaluate, help="score anyone's detected events", examples=EVALUATE)
    parser.add_argument("predictions", type=Path, help="table of detected events")
    parser.add_argument("--truth", required=True, type=Path, help="table of true events")
    parser.add_argument("--durations", type=Path, help="table of filename and duration in seconds; needed for PSDS")
    parser.add_argument("--scores", type=Path, help="folder with a table of frame scores per clip; needed for PSDS")


def _evaluate(options: argparse.Namespace) -> None:
    from avkeras.evaluation.evaluate import evaluate

    show_evaluation(evaluate(options.predictions, options.truth, durations=options.durations, scores=options.scores))


def _add_demo(commands) -> None:
    parser = _command(commands, "demo", _demo, help="make soundscapes with video as real media files", examples=DEMO)
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--task", choices=("dcase2017", "dcase2020"), default="dcase2017", help="classes and labels")
    parser.add_argument("--clips", nargs=3, type=int, default=(480, 120, 200), metavar=("TRAIN", "VALIDATION", "TEST"))
    parser.add_argument("--seed", type=int, default=0)


def _demo(options: argparse.Namespace) -> None:
    from avkeras.data.demo import make_demo

    clips = dict(zip(("train", "validation", "test"), options.clips, strict=True))
    with progress_bars() as step:
        manifest = make_demo(
            options.out, task=options.task, clips=clips, seed=options.seed, progress=step("soundscapes")
        )
    sys.stdout.write(f"{len(manifest.clips)} clips in {manifest.path}\n")


def _add_fetch(commands) -> None:
    parser = _command(
        commands, "fetch", _fetch, help="bring the clips of a DCASE task from their source", examples=FETCH
    )
    parser.add_argument("task", choices=("dcase2017", "dcase2020"), help="which task's lists")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for clips, ledger and manifest")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="train, validation, test or official parts; default: all"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each part, spread over its list")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="clips at a time; default: 2")
    parser.add_argument("--media", type=Path, metavar="DIR", help="files that you have, by official names; not copied")
    parser.add_argument("--offline", action="store_true", help="only take files of --media, never ask the source")
    parser.add_argument(
        "--retry",
        nargs="*",
        default=(),
        metavar="STATE",
        help="try again: gone, private, blocked, failed, video (clips without video); without a value: all",
    )
    parser.add_argument("--lists", type=Path, metavar="DIR", help="folder with the official lists; default: downloaded")
    parser.add_argument("--source", metavar="URL", help="address of a video, with {id} in it; default: YouTube's")
    parser.add_argument("--sleep", type=float, default=1.0, metavar="S", help="seconds between clips; default: 1")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="of a request; default: 30")
    parser.add_argument("--tries", type=int, default=4, metavar="N", help="when the source does not answer; default: 4")


def _fetch(options: argparse.Namespace) -> None:
    from avkeras.console_data import show_fetch
    from avkeras.data.fetch import fetch
    from avkeras.data.ledger import STATES

    retry = options.retry if options.retry != [] else (*STATES[1:], "video")
    names = ("splits", "limit", "jobs", "media", "offline", "lists", "sleep", "timeout", "tries")
    values = {name: getattr(options, name) for name in names}
    if options.source is not None:
        values["source"] = options.source
    with progress_bars() as step:
        summary = fetch(options.task, options.out, retry=retry, progress=step("clips"), **values)
    show_fetch(options.task, options.out, summary)


def _add_status(commands) -> None:
    parser = _command(commands, "status", _status, help="say what a fetch has brought so far", examples=STATUS)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the --out of a fetch")
    parser.add_argument("--reasons", action="store_true", help="every reason, not only the most frequent")


def _status(options: argparse.Namespace) -> None:
    from avkeras.console_data import show_status
    from avkeras.data.status import status

    show_status(status(options.folder), every_reason=options.reasons)


def _add_extract(commands) -> None:
    parser = _command(
        commands, "extract", _extract, help="turn the clips of a manifest into features on disk", examples=EXTRACT
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="table of the clips")
    parser.add_argument(
        "--embedders",
        nargs="+",
        required=True,
        metavar="NAME",
        help="names, TF Hub handles or folders: one of sound and one of pictures; with --detection any of pictures",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the stores; default: beside the manifest")
    parser.add_argument("--detection", action="store_true", help="also log-mel spectrograms and still images (2022)")
    parser.add_argument(
        "--visual-frames", type=int, default=64, metavar="N", help="still images per 10 s (2022); default: 64"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="clips at a time; default: all cores")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="do the work on a Ray cluster: host:port, or auto for this machine's"
    )
    parser.add_argument("--retry", action="store_true", help="try clips again that failed before")
    parser.add_argument("--strict", action="store_true", help="end with status 1 if any clip failed")


def _extract(options: argparse.Namespace) -> None:
    from avkeras.console_extract import show_extraction
    from avkeras.experiments.extraction import extract_manifest

    names = ("embedders", "out", "detection", "visual_frames", "workers", "cluster", "retry")
    values = {name: getattr(options, name) for name in names}
    with progress_bars() as step:
        runs = extract_manifest(options.manifest, progress=step, **values)
    show_extraction(runs, strict=options.strict)
