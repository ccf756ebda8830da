import numpy as np
import pytest
import sed_scores_peer as peer
from test_exact_psds import connected, segments_of, uneven

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import frame_segments
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import intersection_changes
from avkeras.evaluation.exact_segments import auroc, segment_changes
from avkeras.evaluation.threshold_changes import average_precision, best_f1


def case_of(random_case, seed, kind):
    """A random case that sed_scores_eval takes, and its segments."""
    case = random_case(seed, frames=(64, 25, 150)[seed % 3], crowded=kind == "crowded")
    case.truth = [
        [event for event in ([] if connected(events) else events) if event.offset > event.onset]
        for events in case.truth
    ]
    return case, uneven(case, seed) if kind == "uneven" else segments_of(case, 3 if kind == "filtered" else 1)


def assert_equal(found, module, tables, events, **options):
    """F1 at the best threshold and average precision beside what a module of sed_scores_eval gives."""
    from sed_scores_eval.base_modules.precision_recall import average_precision_from_intermediate_statistics

    ours = best_f1(found)
    f1, _, _, thresholds, _ = module.best_fscore(tables, events, **options)
    for name in found.classes:
        assert ours.per_class[name] == pytest.approx(f1[name], abs=1e-9)
        assert ours.thresholds[name] == thresholds[name]
    assert ours.macro == pytest.approx(f1["macro_average"], abs=1e-9)
    assert ours.micro == pytest.approx(f1["micro_average"], abs=1e-9)
    own = average_precision(found)
    statistics, _ = module.accumulated_intermediate_statistics(tables, events, **options)
    expected, _ = average_precision_from_intermediate_statistics(statistics)
    assert own == pytest.approx({name: expected[name] for name in found.classes}, abs=1e-9)


@pytest.mark.parametrize("kind", ["frames", "filtered", "uneven", "crowded"])
@pytest.mark.parametrize("seed", range(4))
def test_best_f1_and_average_precision_equal_sed_scores_eval(random_case, seed, kind, monkeypatch):
    case, segments = case_of(random_case, seed, kind)
    tables, events, package = peer.tables(segments, case.classes), peer.events(case.truth), peer.package()
    found = event_changes(segments, case.truth, classes=case.classes)
    options = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.2}
    assert_equal(found, package.collar_based, tables, events, **options)
    found = intersection_changes(
        segments, case.truth, classes=case.classes, durations=case.durations, dtc=0.5, gtc=0.5, cttc=None
    )
    assert_equal(found, package.intersection_based, tables, events, dtc_threshold=0.5, gtc_threshold=0.5)
    found = segment_changes(segments, case.truth, classes=case.classes, durations=case.durations)
    options = {"audio_durations": peer.seconds(case.durations), "segment_length": 1.0}
    assert_equal(found, package.segment_based, tables, events, **options)
    # Its area sorts by the rate alone, by a sort that is not stable, so that steps of one rate may come in any order
    sort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda values, **options: sort(values, **{"kind": "stable", **options}))
    for max_fpr in (1.0, 0.1):
        expected, _ = package.segment_based.auroc(tables, events, **options, max_fpr=max_fpr)
        areas = auroc(found, max_fpr=max_fpr)
        assert areas == pytest.approx({name: expected[name] for name in case.classes}, abs=1e-9)
        assert np.mean(list(areas.values())) == pytest.approx(expected["mean"], abs=1e-9)


def test_auroc_equals_scikit_learn():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    scores = random.random((20, 10, 1))  # frames are segments, and no two have one score
    active = random.random((20, 10)) < scores[:, :, 0]
    truth = [[Event(float(place), place + 1.0, "Dog") for place in np.flatnonzero(row)] for row in active]
    segments = frame_segments(scores, classes=["Dog"], seconds_per_frame=1.0)
    found = segment_changes(segments, truth, classes=["Dog"], durations=np.full(20, 10.0))
    assert auroc(found)["Dog"] == pytest.approx(roc_auc_score(active.ravel(), scores.ravel()), abs=1e-12)
    assert 0.6 < auroc(found)["Dog"] < 0.95


def test_the_cases_of_counts_say_something(random_case):
    best = []
    for seed in range(4):
        case, segments = case_of(random_case, seed, "frames")
        best.append(best_f1(event_changes(segments, case.truth, classes=case.classes)).macro)
    assert 0.1 < min(best) < max(best) < 0.95


def test_one_class_everywhere_and_perfect(random_case):
    segments = frame_segments([[[0.1], [0.9], [0.9], [0.2]], [[0.0]] * 4], classes=["Dog"], seconds_per_frame=1.0)
    truth = [[Event(1.0, 3.0, "Dog")], []]
    assert best_f1(event_changes(segments, truth, classes=["Dog"])).macro == 1.0
    found = segment_changes(segments, truth, classes=["Dog"], durations=[4.0, 4.0])
    assert best_f1(found).macro == average_precision(found)["Dog"] == 1.0
    assert auroc(found) == auroc(found, max_fpr=0.1) == {"Dog": 1.0}
    # Active in all segments there are: no false positive is possible
    found = segment_changes(segments.take([0]), [[Event(0.0, 4.0, "Dog")]], classes=["Dog"], durations=[4.0])
    assert auroc(found) == {"Dog": 1.0}


@pytest.mark.parametrize(("offset", "f1", "area"), [(1.0, 1.0, 1.0), (2.2, 2 / 3, 1 / 3)])
def test_segments_behind_the_last_score_hold_none(offset, f1, area):
    # Scores end at 1 s, the clips at 2.5 s; sed_scores_eval 0.0.4 gives these numbers
    scores = [[[0.1], [0.2], [0.3], [0.8]], [[0.6], [0.2], [0.3], [0.5]]]
    segments = frame_segments(scores, classes=["Dog"], seconds_per_frame=0.25, durations=[2.5, 2.5])
    truth = [[Event(0.0, offset, "Dog")], []]
    found = segment_changes(segments, truth, classes=["Dog"], durations=[2.5, 2.5])
    assert best_f1(found).macro == pytest.approx(f1, abs=1e-12)
    assert auroc(found)["Dog"] == pytest.approx(area, abs=1e-12)


def test_classes_without_events_are_left_out_of_counts():
    segments = frame_segments(np.full((1, 4, 2), 0.5), classes=["Cat", "Dog"], seconds_per_frame=1.0)
    options = {"classes": ["Cat", "Dog"]}
    truth = [[Event(1.0, 3.0, "Dog")]]
    assert event_changes(segments, truth, **options).classes == ("Dog",)
    assert segment_changes(segments, truth, durations=[4.0], **options).classes == ("Dog",)


def test_bad_input_of_counts_is_refused():
    segments = frame_segments([[[0.5]]], classes=["Dog"], seconds_per_frame=1.0)
    with pytest.raises(ValueError, match="unknown offset_rule 'least'"):
        event_changes(segments, [[]], classes=["Dog"], offset_rule="least")
    with pytest.raises(ValueError, match="ground truth of 2 clips for scores of 1"):
        event_changes(segments, [[], []], classes=["Dog"])
    with pytest.raises(ValueError, match="2 durations for scores of 1"):
        segment_changes(segments, [[]], classes=["Dog"], durations=[1.0, 1.0])
    with pytest.raises(ValueError, match="max_fpr must lie in"):
        auroc(segment_changes(segments, [[Event(0, 1, "Dog")]], classes=["Dog"], durations=[1.0]), max_fpr=0.0)
