"""What was found in a clip as rows of events, for tables and for Audacity's label tracks."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence

from avkeras.data.manifest import Event
from avkeras.evaluation.decisions import Decision
from avkeras.serving.prediction import EventPrediction, Prediction

DELIMITERS = {"audacity": "\t", "csv": ",", "tsv": "\t"}


def found_events(prediction: Prediction, *, decision: Decision, top: int | None = None) -> list[Event]:
    """Returns the events of a clip; of a model that only tags, each of its windows with the classes in it.

    Args:
        prediction: of the clip.
        decision: of a model that only tags, which classes are in a window.
        top: of a model that only tags: the likeliest so many classes of each window instead.

    Example:
        >>> from avkeras.serving.prediction import Window
        >>> windows = (Window(0.0, 10.0, {"Dog": 0.9, "Cat": 0.2}), Window(10.0, 14.5, {"Dog": 0.1, "Cat": 0.3}))
        >>> prediction = Prediction(None, {"Dog": 0.9, "Cat": 0.3}, windows=windows)
        >>> found_events(prediction, decision=Decision("class_wise", [0.5, 0.25]))
        [Event(onset=0.0, offset=10.0, label='Dog'), Event(onset=10.0, offset=14.5, label='Cat')]
    """
    if isinstance(prediction, EventPrediction):
        return list(prediction.events)
    found = []
    for start, end, probabilities in prediction.windows:
        if top is None:
            (present,) = decision.decide([list(probabilities.values())])
            labels = list(itertools.compress(probabilities, present))
        else:
            labels = likeliest(probabilities, top)
        found += [Event(start, end, label) for label in labels]
    return found


def likeliest(probabilities: dict[str, float], top: int | None = None) -> list[str]:
    """Returns the names of the likeliest classes, the likeliest first; of all, if `top` is None.

    Example:
        >>> likeliest({"Dog": 0.2, "Cat": 0.7, "Hen": 0.1}, top=2)
        ['Cat', 'Dog']
    """
    return sorted(probabilities, key=lambda name: -probabilities[name])[:top]


def event_lines(name: str, events: Sequence[Event], *, form: str) -> str:
    """Returns the lines of a clip's events.

    Args:
        name: of the clip.
        events: of the clip.
        form: `csv` and `tsv`: `filename onset offset event_label`, empty but for the first where there is no event;
            `audacity`: a label track, `onset offset event_label`, which names no clip.

    Example:
        >>> print(event_lines("a.wav", [Event(0.5, 2.0, "Child speech, kid speaking")], form="csv"), end="")
        a.wav,0.500,2.000,"Child speech, kid speaking"
    """
    rows = [[f"{onset:.3f}", f"{offset:.3f}", label] for onset, offset, label in events]
    if form != "audacity":
        rows = [[name, *row] for row in rows or [["", "", ""]]]
    text = io.StringIO()
    csv.writer(text, delimiter=DELIMITERS[form], lineterminator="\n").writerows(rows)
    return text.getvalue()
