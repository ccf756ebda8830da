"""`avkeras predict`: the sounds in media files of the user's own."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.serving.prediction import Prediction
    from avkeras.serving.predictor import Predictor

HELP = "say which sounds a media file holds"
EXAMPLES = """  avkeras predict clip.mp4
  avkeras predict recordings '*.mp4' --top 3 --format csv
  avkeras predict clip.mp4 --model runs/demo/audio+video
  avkeras predict clip.wav --model runs/demo/audio/saved_model --json
  avkeras predict clip.mp4 --model runs/detection --figures .
  avkeras predict clip.mp4 --model runs/detection --format audacity
  avkeras predict *.mp4 --model served/1 --embedders embedders/mine

Without --model the best pretrained tagger that is there answers: EfficientAT, else YAMNet.
"""
FORMATS = ("text", "json", "csv", "tsv", "audacity")
PRETRAINED_TOP = 5


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    # Text, as the parser takes no path whose bytes are not UTF-8.
    parser.add_argument(
        "files", nargs="+", type=str, metavar="FILE", help="audio or video files, their folders, or patterns of them"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="folder of a run, of a system of a tagging run, or of an exported model; default: a pretrained tagger",
    )
    parser.add_argument(
        "--embedders",
        nargs="+",
        default=[],
        metavar="NAME_OR_DIR",
        help="those of training, where the model's folder does not tell where they are",
    )
    parser.add_argument(
        "--top",
        type=int,
        metavar="N",
        help=f"only the N likeliest classes; default: all, as text of a pretrained tagger {PRETRAINED_TOP}",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="json: an object per file, on a line; csv, tsv, audacity (one file): events, or each window's classes of "
        "a model that only tags",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="detection, as text or json: folder for FILE.events.png; default: this one",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="give a file up of which decoding makes nothing for so long; default: 120",
    )
    parser.add_argument(
        "--runtime",
        choices=("library", "python"),
        help="what runs the networks: TensorFlow's C library alone or its Python; default: the library, which starts "
        "sooner, where it can",
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")


def run(options) -> None:
    """Predicts file by file; one that cannot be used is named and the others go on."""
    from avkeras.errors import AvkerasError
    from avkeras.evaluation.files import EVENT_COLUMNS
    from avkeras.media.media_files import media_files
    from avkeras.serving.event_tables import DELIMITERS
    from avkeras.serving.predictor import load

    if options.json and options.format not in ("text", "json"):
        raise AvkerasError(f"--json, --format {options.format}: give one of them")
    form = "json" if options.json else options.format
    if options.top is not None and options.top < 1:
        raise AvkerasError(f"--top {options.top}: at least 1 is wanted")
    files = media_files(options.files)
    if form in DELIMITERS:
        _refuse_alike(files, form)
    predictor = load(options.model, embedders=options.embedders, patience=options.patience, runtime=options.runtime)
    if predictor.kind == "detection" and options.top is not None and form != "json":
        raise AvkerasError("--top: a detection model finds events; with it, --top goes with --format json")
    if predictor.kind == "detection" and form not in DELIMITERS and (alike := _alike(files)):
        raise AvkerasError(f"--figures {options.figures}: {alike}; give them one by one, each with a folder of its own")
    if form in ("csv", "tsv"):
        sys.stdout.write(DELIMITERS[form].join(EVENT_COLUMNS) + "\n")
    failed = 0
    for file in files:
        (prediction,) = predictor.predict([file])
        if prediction.error:
            failed += 1
            sys.stderr.write(printable(f"error: {file}: {prediction.error}\n"))
            continue
        sys.stdout.write(printable(_answer(prediction, predictor, form, options)))
    if failed:
        raise AvkerasError(f"{failed} of {len(files)} files could not be predicted")


def _refuse_alike(files: list[Path], form: str) -> None:
    from avkeras.errors import AvkerasError

    if form == "audacity" and len(files) > 1:
        raise AvkerasError(f"--format audacity: a label track names no file, so give one file, not {len(files)}")
    if alike := _alike(files):
        raise AvkerasError(f"--format {form}: {alike}; give them one by one, or take json")


def _alike(files: list[Path]) -> str:
    """Returns how many files have the most frequent name; nothing: all names differ."""
    name, count = Counter(file.name for file in files).most_common(1)[0]
    return f"{count} files are called {name}" if count > 1 else ""


def _answer(prediction: "Prediction", predictor: "Predictor", form: str, options) -> str:
    from avkeras.serving.event_tables import DELIMITERS, event_lines, found_events

    if form in DELIMITERS:
        events = found_events(prediction, decision=predictor.answer.decision, top=options.top)
        sys.stderr.write(printable("".join(f"note: {prediction.path}: {note}\n" for note in prediction.notes)))
        return event_lines(prediction.path.name, events, form=form)
    figure, top = None, options.top
    if predictor.kind == "detection":
        from avkeras.reports.event_roll import event_roll_figure

        with predictor.decoder() as decoder:
            place = options.figures / f"{prediction.path.name}.events.png"
            figure = event_roll_figure(place, prediction, decoder=decoder)
    if predictor.kind == "pretrained" and form == "text":
        top = top or PRETRAINED_TOP
    return shown(prediction, figure=figure, as_json=form == "json", top=top)


def shown(
    prediction: "Prediction", *, figure: Path | None = None, as_json: bool = False, top: int | None = None
) -> str:
    """Returns the text that is shown of a file: of a detection model its events, else the probabilities of classes.

    Args:
        prediction: of the file.
        figure: that was drawn of it.
        as_json: as an object on a line.
        top: only the likeliest so many classes, also of each window.
    """
    if as_json:
        fields = prediction.as_json() | ({"figure": str(figure)} if figure else {})
        if top is not None:
            for one in (fields, *fields["windows"]):
                one["probabilities"] = _likeliest(one["probabilities"], top)
        return json.dumps(fields) + "\n"
    lines = [str(prediction.path), *(_event_lines(prediction) if figure else _class_lines(prediction, top))]
    lines += [f"  note: {note}" for note in prediction.notes]
    lines += [f"  picture: {figure}"] if figure else []
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Returns a text in which bytes of file names that are no characters are written as `\\xff`.

    Example:
        >>> printable("a\\udcff.wav")
        'a\\\\xff.wav'
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _likeliest(probabilities: dict[str, float], top: int | None) -> dict[str, float]:
    from avkeras.serving.event_tables import likeliest

    return {name: probabilities[name] for name in likeliest(probabilities, top)}


def _class_lines(prediction: "Prediction", top: int | None) -> list[str]:
    rows = _likeliest(prediction.probabilities, top)
    width = max(map(len, rows))
    return [
        f"  {name:<{width}}  {value:.4f}{'  *' if name in prediction.labels else ''}" for name, value in rows.items()
    ]


def _event_lines(prediction: "Prediction") -> list[str]:
    lines = [f"  {event.onset:7.2f} - {event.offset:7.2f} s  {event.label}" for event in prediction.events]
    heard = ", ".join(f"{name} ({prediction.probabilities[name]:.2f})" for name in prediction.labels)
    return [*(lines or ["  no event"]), f"  in the whole clip: {heard or 'none of the classes'}"]
