"""The real system's output must come out to all digits, by the reference packages and by the vectorised paths."""

import dataclasses

import numpy as np
import pytest
from psds_peer import reference_psds

from avkeras.data.manifest import Event
from avkeras.evaluation.metrics import clip_f1, event_f1, intersection_f1, segment_f1
from avkeras.evaluation.operating_points import operating_points_of_events
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdsSettings, psds

ALL_DIGITS = {"rel": 0, "abs": 2e-15}  # the order of a last addition is all that may differ
WITHOUT_SPREAD = {"alpha_st": 0.0}
PSDS_VALUES = {
    "psds1": PSDS1,
    "psds1_alpha_st0": dataclasses.replace(PSDS1, **WITHOUT_SPREAD),
    "psds2": PSDS2,
    "psds2_alpha_st0": dataclasses.replace(PSDS2, **WITHOUT_SPREAD),
    "psds2_alpha_ct0": dataclasses.replace(PSDS2, alpha_ct=0.0),
}


@pytest.mark.parametrize(("metric", "kind"), [(event_f1, "event"), (segment_f1, "segment")])
def test_f1_of_the_real_system(mini, metric, kind):
    report = metric(mini.truth, mini.predictions, classes=mini.classes)
    expected = mini.expected[kind]
    assert report.micro == pytest.approx(expected["micro_f1"], **ALL_DIGITS)
    assert report.macro == pytest.approx(expected["macro_f1"], **ALL_DIGITS)
    assert report.per_class == pytest.approx(expected["per_class"], **ALL_DIGITS)
    assert {name: [*dataclasses.astuple(counts)] for name, counts in report.counts.items()} == expected["counts"]


def test_clip_f1_of_the_real_system(mini):
    labels = [[[event.label for event in events] for events in clips] for clips in (mini.truth, mini.predictions)]
    report = clip_f1(*labels, classes=mini.classes)
    assert report.micro == pytest.approx(mini.expected["clip"]["micro_f1"], **ALL_DIGITS)
    assert report.macro == pytest.approx(mini.expected["clip"]["macro_f1"], **ALL_DIGITS)
    assert sum(counts.correct for counts in report.counts.values()) == mini.expected["clip"]["tp"]


def test_intersection_f1_of_the_real_system(mini):
    report = intersection_f1(mini.truth, mini.predictions, classes=mini.classes, durations=mini.durations)
    assert report.macro == pytest.approx(mini.expected["intersection_f1_macro_dtc0.5_gtc0.5"], **ALL_DIGITS)
    assert report.per_class == pytest.approx(mini.expected["intersection_f1"], **ALL_DIGITS)


@pytest.mark.parametrize("name", PSDS_VALUES)
def test_psds_of_the_real_system(mini, name):
    settings = PSDS_VALUES[name]
    points = operating_points_of_events(
        mini.points, mini.truth, classes=mini.classes, durations=mini.durations, settings=settings
    )
    assert psds(points, settings) == pytest.approx(mini.expected[name], **ALL_DIGITS)


def test_psds_of_2020_of_the_real_system(mini):
    expected = mini.expected["psds_2020_alpha_ct_st_000_100_010"]
    for (alpha_ct, alpha_st), value in zip([(0, 0), (1, 0), (0, 1)], expected, strict=True):
        settings = PsdsSettings(alpha_ct=alpha_ct, alpha_st=alpha_st)
        points = operating_points_of_events(
            mini.points, mini.truth, classes=mini.classes, durations=mini.durations, settings=settings
        )
        assert psds(points, settings) == pytest.approx(value, **ALL_DIGITS)


@pytest.mark.parametrize("name", ["psds1", "psds2"])
def test_psds_eval_on_the_real_system(mini, name):
    value = reference_psds(
        mini.truth, mini.points, classes=mini.classes, durations=mini.durations, settings=PSDS_VALUES[name]
    )
    assert value == pytest.approx(mini.expected[name], **ALL_DIGITS)


def test_classes_without_events_and_empty_output():
    truth = [(Event(0.0, 1.0, "Dog"),), ()]
    report = event_f1(truth, [(), ()], classes=["Cat", "Dog"])
    assert report.macro == report.micro == report.per_class["Dog"] == 0.0
    assert np.isnan(report.per_class["Cat"])
    assert segment_f1([()], [()], classes=["Cat"]).micro == 0.0
    # psds-eval leaves a class without a correct event out of the mean: here it counts
    found = [(Event(0.0, 1.0, "Dog"),), ()]
    truth = [(Event(0.0, 1.0, "Dog"),), (Event(0.0, 1.0, "Cat"),)]
    assert intersection_f1(truth, found, classes=["Cat", "Dog"], durations=[2.0, 2.0]).macro == 0.5


@pytest.mark.parametrize("metric", [event_f1, segment_f1])
def test_bad_input_is_refused(metric):
    with pytest.raises(ValueError, match="ground truth of 1 clips, predictions of 0"):
        metric([()], [], classes=["Dog"])
    with pytest.raises(ValueError, match="predictions: unknown classes Fox; known: Dog"):
        metric([()], [(Event(0.0, 1.0, "Fox"),)], classes=["Dog"])
