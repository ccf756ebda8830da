from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from avkeras.data.manifest import Event
from avkeras.evaluation.postprocess import decode_events, median_filter


@pytest.mark.parametrize("size", range(1, 32, 2))
def test_median_filter_equals_scipy(size):
    decisions = np.random.default_rng(size).random((64, 5)) < 0.5
    expected = ndimage.median_filter(decisions.astype(np.uint8), size=(size, 1), mode="reflect")
    assert (median_filter(decisions, size) == expected).all()


@pytest.mark.parametrize("seed", range(4))
def test_events_are_the_runs_of_the_filtered_decisions(random_case, seed):
    case = random_case(seed)
    thresholds, filters, hop = [0.3, 0.5, 0.7], [1, 5, 31], case.seconds_per_frame
    decoded = decode_events(
        case.scores,
        classes=case.classes,
        seconds_per_frame=hop,
        thresholds=thresholds,
        filters=filters,
        durations=case.durations,
    )
    assert len(decoded) == len(case.scores)
    for events, scores, duration in zip(decoded, case.scores, case.durations, strict=True):
        assert list(events) == sorted(events)
        length = int(np.ceil(duration / hop))
        active = np.zeros((length, len(case.classes)), bool)
        for event in events:
            assert 0 <= event.onset < event.offset <= duration
            first, after = event.onset / hop, event.offset / hop
            assert first == round(first)
            assert after == round(after) or event.offset == duration
            active[int(first) : int(np.ceil(after)), case.classes.index(event.label)] = True
        for index, (threshold, size) in enumerate(zip(thresholds, filters, strict=True)):
            above = (scores[:length, index] >= threshold).astype(np.uint8)
            assert (active[:, index] == ndimage.median_filter(above, size=size, mode="reflect")).all()
        # Neighbouring frames make one event
        for label in case.classes:
            own = [event for event in events if event.label == label]
            assert all(one.offset < other.onset for one, other in pairwise(own))


def test_offset_is_the_end_of_a_short_clip():
    scores = np.ones((2, 4, 1))
    options = {"classes": ["Dog"], "seconds_per_frame": 0.5, "durations": [1.2, 2.0]}
    assert decode_events(scores, **options) == [(Event(0.0, 1.2, "Dog"),), (Event(0.0, 2.0, "Dog"),)]


def test_bad_filters_are_refused():
    for size in (0, 2, -1):
        with pytest.raises(ValueError, match="odd sizes above 0"):
            decode_events(np.zeros((1, 4, 1)), classes=["Dog"], seconds_per_frame=0.5, filters=size)
