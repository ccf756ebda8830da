"""An evaluation beside what sed_eval and psds-eval themselves say of the same events."""

import importlib.util
from typing import NamedTuple

import numpy as np

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.evaluate import SCENARIOS, Evaluation, scenario_detections
from avkeras.evaluation.metrics import event_f1, segment_f1
from avkeras.evaluation.psds import THRESHOLDS
from avkeras.evaluation.reference_psds import reference_psds

TOLERANCE = 1e-9  # sums of thousands of terms in another order


class Checked(NamedTuple):
    """A figure beside a reference tool's: its name, both values, the tool."""

    figure: str
    value: float
    reference: float
    tool: str

    @property
    def agrees(self) -> bool:
        """Whether both are equal within `TOLERANCE`."""
        return abs(self.value - self.reference) <= TOLERANCE


def check(evaluation: Evaluation) -> tuple[list[Checked], list[str]]:
    """Ask sed_eval and psds-eval for the figures that they have, too; takes a hundred times as long.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.

    Returns:
        The figures, and what could not be checked, a line each.

    Raises:
        AvkerasError: psds-eval is needed and not installed.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> from avkeras.evaluation.evaluate import evaluate
        >>> truth = {"a": [Event(0.0, 2.0, "Dog")], "b": [Event(0.0, 1.0, "Cat")]}
        >>> figures, _ = check(evaluate({"a": [Event(0.1, 2.1, "Dog")]}, truth))
        >>> [(row.figure, row.agrees) for row in figures if row.tool == "sed_eval"][:2]
        [('event micro F1', True), ('event macro F1', True)]
    """
    inputs = evaluation.inputs
    found, unchecked = [], []
    for kind, metric in (("event", event_f1), ("segment", segment_f1)):
        if kind == "event" and evaluation.offset_rule != "larger":
            unchecked.append("event-based F1: sed_eval has no such offset rule")
            continue
        report, counts = metric(inputs.truth, inputs.predictions, classes=inputs.classes), evaluation.counts[kind]
        found += [
            Checked(f"{kind} micro F1", counts.micro_f1(), report.micro, "sed_eval"),
            Checked(f"{kind} macro F1", counts.macro_f1(), report.macro, "sed_eval"),
        ]
        for name, value in zip(inputs.classes, counts.class_f1(), strict=True):
            if not np.isnan(value):
                found.append(Checked(f"{kind} F1 of {name}", float(value), report.per_class[name], "sed_eval"))
    if not evaluation.rocs:
        return found, unchecked
    if importlib.util.find_spec("psds_eval") is None:
        raise AvkerasError(
            "psds-eval is not installed: in an environment with numpy 1 and pandas 2, pip install psds-eval==0.5.3"
        )
    unchecked += [f"{name}: psds-eval has thresholds one by one only" for name in evaluation.rocs if "_all" in name]
    true_classes = {event.label for events in inputs.truth for event in events}
    for name, settings in SCENARIOS.items():
        if settings.alpha_ct and len(true_classes) == 1:
            unchecked.append(f"{name}: with one class psds-eval gives 0 for any system (a mean over no other class)")
            continue
        points = inputs.points or _points(evaluation, name)
        value = reference_psds(
            inputs.merged, points, classes=inputs.classes, durations=inputs.durations, settings=settings
        )
        found.append(Checked(name, evaluation.rocs[name].score, value, "psds-eval"))
    return found, unchecked


def _points(evaluation, scenario) -> list[list[list[Event]]]:
    """The events of each clip at each of 50 thresholds."""
    inputs = evaluation.inputs
    points = [[[] for _ in inputs.names] for _ in THRESHOLDS]
    every = {name: rest for name, _, *rest in scenario_detections(inputs, evaluation.filters, evaluation.boxes)}
    for label, found in zip(inputs.scored, every[scenario][1], strict=True):
        low = found.low
        for threshold, point in zip(THRESHOLDS, points, strict=True):
            some = (low < threshold) & (threshold <= found.high)
            columns = (found.clip[some], found.onset[some], found.offset[some])
            for clip, onset, offset in zip(*(column.tolist() for column in columns), strict=True):
                point[clip].append(Event(onset, offset, label))
    return points
