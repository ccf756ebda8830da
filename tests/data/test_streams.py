import numpy as np
import pytest
import tensorflow as tf

from avkeras.data.streams import StreamSampler, stream_dataset

KINDS = ["weak"] * 7 + ["strong"] * 3 + ["unlabelled"] * 11
COUNTS = {"strong": 2, "weak": 3, "unlabelled": 4}


def kinds_of(batch):
    return [KINDS[index] for index in batch]


def load(indices):
    return {"audio": tf.cast(indices, tf.float32)}, {"supervision": indices}


def steps_of(dataset, count):
    return [x["audio"].numpy() for x, _ in dataset.take(count)]


def test_every_batch_holds_each_kind_as_often_as_asked():
    sampler = StreamSampler(KINDS, counts=COUNTS)
    for step in range(20):
        assert kinds_of(sampler.batches(step, step + 1)[0]) == ["strong"] * 2 + ["weak"] * 3 + ["unlabelled"] * 4


def test_the_paper_asks_for_32_32_and_64():
    sampler = StreamSampler(KINDS)
    assert [kinds_of(sampler.batches(3, 4)[0]).count(kind) for kind in ("strong", "weak", "unlabelled")] == [32, 32, 64]


def test_every_clip_is_drawn_once_before_any_is_drawn_again():
    sampler = StreamSampler(KINDS, counts=COUNTS, seed=3)
    drawn = sampler.batches(0, 77).ravel()
    for kind in COUNTS:
        clips = np.flatnonzero(np.array(KINDS) == kind)
        rounds = [index for index in drawn if KINDS[index] == kind]
        rounds = np.array(rounds[: len(rounds) // len(clips) * len(clips)]).reshape(-1, len(clips))
        np.testing.assert_array_equal(np.sort(rounds, axis=1), np.broadcast_to(clips, rounds.shape))
        assert len(np.unique(rounds, axis=0)) > 1  # not the same order each time


def test_a_batch_depends_on_seed_and_step_alone():
    forwards = StreamSampler(KINDS, counts=COUNTS, seed=5)
    expected = forwards.batches(0, 12)
    backwards = StreamSampler(KINDS, counts=COUNTS, seed=5)
    for step in reversed(range(12)):
        np.testing.assert_array_equal(backwards.batches(step, step + 1)[0], expected[step])
    other = StreamSampler(KINDS, counts=COUNTS, seed=6)
    assert any(np.any(other.batches(step, step + 1)[0] != expected[step]) for step in range(12))


def test_a_kind_without_clips_is_refused_unless_none_are_asked_for():
    with pytest.raises(ValueError, match="no clip is strong, counts asks for 2 a batch; set it to 0"):
        StreamSampler(["weak"], counts={"strong": 2, "weak": 1})
    np.testing.assert_array_equal(StreamSampler(["weak"], counts={"strong": 0, "weak": 2}).batches(0, 1)[0], [0, 0])
    with pytest.raises(ValueError, match="supervision 'some' is none of unlabelled, weak, strong"):
        StreamSampler(["some"], counts={"weak": 1})


def test_the_data_set_gives_the_batches_in_order_from_any_start():
    sampler = StreamSampler(KINDS, counts=COUNTS, seed=2)
    batches = steps_of(stream_dataset(sampler, load, steps=12), 10)
    for step in range(10):
        np.testing.assert_array_equal(batches[step], sampler.batches(step, step + 1)[0])
    for late, batch in zip(
        steps_of(stream_dataset(sampler, load, steps=12, start_step=6), 4), batches[6:], strict=True
    ):
        np.testing.assert_array_equal(late, batch)


def test_a_variable_is_read_for_the_start_whenever_an_iterator_starts():
    sampler = StreamSampler(KINDS, counts=COUNTS, seed=2)
    start = tf.Variable(4)
    dataset = stream_dataset(sampler, load, steps=12, start_step=start)
    np.testing.assert_array_equal(steps_of(dataset, 1)[0], sampler.batches(4, 5)[0])
    start.assign(9)
    np.testing.assert_array_equal(steps_of(dataset, 1)[0], sampler.batches(9, 10)[0])


def test_the_augmentation_is_given_seed_and_step():
    def augment(x, y, *, seed):
        return {"audio": x["audio"] * 0 + tf.cast(seed[0] * 100 + seed[1], tf.float32)}, y

    dataset = stream_dataset(StreamSampler(KINDS, counts=COUNTS, seed=7), load, steps=12, start_step=3, augment=augment)
    assert [batch[0] for batch in steps_of(dataset, 3)] == [703, 704, 705]


def test_shapes_are_known_as_far_as_the_loader_tells():
    x, _ = stream_dataset(StreamSampler(KINDS, counts=COUNTS), load, steps=2).element_spec
    assert x["audio"].shape == (9,)
