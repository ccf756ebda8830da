import numpy as np
import pytest
from hypothesis import given, strategies as st

from avkeras.data.labels import SUPERVISION_CODES, clip_targets, frame_mask, frame_targets
from avkeras.data.manifest import SUPERVISION, Event

CLASSES = ("Cat", "Dog", "Speech")


def test_clip_targets_are_in_the_order_of_the_classes():
    np.testing.assert_array_equal(clip_targets(("Speech", "Cat"), CLASSES), [1, 0, 1])
    assert clip_targets((), CLASSES).dtype == np.float32
    assert clip_targets((), CLASSES).sum() == 0


def test_every_supervision_of_a_manifest_has_a_code():
    assert set(SUPERVISION_CODES) == set(SUPERVISION)
    assert SUPERVISION_CODES["unlabelled"] == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9990), st.integers(1, 4000), st.sampled_from(CLASSES)),
        max_size=5,
    ),
    st.sampled_from([10, 64, 500]),
)
def test_a_frame_is_marked_exactly_where_an_event_overlaps_it(spans, frames):
    events = [Event(start / 1000, (start + length) / 1000, label) for start, length, label in spans]
    targets = frame_targets(events, CLASSES, frames=frames, seconds=10)
    # in whole numbers, frame i spans (i * 10000, (i + 1) * 10000) and an event (start * frames, stop * frames)
    expected = np.zeros((frames, 3))
    for start, length, label in spans:
        for i in range(frames):
            if start * frames < (i + 1) * 10000 and (start + length) * frames > i * 10000:
                expected[i, CLASSES.index(label)] = 1
    np.testing.assert_array_equal(targets, expected)


def test_events_that_meet_at_a_frame_border_do_not_spill_over():
    # 0.9375 * 64 / 10 is 6.000000000000001 if computed as 0.9375 * (64 / 10)
    for edge in range(1, 64):
        targets = frame_targets([Event(0.0, edge * 10 / 64, "Dog")], CLASSES, frames=64)
        assert targets[:, 1].sum() == edge


def test_an_event_that_outlasts_the_clip_is_cut_off():
    targets = frame_targets([Event(9.9, 10.4, "Cat")], CLASSES, frames=64)
    assert targets[:, 0].nonzero()[0].tolist() == [63]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event(10.0, 11.0, "Cat"), "begins behind the 10 s"),
        (Event(2.0, 2.0, "Cat"), "0 <= onset < offset"),
        (Event(float("nan"), 2.0, "Cat"), "0 <= onset < offset"),
        (Event(1.0, 2.0, "Cow"), "class 'Cow' is none of Cat, Dog, Speech"),
    ],
)
def test_bad_events_are_refused(event, message):
    with pytest.raises(ValueError, match=message):
        frame_targets([event], CLASSES, frames=64)


def test_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="class 'Cow' is none of Cat, Dog, Speech"):
        clip_targets(["Cow"], CLASSES)


def test_frame_mask_covers_the_clip_and_no_more():
    assert frame_mask(10.0, frames=64).all()
    assert frame_mask(12.0, frames=64).all()
    assert frame_mask(5.0, frames=64).sum() == 32
    assert frame_mask(5.001, frames=64).sum() == 33
    assert not frame_mask(0.0, frames=64).any()
