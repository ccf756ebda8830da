import dataclasses

import numpy as np
import pytest
import sed_scores_peer as peer
from test_exact_psds import reference, segments_of, uneven

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import SegmentScores, frame_segments
from avkeras.evaluation.bounding_boxes import (
    BoxSettings,
    bounding_boxes,
    boxes_above,
    boxes_as_segments,
    tune_bounding_boxes,
)
from avkeras.evaluation.clip_counts import event_counts
from avkeras.evaluation.exact_psds import exact_psds
from avkeras.evaluation.psds import PSDS1, PSDS2


def slow_boxes(edges, scores, length, absolute, relative):
    """The formulas of the paper, written out for one clip and class."""
    half = length / 2

    def integral(begin, end):
        return sum(
            score * max(0.0, min(end, right) - max(begin, left))
            for score, left, right in zip(scores, edges, edges[1:], strict=False)
        )

    def change(time):
        return (integral(time, time + half) - integral(time - half, time)) / half

    times = sorted(time for edge in edges for time in (edge - half, edge, edge + half) if edges[0] <= time <= edges[-1])
    times = [time for time, before in zip(times, [-1.0, *times], strict=False) if time - before > 1e-9]
    events, onset, rising = [], None, True
    for place, time in enumerate(times):
        step = 1.0 if place == len(times) - 1 else change(times[place + 1]) - change(time)
        if abs(step) < 1e-10:
            continue
        if rising and step < 0:
            onset = time
        if not rising and step > 0:
            events.append((onset, time))
        rising = step > 0

    def inside(begin, end):
        pairs = zip(scores, edges, edges[1:], strict=False)
        return [score for score, left, right in pairs if left < end - 1e-9 and right > begin + 1e-9]

    merged = []
    for place, (begin, end) in enumerate(events):
        closed = False
        if place:
            lowest = min(inside(events[place - 1][1], begin))
            tops = [max(inside(*events[place - 1])), max(inside(begin, end))]
            closed = all(top - lowest < absolute and (top + 1e-3) / (lowest + 1e-3) < relative for top in tops)
        if closed:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return [(begin, end, integral(begin, end) / (end - begin)) for begin, end in merged]


@pytest.mark.parametrize("kind", ["frames", "uneven"])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_those_of_the_formulas(random_case, seed, kind):
    case = random_case(seed)
    segments = uneven(case, seed) if kind == "uneven" else segments_of(case)
    settings = BoxSettings((0.32, 0.48, 1.0), (0.15, 0.2, 0.3), (1.5, 2.0, 3.0))
    found = bounding_boxes(segments, settings)
    number = 0
    for index, boxes in enumerate(found):
        for clip in range(0, segments.clips, 3):
            own = segments.clip == clip
            edges = [*segments.onset[own], segments.offset[own][-1]]
            values = (getattr(settings, name)[index] for name in ("lengths", "absolute", "relative"))
            expected = slow_boxes(edges, segments.scores[own, index], *values)
            rows = boxes.clip == clip
            assert np.stack([boxes.onset[rows], boxes.offset[rows], boxes.high[rows]], axis=1) == pytest.approx(
                np.array(expected).reshape(-1, 3), abs=1e-8
            )
            number += len(expected)
    assert number > 15


def test_gaps_are_closed_where_scores_fall_little():
    def boxes(gap, absolute, relative):
        scores = np.array([0.0, 0.0, 0.9, 0.9, gap, gap, 0.8, 0.8, 0.0, 0.0])[None, :, None]
        segments = frame_segments(scores, classes=["Dog"], seconds_per_frame=1.0)
        (found,) = bounding_boxes(segments, BoxSettings((2.0,), (absolute,), (relative,)))
        return [*zip(found.onset.tolist(), found.offset.tolist(), found.high.round(3).tolist(), strict=True)]

    apart, whole = [(2.0, 4.0, 0.9), (6.0, 8.0, 0.8)], [(2.0, 8.0, 0.767)]
    silent = [(2.0, 8.0, 0.567)]
    assert boxes(0.6, 0.35, 2.0) == whole
    assert boxes(0.6, 0.25, 2.0) == apart  # the higher neighbour exceeds the gap by 0.3
    assert boxes(0.6, 0.35, 1.4) == apart  # and is 1.5 times as high
    assert boxes(0.0, 2.0, 1e4) == silent  # the relative condition holds for silence too
    assert boxes(0.0, 2.0, 800.0) == apart


def test_silence_and_whole_clips():
    scores = np.stack([np.zeros(8), np.full(8, 0.7), np.full(8, -np.inf)], axis=1)[None]
    segments = frame_segments(scores, classes=["a", "b", "c"], seconds_per_frame=0.5)
    silent, whole, never = bounding_boxes(segments, BoxSettings((0.5,) * 3, (0.2,) * 3, (2.0,) * 3))
    assert len(silent.high) == len(never.high) == 0
    assert (whole.onset.tolist(), whole.offset.tolist(), whole.high.round(12).tolist()) == ([0.0], [4.0], [0.7])


@pytest.mark.parametrize("seed", range(3))
def test_psds_of_boxes_is_that_of_their_score_files(random_case, seed):
    case = random_case(seed)
    segments = segments_of(case)
    boxes = bounding_boxes(segments, BoxSettings((0.48,) * 3, (0.2,) * 3, (2.0,) * 3))
    written = boxes_as_segments(boxes, case.durations)
    for settings in (PSDS1, dataclasses.replace(PSDS2, max_efpr=1e3)):
        options = {"classes": case.classes, "durations": case.durations, "settings": settings}
        of_files = exact_psds(written, case.truth, **options)
        assert of_files.score == pytest.approx(reference(written, case, settings)[0], abs=1e-9)
        # Where silence is detected at no threshold, the files say what the boxes say
        silent = SegmentScores(
            written.clip,
            written.onset,
            written.offset,
            np.where(written.scores > 0, written.scores, -np.inf),
            written.clips,
        )
        of_boxes = exact_psds(segments, case.truth, detections=boxes, **options)
        assert of_boxes.score == pytest.approx(exact_psds(silent, case.truth, **options).score, abs=1e-12)
        assert of_boxes.score > 0
    assert len(peer.tables(written, case.classes)) == len(case.truth)


@pytest.mark.parametrize("metric", ["event", dataclasses.replace(PSDS1, max_efpr=1e3)])
def test_tuned_boxes_are_the_best_of_all_tried(random_case, metric):
    case = random_case(1, clips=30)
    segments = segments_of(case)
    options = {"classes": case.classes, "durations": case.durations}
    tried = {"lengths": (0.32, 1.5), "absolute": (0.1, 0.5), "relative": (1.2, 3.0)}
    worse = False
    settings, best, thresholds = tune_bounding_boxes(segments, case.truth, metric=metric, **tried, **options)
    for setting in [(a, b, c) for a in tried["lengths"] for b in tried["absolute"] for c in tried["relative"]]:
        _, value, _ = tune_bounding_boxes(
            segments,
            case.truth,
            metric=metric,
            **{name: [value] for name, value in zip(tried, setting, strict=True)},
            **options,
        )
        assert (value <= best).all()
        worse |= bool((value < best).any())
    assert worse
    boxes = bounding_boxes(segments, settings)
    if metric == "event":
        found = boxes_above(boxes, classes=case.classes, clips=len(case.truth), thresholds=thresholds)
        counts = event_counts(case.truth, found, classes=case.classes)
        assert counts.class_f1() == pytest.approx(best, abs=1e-12)
    else:
        areas = exact_psds(segments, case.truth, detections=boxes, settings=metric, **options).class_scores
        assert list(areas.values()) == pytest.approx(best.tolist(), abs=1e-12)


def test_bad_settings_of_boxes_are_refused():
    segments = frame_segments([[[0.5]]], classes=["Dog"], seconds_per_frame=1.0)
    with pytest.raises(ValueError, match="one value for each of 1 classes"):
        bounding_boxes(segments, BoxSettings((1.0, 1.0), (0.1,), (2.0,)))
    with pytest.raises(ValueError, match="above 0"):
        bounding_boxes(segments, BoxSettings((0.0,), (0.1,), (2.0,)))
    with pytest.raises(ValueError, match="unknown metric 'segment'"):
        tune_bounding_boxes(segments, [[Event(0, 1, "Dog")]], classes=["Dog"], durations=[1.0], metric="segment")
