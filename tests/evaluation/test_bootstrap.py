import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from test_exact_psds import segments_of

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import detections_at_all_thresholds
from avkeras.evaluation.bootstrap import bootstrap, compare, permutation_test, resample
from avkeras.evaluation.clip_counts import ClipCounts, event_counts
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import exact_psds, intersection_changes
from avkeras.evaluation.exact_segments import auroc, segment_changes
from avkeras.evaluation.inputs import merge_overlapping
from avkeras.evaluation.operating_points import (
    changes_of_detections,
    changes_of_events,
    operating_points,
    operating_points_of_events,
)
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, psds
from avkeras.evaluation.resampled_figures import AurocFigure, BestF1Figure, F1Figure, PsdsFigure
from avkeras.evaluation.threshold_changes import best_f1


def counts_of(random, clips, *, heard=0.5, found=0.8, wrong=0.1):
    """One class: clips with an item, which are found, and false ones, each with its probability."""
    true = random.random(clips) < heard
    correct = true & (random.random(clips) < found)
    predicted = correct.astype(int) + (random.random(clips) < wrong)
    columns = (np.asarray(column, np.int64)[:, None] for column in (true, predicted, correct))
    return ClipCounts(("Dog",), *columns)


def test_intervals_equal_scipys():
    counts = counts_of(np.random.default_rng(0), 60)

    def f1(references, predicted, correct, axis=-1):
        return 2 * correct.sum(axis=axis) / (references.sum(axis=axis) + predicted.sum(axis=axis))

    data = (counts.references[:, 0], counts.predicted[:, 0], counts.correct[:, 0])
    expected = stats.bootstrap(
        data, f1, n_resamples=500, paired=True, vectorized=True, method="basic", random_state=np.random.default_rng(7)
    ).confidence_interval
    found = bootstrap({"F1": F1Figure(counts)}, resamples=500, seed=7)["F1"]
    for name in ("micro", "macro", "Dog"):
        assert (found[name].low, found[name].high) == pytest.approx(tuple(expected), abs=1e-12)
    assert found["micro"].value == counts.micro_f1()


def test_intervals_cover_the_truth_as_often_as_they_say():
    # Half of the clips have an item, 0.8 of which are found, and 0.1 of all clips have a false one
    truth = 2 * 0.4 / (0.5 + 0.4 + 0.1)
    random = np.random.default_rng(1)
    inside = 0
    for seed in range(300):
        found = bootstrap({"F1": F1Figure(counts_of(random, 150))}, resamples=300, confidence=0.9, seed=seed)
        inside += found["F1"]["micro"].low <= truth <= found["F1"]["micro"].high
    # 0.9 give or take four standard deviations of 300 draws, 0.017 each
    assert 0.83 < inside / 300 < 0.97


def test_equal_systems_are_told_apart_as_seldom_as_they_should():
    random = np.random.default_rng(2)
    apart = {"bootstrap": 0, "permutation": 0}
    for seed in range(200):
        one = counts_of(random, 100)
        kept = one.references[:, 0] > 0
        found = kept & (random.random(100) < 0.8)
        predicted = found.astype(int) + (random.random(100) < 0.1)
        other = ClipCounts(one.classes, one.references, predicted[:, None], found.astype(int)[:, None])
        p_value = compare({"F1": F1Figure(one)}, {"F1": F1Figure(other)}, resamples=300, seed=seed)["F1"][
            "micro"
        ].p_value
        apart["bootstrap"] += p_value < 0.1
        apart["permutation"] += permutation_test(one, other, permutations=300, seed=seed)["micro"] < 0.1
    # 0.1 give or take four standard deviations of 200 draws, 0.021 each
    for share in apart.values():
        assert 0.015 < share / 200 < 0.185


def test_the_permutation_test_equals_all_permutations():
    random = np.random.default_rng(3)
    one = counts_of(random, 8, found=0.9)
    missed = np.where(np.arange(8) < 3, 0, one.correct[:, 0])[:, None]
    other = ClipCounts(one.classes, one.references, one.predicted - one.correct + missed, missed)
    both = F1Figure(one).beside(F1Figure(other))
    swaps = np.array(list(itertools.product([0.0, 1.0], repeat=8)))
    differences = np.abs(both.values(np.hstack([swaps, 1 - swaps])) - both.values(np.hstack([1 - swaps, swaps])))[:, 0]
    exact = (differences >= differences[0] - 1e-12).mean()
    assert 0.05 < exact < 0.95
    found = permutation_test(one, other, permutations=20000)["micro"]
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20000))


@pytest.fixture(name="figures")
def _figures(random_case):
    """All figures of a random case, of some clips of it, and the case."""
    case = random_case(2, clips=40)
    segments = segments_of(case)

    def of(clips):
        truth = [case.truth[clip] for clip in clips]
        own, durations, options = segments.take(clips), case.durations[clips], {"classes": case.classes}
        frames = {"seconds_per_frame": case.seconds_per_frame, "durations": durations, **options}
        predictions = decode_events(case.scores[clips], thresholds=0.5, **frames)
        detections = detections_at_all_thresholds(own)
        found = {"EBF1": F1Figure(event_counts(truth, predictions, **options))}
        for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
            tolerances = {"dtc": settings.dtc, "gtc": settings.gtc, "cttc": settings.cttc}
            changes = intersection_changes(own, truth, durations=durations, **tolerances, **options)
            points = changes_of_detections(detections, truth, settings=settings, durations=durations, **options)
            found |= {name: PsdsFigure(changes, settings), f"{name} of 50": PsdsFigure(points, settings)}
        active = segment_changes(own, truth, durations=durations, **options)
        found |= {"events": BestF1Figure(event_changes(own, truth, **options)), "segments": BestF1Figure(active)}
        return found | {"mAUC": AurocFigure(active), "mpAUC": AurocFigure(active, 0.1)}

    return of, case, segments


def test_figures_of_all_clips_are_the_figures(figures):
    of, case, segments = figures
    found = {name: figure.values(np.ones((1, 40)))[0] for name, figure in of(np.arange(40)).items()}
    options = {"classes": case.classes, "durations": case.durations}
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        exact = exact_psds(segments, case.truth, settings=settings, **options)
        assert found[name] == pytest.approx([exact.score, *exact.class_scores.values()], abs=1e-12)
        points = operating_points(
            case.scores, case.truth, seconds_per_frame=case.seconds_per_frame, settings=settings, **options
        )
        assert found[f"{name} of 50"][0] == pytest.approx(psds(points, settings), abs=1e-12)
    for name, changes in (
        ("events", event_changes(segments, case.truth, classes=case.classes)),
        ("segments", active := segment_changes(segments, case.truth, **options)),
    ):
        best = best_f1(changes)
        assert found[name] == pytest.approx([best.micro, best.macro, *best.per_class.values()], abs=1e-12)
    for name, limit in (("mAUC", 1.0), ("mpAUC", 0.1)):
        areas = list(auroc(active, max_fpr=limit).values())
        assert found[name] == pytest.approx([np.mean(areas), *areas], abs=1e-12)


def test_figures_of_resamples_are_those_of_the_drawn_clips(figures):
    of, _, _ = figures
    whole = of(np.arange(40))
    for seed in range(3):
        weights = resample(40, resamples=1, seed=seed)
        drawn = of(np.repeat(np.arange(40), weights[0].astype(int)))
        for name, figure in whole.items():
            value, expected = figure.values(weights)[0], drawn[name].values(np.ones((1, 40)))[0]
            # Event-based F1 lies at low thresholds, of which not all are tried
            tolerance = 0.03 if name == "events" else 1e-12
            assert value == pytest.approx(expected, abs=tolerance), name


def test_a_class_that_a_resample_lacks_is_left_out(figures):
    of, case, _ = figures
    weights = np.array([[0.0 if any(event.label == "Cat" for event in events) else 1.0 for events in case.truth]])
    assert weights.sum() > 5
    for figure in of(np.arange(40)).values():
        values = dict(zip(figure.names, figure.values(weights)[0], strict=True))
        assert np.isnan(values["Cat"])
        assert not np.isnan(values["Dog"])
        assert not np.isnan(next(iter(values.values())))


def test_a_system_equals_itself_and_differs_from_a_worse_one(figures):
    of, case, segments = figures
    good = of(np.arange(40))
    for parts in compare(good, good, resamples=50).values():
        for difference in parts.values():
            assert (difference.difference, difference.low, difference.high) == (0.0, 0.0, 0.0)
            assert difference.p_value == 1.0
    noise = np.random.default_rng(0)
    segments.scores[:] = noise.random(segments.scores.shape)
    case.scores = noise.random(case.scores.shape)
    found = compare(good, of(np.arange(40)), resamples=200)
    for name, key in (("mAUC", "mean"), ("segments", "macro"), ("events", "macro")):
        assert found[name][key].high < 0
        assert found[name][key].p_value < 0.02


def test_bad_arguments_are_refused(figures):
    of, _, _ = figures
    figure, fewer = of(np.arange(40)), of(np.arange(30))
    with pytest.raises(ValueError, match="confidence must lie"):
        bootstrap({"EBF1": figure["EBF1"]}, confidence=1.0)
    with pytest.raises(ValueError, match="figures differ"):
        compare(figure, {"EBF1": figure["EBF1"]})
    with pytest.raises(ValueError, match="EBF1: the systems' classes or clips differ"):
        compare({"EBF1": figure["EBF1"]}, {"EBF1": fewer["EBF1"]})
    with pytest.raises(ValueError, match="references differ"):
        permutation_test(figure["EBF1"].counts, fewer["EBF1"].counts)
    with pytest.raises(ValueError, match="above 0"):
        resample(0)


def test_a_class_that_is_never_found_takes_no_false_positives_into_the_average():
    truth = [[Event(0.0, 2.0, "Dog"), Event(5.0, 6.0, "Cat")]]
    scores = np.full((1, 10, 2), 0.1)
    scores[0, :2, 1], scores[0, 7:9, 0] = 0.9, 0.8
    options = {"classes": ("Cat", "Dog"), "durations": np.array([10.0])}
    segments = segments_of(SimpleNamespace(scores=scores, seconds_per_frame=1.0, **options))
    changes = event_changes(segments, truth, classes=("Cat", "Dog"))
    found = dict(zip(BestF1Figure(changes).names, BestF1Figure(changes).values(np.ones((1, 1)))[0], strict=True))
    best = best_f1(changes)
    assert (best.per_class, best.micro) == ({"Cat": 0.0, "Dog": 1.0}, pytest.approx(2 / 3))
    assert found == {"micro": pytest.approx(best.micro), "macro": 0.5, "Cat": 0.0, "Dog": 1.0}


@pytest.mark.parametrize("settings", [PSDS1, PSDS2])
def test_psds_of_operating_points_is_that_of_the_drawn_clips(random_case, settings):
    # Points in any order: what one clip gains from a point to the next, another may lose
    random = np.random.default_rng(0)
    for seed in range(4):
        case = random_case(seed, clips=10)
        options = {"classes": case.classes, "settings": settings}
        points = [
            [tuple(event for event in events if random.random() < share) for events in case.truth]
            for share in random.uniform(0.2, 1.0, 8)
        ]
        false = [Event(0.0, case.durations.min() / 3, label) for label in case.classes]
        points = [
            [merge_overlapping((*own, *(event for event in false if random.random() < 0.3))) for own in point]
            for point in points
        ]
        truth = [merge_overlapping(own) for own in case.truth]
        figure = PsdsFigure(changes_of_events(points, truth, durations=case.durations, **options), settings)
        for weights in resample(10, resamples=5, seed=seed):
            drawn = np.repeat(np.arange(10), weights.astype(int))
            counted = operating_points_of_events(
                [[point[clip] for clip in drawn] for point in points],
                [truth[clip] for clip in drawn],
                durations=case.durations[drawn],
                **options,
            )
            assert figure.values(weights[None])[0, 0] == pytest.approx(psds(counted, settings), abs=1e-12)
