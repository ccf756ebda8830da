import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import sed_scores_peer as peer

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores, detections_at_all_thresholds, frame_segments
from avkeras.evaluation.exact_psds import exact_psds
from avkeras.evaluation.operating_points import operating_points
from avkeras.evaluation.postprocess import decode_events, median_filter
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdsSettings, psd_roc

DCASE_2020 = PsdsSettings(dtc=0.5, gtc=0.5, cttc=0.3, alpha_ct=1.0, alpha_st=0.0)


def segments_of(case, filters=1):
    return frame_segments(
        case.scores,
        classes=case.classes,
        seconds_per_frame=case.seconds_per_frame,
        durations=case.durations,
        filters=filters,
    )


def uneven(case, seed):
    """Scores that are constant over segments of random lengths, in the whole clip."""
    random = np.random.default_rng(seed)
    parts = []
    for clip, duration in enumerate(case.durations):
        edges = np.unique(np.concatenate([[0.0, duration], random.uniform(0, duration, random.integers(0, 20))]))
        scores = random.choice([0.1, 0.3, 0.5, 0.7, 0.9], (len(edges) - 1, len(case.classes)))
        parts.append((np.full(len(scores), clip), edges[:-1], edges[1:], scores))
    return SegmentScores(*(np.concatenate(column) for column in zip(*parts, strict=True)), len(case.durations))


def reference(segments, case, settings):
    return peer.package().intersection_based.psds(
        peer.tables(segments, case.classes),
        peer.events(case.truth),
        peer.seconds(case.durations),
        dtc_threshold=settings.dtc,
        gtc_threshold=settings.gtc,
        cttc_threshold=settings.cttc if settings.alpha_ct else None,
        alpha_ct=settings.alpha_ct,
        alpha_st=settings.alpha_st,
        max_efpr=settings.max_efpr,
    )


def connected(events):
    """Whether events of one class touch, which sed_scores_eval refuses."""
    events = sorted(events, key=lambda event: (event.label, event.onset))
    return any(one.label == other.label and one.offset >= other.onset for one, other in pairwise(events))


@pytest.mark.parametrize("kind", ["frames", "filtered", "uneven"])
@pytest.mark.parametrize("seed", range(6))
def test_exact_psds_equals_sed_scores_eval(random_case, seed, kind):
    # Odd seeds have ties between scores; on the grid of frames, shares meet their tolerances exactly
    case = random_case(seed, frames=(64, 10, 150)[seed % 3], on_grid=seed in (2, 3))
    for clip, events in enumerate(case.truth):
        if connected(events):
            case.truth[clip] = events[:1]
    segments = uneven(case, seed) if kind == "uneven" else segments_of(case, (3, 1, 7) if kind == "filtered" else 1)
    detections = detections_at_all_thresholds(segments)
    for settings in (PSDS1, PSDS2, DCASE_2020, dataclasses.replace(PSDS2, max_efpr=1e3)):
        expected, classes, _, _ = reference(segments, case, settings)
        found = exact_psds(
            segments,
            case.truth,
            classes=case.classes,
            durations=case.durations,
            settings=settings,
            detections=detections,
        )
        assert found.score == pytest.approx(expected, abs=1e-9)
        assert found.class_scores == pytest.approx(classes, abs=1e-9)


def test_the_cases_say_something(random_case):
    values = []
    for seed in range(4):
        case = random_case(seed)
        settings = dataclasses.replace(PSDS2, max_efpr=1e3)
        options = {"classes": case.classes, "durations": case.durations, "settings": settings}
        values.append(exact_psds(segments_of(case), case.truth, **options).score)
    assert 0.05 < min(values) < max(values) < 0.95


def test_many_operating_points_come_near_and_stay_below(random_case):
    case = random_case(2)
    settings = dataclasses.replace(PSDS1, alpha_st=0.0, max_efpr=2000.0)
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    scores = []
    for thresholds in (np.arange(0.01, 1, 0.02), np.unique(case.scores)):
        points = operating_points(case.scores, case.truth, settings=settings, thresholds=thresholds, **options)
        scores.append(psd_roc(points, alpha_ct=0.0, alpha_st=0.0, max_efpr=2000.0).score)
    options = {"classes": case.classes, "durations": case.durations}
    exact = exact_psds(segments_of(case), case.truth, settings=settings, **options).score
    assert scores[0] < exact
    assert scores[1] == pytest.approx(exact, abs=1e-12)  # every score as a threshold is every threshold


@pytest.mark.parametrize("seed", range(4))
def test_detections_are_those_of_each_threshold(random_case, seed):
    case = random_case(seed, frames=(64, 7)[seed % 2])
    segments = segments_of(case)
    found = detections_at_all_thresholds(segments)
    for threshold in (0.0, 0.3, 0.5, 0.9, float(np.median(case.scores))):
        expected = decode_events(
            case.scores,
            classes=case.classes,
            seconds_per_frame=case.seconds_per_frame,
            thresholds=threshold,
            durations=case.durations,
        )
        there = [[] for _ in case.truth]
        for label, of_class in zip(case.classes, found, strict=True):
            for row in np.flatnonzero((of_class.low < threshold) & (threshold <= of_class.high)):
                there[of_class.clip[row]].append(Event(of_class.onset[row], of_class.offset[row], label))
        assert [tuple(sorted(events)) for events in there] == expected


def test_long_plateaus_and_slopes():
    # Chains as long as the clip: each score lower than the one before, all equal, all minus infinity
    frames = 300
    scores = np.stack([np.linspace(1, 0, frames), np.full(frames, 0.5), np.full(frames, -np.inf)], axis=1)[None]
    found = detections_at_all_thresholds(frame_segments(scores, classes=["a", "b", "c"], seconds_per_frame=1.0))
    assert [len(of_class.high) for of_class in found] == [frames, 1, 0]
    assert found[0].offset.tolist() == list(range(1, frames + 1))
    assert found[0].parent.tolist() == [*range(1, frames), -1]


@pytest.mark.parametrize(("frames", "size"), [(64, 7), (5, 31), (2, 9), (1, 3)])
def test_filtered_scores_give_the_filtered_decisions(frames, size):
    random = np.random.default_rng(size)
    scores = np.round(random.random((4, frames, 2)), 1)
    segments = frame_segments(scores, classes=["a", "b"], seconds_per_frame=0.1, filters=[size, 1])
    filtered = segments.scores.reshape(scores.shape)
    for threshold in (0.2, 0.5, 0.8):
        expected = median_filter((scores[:, :, 0] >= threshold).T, size).T
        assert ((filtered[:, :, 0] >= threshold) == expected).all()
    assert (filtered[:, :, 1] == scores[:, :, 1]).all()


@pytest.mark.parametrize("settings", [PSDS1, PSDS2])
def test_a_perfect_system_of_one_class_scores_1_at_all_thresholds(settings):
    segments = frame_segments(
        [[[0.1], [0.8], [0.8], [0.2]], [[0.1], [0.1], [0.2], [0.1]]], classes=["Dog"], seconds_per_frame=1.0
    )
    truth = [[Event(1.0, 3.0, "Dog")], []]
    assert exact_psds(segments, truth, classes=["Dog"], durations=[4.0, 4.0], settings=settings).score == 1.0


def test_bad_segments_are_refused():
    def segments(clip, onset, offset, scores=(0.5, 0.5)):
        arrays = [np.array(values, float) for values in (onset, offset)]
        return SegmentScores(np.array(clip), *arrays, np.array(scores)[:, None], 2)

    for clip, onset, offset in (([0, 0], [0, 2], [1, 3]), ([1, 0], [0, 0], [1, 1]), ([0, 0], [0, 1], [1, 1])):
        with pytest.raises(ValueError, match="segments must follow each other without gaps, none of them empty"):
            segments(clip, onset, offset)
    with pytest.raises(ValueError, match="scores hold NaN, first for clip 1"):
        segments([0, 1], [0, 0], [1, 1], scores=(0.5, np.nan))
    good = segments([0, 1], [0, 0], [1, 1])
    assert good.take([1, 0, 1]).clip.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="ground truth of 1 clips for scores of 2"):
        exact_psds(good, [[]], classes=["a"], durations=[1.0], settings=PSDS1)
    with pytest.raises(ValueError, match="scores of 1 classes, but 2 names"):
        exact_psds(good, [[], []], classes=["a", "b"], durations=[1.0, 1.0], settings=PSDS1)
    with pytest.raises(ValueError, match="one class at least"):
        exact_psds(good, [[], []], classes=["a"], durations=[1.0, 1.0], settings=PSDS1)
