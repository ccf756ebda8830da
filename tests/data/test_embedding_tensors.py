import subprocess
import sys

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
            writer.write(id, "media", random.normal(size=(frames, 4)), seen=np.arange(frames) != 1)
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
        np.testing.assert_array_equal(seen[:count], store.seen(ids[index]))
        assert not values[count:].any()
        assert not seen[count:].any()


def test_it_reads_in_the_graph_without_python(store):
    """A tf.data iterator that is dropped while a function of it waits for Python never ends."""
    read = tf.function(embedding_reader(store, list(FRAMES)))
    graph = read.get_concrete_function(tf.TensorSpec((None,), tf.int64)).graph.as_graph_def()
    operations = {node.op for node in graph.node} | {n.op for f in graph.library.function for n in f.node_def}
    assert "GatherV2" in operations
    assert not {name for name in operations if "PyFunc" in name}


def test_a_clip_longer_than_the_batch_is_refused(store):
    with pytest.raises(ValueError, match="clip b has 5 frames of audio, not 4"):
        embedding_reader(store, ["a", "b"], frames=4)


def test_a_store_that_has_lost_its_end_is_refused(store):
    data = store.folder / "data.f16"
    data.write_bytes(data.read_bytes()[:-2])
    with pytest.raises(AvkerasError, match=r"data\.f16 is shorter than its index says; delete the store"):
        RecordReader(store.folder)


def test_a_store_without_frames_gives_zeros(tmp_path):
    with RecordWriter(tmp_path / "video", {"dim": 4}) as writer:
        writer.write("a", "media", np.zeros((0, 4)))
    values, seen = embedding_reader(RecordReader(tmp_path / "video"), ["a"])(np.array([0, 0]))
    assert values.shape == (2, 1, 4)
    assert not values.numpy().any()
    assert not seen.numpy().any()


def test_a_store_can_grow_while_it_is_read(store):
    read = embedding_reader(store, list(FRAMES))
    before = read(np.array([0, 2]))[0].numpy()
    with RecordWriter(store.folder, {"dim": 4}) as writer:
        writer.write("new", "media", np.ones((9, 4)))
    np.testing.assert_array_equal(read(np.array([0, 2]))[0], before)
    grown = RecordReader(store.folder)
    assert embedding_reader(grown, ["new", "a"])(np.array([0]))[0].numpy().tolist() == [[[1.0] * 4] * 9]


def test_numbers_that_are_not_finite_do_not_reach_the_padding(store):
    """What lies behind a clip in the file is another clip's, or the first one's."""
    data = np.fromfile(store.folder / "data.f16", "<f2").reshape(-1, 4)
    data[3:] = np.inf
    data.tofile(store.folder / "data.f16")
    values, _ = embedding_reader(RecordReader(store.folder), ["a", "none", "b"], frames=7)(np.array([0, 1]))
    assert np.isfinite(values.numpy()).all()


def test_a_folder_of_any_name_can_be_read(tmp_path):
    folder = tmp_path / "Tür %20 $x"
    with RecordWriter(folder, {"dim": 2}) as writer:
        writer.write("a", "media", np.ones((3, 2)))
    assert embedding_reader(RecordReader(folder), ["a"])(np.array([0]))[0].numpy().all()


# A store of 1 GiB, a file with a hole, is read by a process that may have a quarter of that beside what it has.
LARGER_THAN_MEMORY = """
import json, resource, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.data.sampling import BalancedSampler

folder = Path(sys.argv[1])
with RecordWriter(folder, {"dim": 4096}) as writer:
    writer.write("small", "m", np.ones((2, 4096)))
rows = 2**30 // 8192
with open(folder / "data.f16", "r+b") as data:
    data.truncate(8192 * rows)
with open(folder / "index.jsonl", "a") as index:
    print(json.dumps({"id": "last", "media": "m", "row": rows - 2, "frames": 2, "mask": "11"}), file=index)
clips = [Clip(name, folder, None, "train", ("Dog",)) for name in ("small", "last")]
warm = tf.data.Dataset.range(4).map(lambda n: n + 1, num_parallel_calls=2).prefetch(2)
list(warm)
lines = Path("/proc/self/status").read_text().splitlines()
has = next(int(line.split()[1]) for line in lines if line.startswith("VmData")) << 10
resource.setrlimit(resource.RLIMIT_DATA, (has + 2**28, has + 2**28))
clips = ClipSet(clips, {"video": RecordReader(folder)}, ["Dog"])
for batches in (clips.dataset(batch_size=2), clips.training_dataset(BalancedSampler(clips.targets), steps=2)):
    sums = [tf.reduce_sum(tf.cast(inputs["video"], tf.float32)) for inputs, _ in batches]
step = tf.function(lambda iterator: tf.shape(next(iterator)[0]["video"]))
print(step(iter(clips.dataset(batch_size=2).repeat(2))).numpy().tolist(), float(sums[0]) % 8192)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_store_may_be_larger_than_memory(tmp_path):
    command = [sys.executable, "-c", LARGER_THAN_MEMORY, str(tmp_path / "video")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("]")[0] == "[2, 2, 4096"
