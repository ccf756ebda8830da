"""`avkeras predict`: the sounds in media files of the user's own."""

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.serving.predict import Prediction
    from avkeras.serving.predict_events import EventPrediction

HELP = "say which sounds a media file holds"
EXAMPLES = """  avkeras predict clip.mp4 --model runs/demo/audio+video
  avkeras predict clip.wav --model runs/demo/audio/saved_model --json
  avkeras predict clip.mp4 --model runs/detection --figures .
  avkeras predict clip.mp4 --model served_events/1
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio or video files")
    parser.add_argument(
        "--model",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of an exported model, of a system of a tagging run, or of a detection run",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="detection: folder for FILE.events.png; default: this one",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file, on a line")


def run(options) -> None:
    """Predicts file by file; one that cannot be used is named and the others go on."""
    from avkeras.errors import AvkerasError
    from avkeras.serving.predict_events import is_detection_model

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


def _tag_prediction(options) -> Callable[[Path], None]:
    from avkeras.serving.predict import load_predictor

    predictor = load_predictor(options.model)
    return lambda file: show_prediction(predictor.predict(file), as_json=options.json)


def _event_prediction(options) -> Callable[[Path], None]:
    from avkeras.reports.event_roll import event_roll_figure
    from avkeras.serving.predict_events import load_event_predictor

    predictor = load_event_predictor(options.model)

    def predict(file: Path) -> None:
        prediction = predictor.predict(file)
        figure = event_roll_figure(options.figures / f"{file.name}.events.png", prediction)
        show_events(prediction, figure=figure, as_json=options.json)

    return predict


def show_prediction(prediction: "Prediction", *, as_json: bool = False) -> None:
    """Shows the probabilities of one file, the highest first, and what was missing or replaced."""
    if as_json:
        fields = dataclasses.asdict(prediction) | {"path": str(prediction.path)}
        sys.stdout.write(json.dumps(fields) + "\n")
        return
    width = max(map(len, prediction.probabilities))
    lines = [str(prediction.path)]
    for name, value in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        lines.append(f"  {name:<{width}}  {value:.4f}{'  *' if name in prediction.present else ''}")
    lines += [f"  note: {note}" for note in prediction.notes]
    sys.stdout.write("\n".join(lines) + "\n")


def show_events(prediction: "EventPrediction", *, figure=None, as_json: bool = False) -> None:
    """Shows the events of one file with their times, and what was missing or replaced."""
    if as_json:
        fields = {
            "path": str(prediction.path),
            "events": [event._asdict() for event in prediction.events],
            "labels": prediction.labels,
            "probabilities": prediction.probabilities,
            "notes": prediction.notes,
            "figure": str(figure) if figure else None,
        }
        sys.stdout.write(json.dumps(fields) + "\n")
        return
    lines = [str(prediction.path)]
    for event in prediction.events:
        lines.append(f"  {event.onset:7.2f} - {event.offset:7.2f} s  {event.label}")
    lines += [] if prediction.events else ["  no event"]
    heard = ", ".join(f"{name} ({prediction.probabilities[name]:.2f})" for name in prediction.labels)
    lines.append(f"  in the whole clip: {heard or 'none of the classes'}")
    lines += [f"  note: {note}" for note in prediction.notes]
    lines += [f"  picture: {figure}"] if figure else []
    sys.stdout.write("\n".join(lines) + "\n")
