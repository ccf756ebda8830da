import numpy as np
import pytest
from graph_operations import python_in

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import Clip, Event
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.data.streams import StreamSampler, stream_dataset

CLASSES = ("Cat", "Dog")
HOP = 0.02
# id: log-mel frames, pictures (0: no video)
CLIPS = {"long": (40, 5), "short": (17, 3), "blind": (40, 0)}


@pytest.fixture
def clips(tmp_path):
    random = np.random.default_rng(0)
    stores = {}
    for place, (name, dim) in enumerate((("audio", 4), ("openl3", 3))):
        with RecordWriter(tmp_path / name, {"dim": dim}) as store:
            for id, counts in CLIPS.items():
                store.write(id, "media", random.normal(size=(counts[place], dim)), seen=np.arange(counts[place]) != 1)
            store.fail("broken", "media", "the file is empty")
        stores[name] = RecordReader(tmp_path / name)
    rows = [
        Clip("long", "a", "a", "train", ("Dog",), (Event(0.17, 0.31, "Dog"), Event(0.81, 0.9, "Dog")), "strong"),
        Clip("short", "b", "b", "train", ("Cat", "Dog"), (), "weak"),
        Clip("broken", "c", "c", "train", (), (), "weak"),
        Clip("blind", "d", None, "train", (), (), "unlabelled"),
    ]
    return DetectionSet(rows, stores, CLASSES, lengths={"audio": 40, "openl3": 5}, pooling=8, hop=HOP)


def test_inputs_have_the_same_shape_for_every_batch_and_masks_where_there_is_nothing(clips):
    assert [clip.id for clip in clips.clips] == ["long", "short", "blind"]
    assert clips.left_out == [("broken", "the file is empty")]
    for indices in ([1], [0, 1, 2]):
        x = {name: value.numpy() for name, value in clips.load(np.array(indices))[0].items()}
        assert x["audio"].shape == (len(indices), 40, 4)
        assert x["openl3"].shape == (len(indices), 5, 3)
    assert x["audio_mask"].sum(1).tolist() == [39, 16, 39]
    assert x["openl3_mask"].sum(1).tolist() == [4, 2, 0]
    np.testing.assert_array_equal(x["audio"][1, :17], clips.stores["audio"].read("short"))
    assert not x["audio"][1, 17:].any()


def test_targets_of_clips_and_frames(clips):
    y = {name: value.numpy() for name, value in clips.load(np.array([0, 1, 2]))[1].items()}
    assert y["supervision"].tolist() == [2, 1, 0]
    assert y["clip"].tolist() == [[0, 1], [1, 1], [0, 0]]
    # Vectors of 0.16 s: the first event touches the second; the other one begins behind the last vector.
    assert y["frame"][0].tolist() == [[0, 0], [0, 1], [0, 0], [0, 0], [0, 0]]
    assert clips.cut_events == 1
    assert y["frame_mask"].sum(1).tolist() == [5, 3, 5]
    np.testing.assert_allclose(clips.durations, [39 * HOP, 16 * HOP, 39 * HOP])


def test_a_data_set_gives_the_same_with_static_shapes(clips):
    import tensorflow as tf

    indices = [2, 0]
    dataset = tf.data.Dataset.from_tensors(tf.constant(indices, tf.int64)).map(clips.load)
    x_spec, y_spec = dataset.element_spec
    assert x_spec["audio"].shape == (2, 40, 4)
    assert x_spec["audio"].dtype == tf.float32
    assert y_spec["frame"].shape == (2, 5, 2)
    x, y = next(iter(dataset))
    for expected, found in zip(clips.load(np.array(indices)), (x, y), strict=True):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name].numpy(), value)


def test_all_clips_in_order_for_prediction(clips):
    batches = list(clips.dataset(batch_size=2))
    assert [len(batch["audio"]) for batch in batches] == [2, 1]
    np.testing.assert_array_equal(
        np.concatenate([batch["openl3"] for batch in batches]), clips.load(np.arange(3))[0]["openl3"]
    )


def test_no_python_runs_while_a_data_set_is_read(clips):
    sampler = StreamSampler(clips.supervision, counts={"strong": 1, "weak": 1})
    assert not python_in(lambda: stream_dataset(sampler, clips.load, steps=3))
    assert not python_in(clips.dataset)
