"""Pictures of many clips in full batches: one shape, every row to its clip, and one clip's failure is its own."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest

from avkeras.features.embedder import BATCH_PICTURES, Embedder
from avkeras.features.embedder_specs import EmbedderSpec
from avkeras.features.embedders import load_embedder
from avkeras.features.network_thread import NetworkThread


def visual(function, size=None, dim=3):
    return Embedder(EmbedderSpec("visual", "video", dim, size=size), function, fingerprint="visual")


def pictures(count, value=0, size=(4, 6)):
    return np.full((count, *size, 3), value, np.uint8)


@pytest.fixture(params=["2", "1"])
def thread(request, monkeypatch):
    """Starts threads that are ended after the test; with one thread in each operation, two calls run side by side."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", request.param)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    started = []

    def start(embedder):
        started.append(NetworkThread(embedder))
        return started[-1]

    yield start
    for network in started:
        network.stop()
        network.join()


def means(shapes):
    def function(batch):
        shapes.append(batch.shape)
        return batch.mean(axis=(1, 2))

    return function


def test_clips_share_full_batches_of_one_shape_and_each_gets_its_rows(thread):
    shapes = []
    network = thread(visual(means(shapes)))
    counts = [10, 3, 40, 1, 7, 16]
    found = [network.submit(pictures(count, value=10 * place)) for place, count in enumerate(counts)]
    network.flush()
    for place, (count, rows) in enumerate(zip(counts, found, strict=True)):
        rows = rows.result(timeout=10)
        assert rows.dtype == np.float16
        np.testing.assert_allclose(rows, np.full((count, 3), 10 * place / 255), rtol=1e-3)
    assert shapes == [(BATCH_PICTURES, 4, 6, 3)] * -(-77 // BATCH_PICTURES)


def test_two_calls_run_side_by_side_and_rows_keep_their_order(monkeypatch):
    """Neither call ends before the other has begun, and the first ends last."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    both, second = threading.Barrier(2, timeout=10), threading.Event()

    def function(batch):
        both.wait()
        assert batch[0, 0, 0, 0] or second.wait(timeout=10)
        if batch[0, 0, 0, 0]:
            threading.Timer(0.2, second.set).start()
        return batch.mean(axis=(1, 2))

    network = NetworkThread(visual(function))
    some = np.concatenate([pictures(BATCH_PICTURES), pictures(BATCH_PICTURES, 255)])
    np.testing.assert_array_equal(network.submit(some).result(timeout=20)[:, 0], np.repeat([0, 1], BATCH_PICTURES))
    network.stop()
    network.join()


def test_pictures_wait_for_their_batch_until_a_flush(thread):
    shapes = []
    network = thread(visual(means(shapes)))
    rows = network.submit(pictures(BATCH_PICTURES - 1))
    full = network.submit(pictures(1, size=(8, 8)))
    with pytest.raises(TimeoutError):
        rows.result(timeout=0.2)
    network.flush()
    assert len(rows.result(timeout=10)) == BATCH_PICTURES - 1
    assert len(full.result(timeout=10)) == 1
    assert sorted(shapes) == [(BATCH_PICTURES, 4, 6, 3), (BATCH_PICTURES, 8, 8, 3)]


def test_many_sizes_do_not_pile_up(thread):
    shapes = []
    network = thread(visual(means(shapes)))
    found = [network.submit(pictures(16, size=(4, 4 + place))) for place in range(12)]
    found[0].result(timeout=10)  # without a flush
    network.flush()
    assert all(len(rows.result(timeout=10)) == 16 for rows in found)


def test_a_picture_that_the_network_refuses_fails_its_clip_alone(thread):
    def refuses_white(batch):
        if (batch == 1).any():
            raise ValueError("white")
        return batch.mean(axis=(1, 2))

    network = thread(visual(refuses_white))
    found = [network.submit(pictures(count, value)) for count, value in ((5, 7), (40, 255), (6, 9))]
    network.flush()
    assert len(found[0].result(timeout=10)) == 5
    with pytest.raises(ValueError, match="white"):
        found[1].result(timeout=10)
    assert len(found[2].result(timeout=10)) == 6


def test_a_stopped_thread_takes_nothing_more(thread):
    network = thread(visual(means([])))
    network.stop()
    with pytest.raises(CancelledError):
        network.submit(pictures(1))


def random_pictures(size):
    return np.random.default_rng(0).integers(0, 256, (40, *size, 3), dtype=np.uint8)


def shared_and_alone(network, size):
    """The rows of three pictures by themselves, and in the midst of others."""
    some = random_pictures(size)
    alone = network.submit(some[:3])
    network.flush()
    alone = alone.result(timeout=60)
    others = [network.submit(some[first:last]) for first, last in ((20, 33), (0, 3), (3, 19))]
    network.flush()
    return alone, others[1].result(timeout=60)


def test_rows_do_not_depend_on_what_shares_the_batch(thread):
    """Convolutions and matrix products, which on other numbers of pictures differ in the last bits."""
    import keras
    import tensorflow as tf

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.DepthwiseConv2D(3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(200),
        ]
    )
    call = tf.function(lambda batch: model(batch, training=False))
    rows = {}  # by the first of three pictures that the batch may hold

    def keeps_rows(batch):
        found = call(batch).numpy()
        rows.update({place: found[place : place + 3] for place in (0, 13) if (batch[place : place + 3] == some).all()})
        return found

    some = (random_pictures((32, 32))[:3] / np.float32(255)).astype("float32")
    network = thread(visual(keeps_rows, size=(32, 32), dim=200))
    alone, shared = shared_and_alone(network, (32, 32))
    assert alone.tobytes() == shared.tobytes()
    assert rows[0].tobytes() == rows[13].tobytes()  # before they are rounded


@pytest.mark.slow
def test_rows_of_a_trained_network_do_not_depend_on_what_shares_the_batch(thread):
    alone, shared = shared_and_alone(thread(load_embedder("efficientnet_lite0")), (224, 224))
    assert alone.tobytes() == shared.tobytes()


def test_a_sound_goes_by_itself(thread):
    embedder = load_embedder("vggish_stand_in")
    network = thread(embedder)
    waves = [np.random.default_rng(seed).uniform(-1, 1, 16_000 * seed).astype("float32") for seed in (1, 3)]
    found = [network.submit(wave) for wave in waves]
    for wave, rows in zip(waves, found, strict=True):
        np.testing.assert_array_equal(rows.result(timeout=10), embedder(wave).astype("float16"))
