import numpy as np
import pytest
import tensorflow as tf

from avkeras.data.embedding_tensors import embedding_reader
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.errors import AvkerasError

FRAMES = {"a": 3, "none": 0, "b": 5, "last": 0}


@pytest.fixture
def store(tmp_path):
    random = np.random.default_rng(0)
    with RecordWriter(tmp_path / "audio", {"dim": 4}) as writer:
        for id, frames in FRAMES.items():
            writer.write(id, "media", random.normal(size=(frames, 4)), mask=np.arange(frames) != 1)
    return RecordReader(tmp_path / "audio")


@pytest.mark.parametrize("frames", [None, 7])
@pytest.mark.parametrize("indices", [[0, 1, 2, 3], [2, 2], [3], []])
def test_a_batch_equals_the_records_padded_by_zeros(store, indices, frames):
    ids = list(FRAMES)
    embeddings, mask = embedding_reader(store, ids, frames=frames)(np.array(indices, np.int64))
    most = frames or max([1, *(FRAMES[ids[index]] for index in indices)])
    assert embeddings.shape == (len(indices), most, 4)
    assert embeddings.dtype == "float16"
    for index, values, seen in zip(indices, embeddings.numpy(), mask.numpy(), strict=True):
        count = FRAMES[ids[index]]
        np.testing.assert_array_equal(values[:count], store.read(ids[index]))
        np.testing.assert_array_equal(seen[:count], store.mask(ids[index]))
        assert not values[count:].any()
        assert not seen[count:].any()


def test_it_reads_in_the_graph_without_python(store):
    """A tf.data iterator that is dropped while a function of it waits for Python never ends."""
    read = tf.function(embedding_reader(store, list(FRAMES)))
    graph = read.get_concrete_function(tf.TensorSpec((None,), tf.int64)).graph.as_graph_def()
    operations = {node.op for node in graph.node} | {n.op for f in graph.library.function for n in f.node_def}
    assert "IO>FileRead" in operations
    assert not {name for name in operations if "PyFunc" in name}


def test_a_clip_longer_than_the_batch_is_refused(store):
    with pytest.raises(ValueError, match="clip b has 5 frames of audio, not 4"):
        embedding_reader(store, ["a", "b"], frames=4)


def test_a_store_that_has_lost_its_end_is_refused(store):
    data = store.folder / "data.f16"
    data.write_bytes(data.read_bytes()[:-2])
    with pytest.raises(AvkerasError, match=r"data\.f16 is shorter than its index says; delete the store"):
        RecordReader(store.folder)
