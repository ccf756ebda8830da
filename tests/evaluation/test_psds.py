import dataclasses
import warnings

import pytest
from psds_peer import reference_psds

from avkeras.data.manifest import Event
from avkeras.evaluation.operating_points import best_psds_filters, operating_points, operating_points_of_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdsSettings, psds

THRESHOLDS = (0.05, 0.2, 0.35, 0.5, 0.7, 0.9)
DCASE_2020 = PsdsSettings(dtc=0.5, gtc=0.5, cttc=0.3, alpha_ct=1.0, alpha_st=0.0)


def events_at(case, filters):
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    return [decode_events(case.scores, thresholds=threshold, filters=filters, **options) for threshold in THRESHOLDS]


def fast_psds(case, settings, filters=1):
    points = operating_points(
        case.scores,
        case.truth,
        classes=case.classes,
        seconds_per_frame=case.seconds_per_frame,
        durations=case.durations,
        settings=settings,
        filters=filters,
        thresholds=THRESHOLDS,
    )
    return points, psds(points, settings)


@pytest.mark.parametrize("frames", [64, 10, 150])
@pytest.mark.parametrize("seed", range(4))
def test_psds_equals_psds_eval(random_case, frames, seed):
    # Ground truth on the frames' grid meets the tolerances exactly: the last bit of a sum decides
    case = random_case(seed, frames=frames, on_grid=seed % 2 == 0)
    filters = (3, 1, 7)
    events = events_at(case, filters)
    options = {"classes": case.classes, "durations": case.durations}
    for settings in (PSDS1, PSDS2, DCASE_2020, dataclasses.replace(PSDS2, max_efpr=1e3)):
        expected = reference_psds(case.truth, events, settings=settings, **options)
        points, value = fast_psds(case, settings, filters)
        assert value == pytest.approx(expected, abs=1e-9)
        of_events = operating_points_of_events(events, case.truth, settings=settings, **options)
        for name in ("correct", "false_positives", "cross_triggers", "references"):
            assert (getattr(points, name) == getattr(of_events, name)).all(), name
        assert psds(of_events, settings) == pytest.approx(expected, abs=1e-9)


def test_scores_of_real_use_are_above_zero(random_case):
    # Guards the parity tests: they would say little if every PSDS were 0
    values = [fast_psds(random_case(seed), dataclasses.replace(PSDS2, max_efpr=1e3))[1] for seed in range(4)]
    assert min(values) > 0.05
    assert max(values) < 0.95


def test_classes_without_events_are_left_out(random_case):
    case = random_case(0)
    case.truth = [[event for event in events if event.label != "Cat"] for events in case.truth]
    points, value = fast_psds(case, PSDS2)
    assert points.classes == ("Dog", "Speech")
    expected = reference_psds(
        case.truth, events_at(case, 1), classes=case.classes, durations=case.durations, settings=PSDS2
    )
    assert value == pytest.approx(expected, abs=1e-9)


def test_one_class_has_no_cross_triggers(random_case):
    case = random_case(0)
    case.truth = [[event for event in events if event.label == "Dog"] for events in case.truth]
    assert fast_psds(case, PSDS2)[1] == fast_psds(case, dataclasses.replace(PSDS2, alpha_ct=0.0))[1]


@pytest.mark.parametrize("settings", [PSDS1, PSDS2, DCASE_2020])
def test_a_perfect_system_of_one_class_scores_1(settings):
    # psds-eval averages its cross triggers over no other class: its rates are NaN, and so no point counts
    truth = [[Event(0.0, 2.0, "Dog")], [Event(1.0, 4.0, "Dog"), Event(5.0, 6.0, "Dog")], []]
    options = {"classes": ["Dog"], "durations": [10.0, 10.0, 10.0], "settings": settings}
    points = operating_points_of_events([truth], truth, **options)
    assert psds(points, settings) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert reference_psds(truth, [truth], **options) == 0.0


@pytest.mark.parametrize("settings", [PSDS1, DCASE_2020])
def test_best_filters_give_the_best_psds(random_case, settings):
    # Without the spread over classes the choice of each class is the choice for all
    settings = dataclasses.replace(settings, alpha_st=0.0, max_efpr=2000.0)
    case = random_case(6, clips=20)
    sizes = (1, 5, 11)
    filters, areas = best_psds_filters(
        case.scores,
        case.truth,
        classes=case.classes,
        seconds_per_frame=case.seconds_per_frame,
        durations=case.durations,
        settings=settings,
        thresholds=THRESHOLDS,
        filters=sizes,
    )
    scores = {(a, b, c): fast_psds(case, settings, (a, b, c))[1] for a in sizes for b in sizes for c in sizes}
    assert scores[tuple(filters)] == pytest.approx(max(scores.values()), abs=1e-12)
    assert areas.mean() == pytest.approx(max(scores.values()), abs=1e-12)
    assert max(scores.values()) > min(scores.values())


def test_bad_input_is_refused(random_case):
    case = random_case(0)
    case.truth[1] = (Event(0.0, 2.0, "Dog"), Event(1.5, 3.0, "Dog"))
    with pytest.raises(ValueError, match=r"ground truth, clip 1: events of class Dog overlap \(0-2 s and 1.5-3 s\)"):
        fast_psds(case, PSDS1)
    case.truth[1] = ()
    options = {"classes": case.classes, "durations": case.durations, "settings": PSDS1}
    overlapping = [[(Event(0.0, 2.0, "Dog"), Event(1.5, 3.0, "Dog")), *[()] * (len(case.truth) - 1)]]
    with pytest.raises(ValueError, match="predictions, clip 0: events of class Dog overlap"):
        operating_points_of_events(overlapping, case.truth, **options)
    with pytest.raises(ValueError, match="operating point 0: 1 clips"):
        operating_points_of_events([[()]], case.truth, **options)
    with pytest.raises(ValueError, match="an event ends before it begins"):
        operating_points_of_events([[[Event(2.0, 1.0, "Dog")], *[()] * (len(case.truth) - 1)]], case.truth, **options)
    with pytest.raises(ValueError, match="one class at least"):
        operating_points_of_events([[()]], [()], classes=["Dog"], durations=[1.0], settings=PSDS1)
    with pytest.raises(ValueError, match="must rise"):
        operating_points(
            case.scores, case.truth, classes=case.classes, seconds_per_frame=0.1, settings=PSDS1, thresholds=[0.5, 0.1]
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [({"dtc": 1.5}, "dtc"), ({"alpha_ct": 0.5, "cttc": None}, "cttc"), ({"alpha_st": -1}, "alpha_st")],
)
def test_settings_without_meaning_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PsdsSettings(**values)
