import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from avkeras.data.manifest import Event
from avkeras.evaluation.event_counts import _largest_matching
from avkeras.evaluation.metrics import event_f1, segment_f1
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.search import search_settings

SLOW_METRICS = {"event": event_f1, "segment": segment_f1}


def assert_counts_of_sed_eval(case, *, thresholds, filters):
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    found = search_settings(case.scores, case.truth, thresholds=thresholds, filters=filters, **options)
    for metric, slow in SLOW_METRICS.items():
        result = found[metric]
        assert result.thresholds.tolist() == sorted(thresholds, reverse=True)
        for i, threshold in enumerate(result.thresholds):
            for j, size in enumerate(result.filters):
                events = decode_events(case.scores, thresholds=threshold, filters=size, **options)
                report = slow(case.truth, events, classes=case.classes)
                for k, name in enumerate(case.classes):
                    counts = report.counts[name]
                    fast = (result.references[k], result.predicted[i, j, k], result.correct[i, j, k])
                    assert fast == (counts.references, counts.predicted, counts.correct), (
                        metric,
                        name,
                        threshold,
                        size,
                    )
                    if counts.references:
                        assert result.f1[i, j, k] == pytest.approx(report.per_class[name], abs=1e-12)


@pytest.mark.parametrize("frames", [64, 10, 150])
@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_sed_eval(random_case, frames, seed):
    assert_counts_of_sed_eval(random_case(seed, frames=frames), thresholds=[0.2, 0.5, 0.8], filters=[1, 3, 9])


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_sed_eval_where_references_crowd_and_meet_the_tolerances_exactly(random_case, seed):
    case = random_case(seed, crowded=True, on_grid=seed > 1)
    assert_counts_of_sed_eval(case, thresholds=[0.3, 0.5, 0.7], filters=[1, 3])


@pytest.mark.parametrize(
    ("references", "detections", "correct"),
    [
        # One detection within reach of two references: one of them is correct, not both
        ([(1.0, 1.3), (1.1, 1.4)], [(1.0, 1.35)], 1),
        # The first can take either detection, the second only the one that the first would take first
        ([(1.0, 1.2), (1.05, 1.1)], [(0.9, 1.1), (1.15, 1.35)], 2),
    ],
)
def test_references_that_claim_one_detection(references, detections, correct):
    truth = [[Event(onset, offset, "Dog") for onset, offset in references]]
    found = [[Event(onset, offset, "Dog") for onset, offset in detections]]
    assert event_f1(truth, found, classes=["Dog"]).counts["Dog"].correct == correct
    scores = np.zeros((1, 64, 1))
    for onset, offset in detections:
        scores[0, round(onset / 0.05) : round(offset / 0.05)] = 1
    result = search_settings(scores, truth, classes=["Dog"], seconds_per_frame=0.05, thresholds=[0.5], filters=[1])
    assert result["event"].correct.item() == correct


def test_matching_is_as_large_as_scipy_finds():
    random = np.random.default_rng(0)
    edges = np.sort(random.integers(0, 9, (500, 6, 2)), axis=-1)
    frames = np.arange(9)
    wanted = (frames >= edges[..., :1]) & (frames < edges[..., 1:])
    expected = [(maximum_bipartite_matching(csr_matrix(item), perm_type="column") >= 0).sum() for item in wanted]
    assert _largest_matching(wanted).tolist() == expected


def test_best_setting_is_the_first_of_the_best(random_case):
    case = random_case(2)
    truth = [[event for event in events if event.label != "Cat"] for events in case.truth]
    found = search_settings(case.scores, truth, classes=case.classes, seconds_per_frame=case.seconds_per_frame)
    for result in found.values():
        assert result.f1.shape == (9, 16, 3)
        thresholds, filters, f1 = result.best()
        for index in (1, 2):
            assert f1[index] == result.f1[..., index].max()
            place = np.argwhere(result.f1[..., index] == f1[index])[0]
            assert (thresholds[index], filters[index]) == (result.thresholds[place[0]], result.filters[place[1]])
        chosen = (result.thresholds == thresholds[0], result.filters == filters[0])
        assert result.predicted[chosen[0], chosen[1], 0] == result.predicted[..., 0].min()


def test_nothing_there_and_nothing_found():
    found = search_settings(np.zeros((2, 64, 1)), [(), ()], classes=["Dog"], seconds_per_frame=0.1)
    assert found["event"].f1.max() == found["segment"].f1.max() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": [()]}, "1 clips for scores of 2"),
        ({"truth": [(), (Event(0, 1, "Fox"),)]}, "'Fox' is not among Dog"),
        ({"scores": np.full((2, 64, 1), np.nan)}, "NaN, first for clip 0, frame 0, class Dog"),
        ({"scores": np.zeros((2, 64))}, "shape"),
        ({"filters": [2]}, "odd"),
        ({"metrics": ["psds"]}, "unknown metric psds"),
        ({"durations": [1.0]}, "one a clip"),
        ({"durations": [1.0, 0.0]}, "clip 1 has none"),
        ({"seconds_per_frame": 0}, "seconds_per_frame"),
    ],
)
def test_bad_input_is_refused(changes, message):
    options = {"classes": ["Dog"], "seconds_per_frame": 0.1}
    options |= changes
    with pytest.raises(ValueError, match=message):
        search_settings(options.pop("scores", np.zeros((2, 64, 1))), options.pop("truth", [(), ()]), **options)
