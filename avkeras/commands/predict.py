"""`avkeras predict`: the sounds in media files of the user's own."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.serving.prediction import Prediction

HELP = "say which sounds a media file holds"
EXAMPLES = """  avkeras predict clip.mp4 --model runs/demo/audio+video
  avkeras predict clip.wav --model runs/demo/audio/saved_model --json
  avkeras predict clip.mp4 --model runs/detection --figures .
  avkeras predict *.mp4 --model served/1 --embedders embedders/mine
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    # Text, as the parser takes no path whose bytes are not UTF-8.
    parser.add_argument("files", nargs="+", type=str, metavar="FILE", help="audio or video files")
    parser.add_argument(
        "--model",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of a run, of a system of a tagging run, or of an exported model",
    )
    parser.add_argument(
        "--embedders",
        nargs="+",
        default=[],
        metavar="NAME_OR_DIR",
        help="those of training, where the model's folder does not tell where they are",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="detection: folder for FILE.events.png; default: this one",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="give a file up of which decoding makes nothing for so long; default: 120",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file, on a line")


def run(options) -> None:
    """Predicts file by file; one that cannot be used is named and the others go on."""
    from avkeras.errors import AvkerasError
    from avkeras.serving.predictor import load

    predictor = load(options.model, embedders=options.embedders, patience=options.patience)
    failed = 0
    for file in map(Path, options.files):
        (prediction,) = predictor.predict([file])
        if prediction.error:
            failed += 1
            sys.stderr.write(printable(f"error: {file}: {prediction.error}\n"))
            continue
        figure = None
        if predictor.kind == "detection":
            from avkeras.reports.event_roll import event_roll_figure

            with predictor.decoder() as decoder:
                figure = event_roll_figure(options.figures / f"{file.name}.events.png", prediction, decoder=decoder)
        sys.stdout.write(printable(shown(prediction, figure=figure, as_json=options.json)))
    if failed:
        raise AvkerasError(f"{failed} of {len(options.files)} files could not be predicted")


def shown(prediction: "Prediction", *, figure: Path | None = None, as_json: bool = False) -> str:
    """Returns the text that is shown of a file: of a detection model its events, else the probabilities of classes."""
    if as_json:
        fields = prediction.as_json() | ({"figure": str(figure)} if figure else {})
        return json.dumps(fields) + "\n"
    lines = [str(prediction.path), *(_event_lines(prediction) if figure else _class_lines(prediction))]
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


def _class_lines(prediction: "Prediction") -> list[str]:
    width = max(map(len, prediction.probabilities))
    rows = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    return [f"  {name:<{width}}  {value:.4f}{'  *' if name in prediction.labels else ''}" for name, value in rows]


def _event_lines(prediction: "Prediction") -> list[str]:
    lines = [f"  {event.onset:7.2f} - {event.offset:7.2f} s  {event.label}" for event in prediction.events]
    heard = ", ".join(f"{name} ({prediction.probabilities[name]:.2f})" for name in prediction.labels)
    return [*(lines or ["  no event"]), f"  in the whole clip: {heard or 'none of the classes'}"]
