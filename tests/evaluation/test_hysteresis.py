import numpy as np
import pytest

from avkeras.data.manifest import Event
from avkeras.evaluation.hysteresis import HysteresisSettings, decode_hysteresis, search_hysteresis
from avkeras.evaluation.metrics import event_f1, segment_f1
from avkeras.evaluation.postprocess import decode_events, frame_times


def slow_decisions(scores, high, low, gap, least):
    """The rule written out for the frames of one clip and class: first and last frame of each event."""
    runs, start = [], None
    for place, score in enumerate([*scores, -np.inf]):
        if score >= low and start is None:
            start = place
        if score < low and start is not None:
            runs.append([start, place - 1])
            start = None
    runs = [run for run in runs if max(scores[run[0] : run[1] + 1]) >= high]
    joined = []
    for first, last in runs:
        if joined and first - joined[-1][1] - 1 <= gap:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    return [run for run in joined if run[1] - run[0] + 1 >= least]


@pytest.mark.parametrize("frames", [64, 63, 9, 150])
@pytest.mark.parametrize("seed", range(3))
def test_events_are_those_of_the_rule(random_case, seed, frames):
    case = random_case(seed, frames=frames)
    settings = HysteresisSettings((0.7, 0.5, 0.4), (0.2, 0.5, 0.1), (0, 2, 5), (1, 3, 6))
    found = decode_hysteresis(
        case.scores,
        classes=case.classes,
        seconds_per_frame=case.seconds_per_frame,
        settings=settings,
        durations=case.durations,
    )
    starts, ends, lengths = frame_times(frames, seconds_per_frame=case.seconds_per_frame, durations=case.durations)
    for clip, length in enumerate(lengths):
        expected = []
        for index, label in enumerate(case.classes):
            values = (getattr(settings, name)[index] for name in ("high", "low", "gaps", "least"))
            for first, last in slow_decisions(case.scores[clip, :length, index], *values):
                expected.append(Event(starts[first], ends[clip, last], label))
        assert found[clip] == tuple(sorted(expected))
    assert sum(map(len, found)) > 5


def test_equal_thresholds_are_one_threshold(random_case):
    case = random_case(1)
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    settings = HysteresisSettings((0.5,) * 3, (0.5,) * 3, (0,) * 3, (1,) * 3)
    found = decode_hysteresis(case.scores, settings=settings, **options)
    assert found == decode_events(case.scores, thresholds=0.5, **options)


@pytest.mark.parametrize("metric", ["event", "segment"])
def test_the_search_finds_what_trying_all_finds(random_case, metric):
    case = random_case(2)
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    grid = {"thresholds": (0.2, 0.5, 0.8), "gaps": (0, 3), "least": (1, 4)}
    settings, best = search_hysteresis(case.scores, case.truth, metric=metric, **grid, **options)
    score = event_f1 if metric == "event" else segment_f1
    tried = []
    for high in grid["thresholds"]:
        for low in [value for value in grid["thresholds"] if value <= high]:
            for gap in grid["gaps"]:
                for least in grid["least"]:
                    own = HysteresisSettings((high,) * 3, (low,) * 3, (gap,) * 3, (least,) * 3)
                    events = decode_hysteresis(case.scores, settings=own, **options)
                    tried.append(list(score(case.truth, events, classes=case.classes).per_class.values()))
    assert best == pytest.approx(np.max(tried, axis=0), abs=1e-12)
    assert (np.min(tried, axis=0) < best).all()
    events = decode_hysteresis(case.scores, settings=settings, **options)
    assert list(score(case.truth, events, classes=case.classes).per_class.values()) == pytest.approx(best, abs=1e-12)


def test_settings_of_two_thresholds_without_meaning_are_refused():
    with pytest.raises(ValueError, match="must not exceed"):
        HysteresisSettings((0.3,), (0.5,), (0,), (1,))
    with pytest.raises(ValueError, match="least 1 or more"):
        HysteresisSettings((0.5,), (0.3,), (0,), (0,))
    settings = HysteresisSettings((0.5,), (0.3,), (0,), (1,))
    with pytest.raises(ValueError, match="settings of 1 classes for 2"):
        decode_hysteresis([[[0.5, 0.5]]], classes=["a", "b"], seconds_per_frame=1.0, settings=settings)
    with pytest.raises(ValueError, match="unknown metric"):
        search_hysteresis([[[0.5]]], [[]], classes=["a"], seconds_per_frame=1.0, metric="clip")
