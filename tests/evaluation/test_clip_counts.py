import warnings

import numpy as np
import pytest

from avkeras.data.manifest import Event
from avkeras.evaluation.clip_counts import event_counts, intersection_counts, label_counts, segment_counts
from avkeras.evaluation.operating_points import operating_points_of_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PsdsSettings


def found(case, threshold):
    return decode_events(
        case.scores,
        classes=case.classes,
        seconds_per_frame=case.seconds_per_frame,
        thresholds=threshold,
        durations=case.durations,
    )


def sed_eval_metric(kind, case, predictions, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sed_eval.sound_event as reference
    metric = getattr(reference, kind)(event_label_list=list(case.classes), **options)
    for true, claimed in zip(case.truth, predictions, strict=True):
        as_dicts = [
            [{"onset": event.onset, "offset": event.offset, "event_label": event.label} for event in events]
            for events in (true, claimed)
        ]
        if as_dicts[0] or as_dicts[1]:
            metric.evaluate(*as_dicts)
    return metric


def assert_like_sed_eval(counts, metric, substitutions):
    for index, name in enumerate(counts.classes):
        expected = metric.class_wise[name]
        for ours, theirs in (("references", "Nref"), ("predicted", "Nsys"), ("correct", "Ntp")):
            assert getattr(counts, ours)[:, index].sum() == expected[theirs], (name, theirs)
    assert counts.substitutions.sum() == metric.overall[substitutions]
    rate = metric.overall_error_rate()
    assert counts.error_rate() == pytest.approx(rate["error_rate"], abs=1e-12)
    assert counts.deletions.sum() / counts.references.sum() == pytest.approx(rate["deletion_rate"], abs=1e-12)
    assert counts.insertions.sum() / counts.references.sum() == pytest.approx(rate["insertion_rate"], abs=1e-12)
    assert counts.micro_f1() == pytest.approx(metric.overall_f_measure()["f_measure"], abs=1e-12)


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_event_and_segment_counts_are_those_of_sed_eval(random_case, seed, crowded):
    # Crowded: several references reach for one event, so that the choice of the matching shows in the substitutions
    case = random_case(seed, crowded=crowded)
    if crowded:  # mislabelled neighbours are substitutions
        case.truth = [
            tuple(
                Event(event.onset, event.offset, case.classes[(place + seed) % 3]) for place, event in enumerate(events)
            )
            for events in case.truth
        ]
    predictions = found(case, 0.4)
    metric = sed_eval_metric(
        "EventBasedMetrics", case, predictions, t_collar=0.2, percentage_of_length=0.2, event_matching_type="optimal"
    )
    counts = event_counts(case.truth, predictions, classes=case.classes)
    assert_like_sed_eval(counts, metric, "Nsubs")
    metric = sed_eval_metric("SegmentBasedMetrics", case, predictions, time_resolution=1.0)
    assert_like_sed_eval(segment_counts(case.truth, predictions, classes=case.classes), metric, "S")


def test_a_matching_that_is_not_found_greedily():
    # The first event fits both references, the second only the first one: greedily only one would be matched
    truth = [[Event(1.0, 2.0, "Dog"), Event(1.15, 2.15, "Dog")]]
    claimed = [[Event(1.1, 2.1, "Dog"), Event(0.9, 1.9, "Dog")]]
    assert event_counts(truth, claimed, classes=["Dog"]).correct.tolist() == [[2]]


def test_the_offset_rules_differ():
    truth = [[Event(0.0, 5.0, "Dog")], [Event(0.0, 0.5, "Dog")]]
    claimed = [[Event(0.0, 5.7, "Dog")], [Event(0.0, 0.65, "Dog")]]  # misses 0.7 s of 5 s, 0.15 s of 0.5 s
    assert event_counts(truth, claimed, classes=["Dog"]).correct.ravel().tolist() == [1, 1]
    assert event_counts(truth, claimed, classes=["Dog"], offset_rule="smaller").correct.ravel().tolist() == [0, 0]
    with pytest.raises(ValueError, match="unknown offset_rule 'least': choose from larger, smaller"):
        event_counts(truth, claimed, classes=["Dog"], offset_rule="least")


@pytest.mark.parametrize("seed", range(4))
def test_intersection_counts_are_those_of_the_operating_point(random_case, seed):
    case = random_case(seed, on_grid=True)
    predictions = found(case, 0.5)
    counts = intersection_counts(case.truth, predictions, classes=case.classes, durations=case.durations)
    settings = PsdsSettings(dtc=0.5, gtc=0.5, cttc=None)
    points = operating_points_of_events(
        [predictions], case.truth, classes=case.classes, durations=case.durations, settings=settings
    )
    columns = [case.classes.index(name) for name in points.classes]
    assert (counts.correct.sum(axis=0)[columns] == points.correct[0]).all()
    assert ((counts.predicted - counts.correct).sum(axis=0)[columns] == points.false_positives[0]).all()
    # Each clip's own counts: those of the clip alone
    clip = int(np.argmax(counts.predicted.sum(axis=1)))
    if case.truth[clip]:
        alone = intersection_counts(
            [case.truth[clip]], [predictions[clip]], classes=case.classes, durations=case.durations[clip : clip + 1]
        )
        present = alone.references[0] > 0
        assert (alone.predicted[0] == counts.predicted[clip])[present].all()


def test_labels_and_bad_input():
    counts = label_counts([["Dog", "Cat"], []], [["Dog"], ["Dog"]], classes=["Cat", "Dog"])
    assert counts.correct.tolist() == [[0, 1], [0, 0]]
    with pytest.raises(ValueError, match="not defined"):
        counts.error_rate()
    with pytest.raises(ValueError, match="class 'Cow' is not among Dog"):
        event_counts([[Event(0, 1, "Cow")]], [[]], classes=["Dog"])
    with pytest.raises(ValueError, match="ground truth of 1 clips, predictions of 2"):
        segment_counts([[]], [[], []], classes=["Dog"])
    nothing = event_counts([[]], [[]], classes=["Dog"])
    assert nothing.micro_f1() == 0.0 == nothing.macro_f1()
    assert np.isnan(nothing.error_rate())


def test_a_class_that_only_predictions_have_is_false_in_every_micro_average():
    truth, predictions = [[Event(0.0, 3.0, "Dog")]], [[Event(0.0, 3.0, "Dog"), Event(0.0, 3.0, "dog")]]
    for counts in (
        intersection_counts(truth, predictions, classes=["Dog", "dog"], durations=[9.0]),
        event_counts(truth, predictions, classes=["Dog", "dog"]),
        segment_counts(truth, predictions, classes=["Dog", "dog"]),
    ):
        assert counts.micro_f1() == pytest.approx(2 / 3)
        assert counts.macro_f1() == 1.0
