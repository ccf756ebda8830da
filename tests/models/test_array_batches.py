"""Arrays are cut into batches one by one: every clip once per epoch, the same losses as Keras' own way, no copies."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from avkeras.models.array_batches import ArrayBatches, can_be_cut
from avkeras.models.audiovisual_transformer import AudiovisualTransformer

CLIPS = 11


@pytest.fixture(scope="module")
def arrays():
    generator = np.random.default_rng(0)
    x = {name: generator.normal(size=(CLIPS, 3, dim)).astype("float32") for name, dim in (("audio", 4), ("video", 5))}
    return x, (generator.random((CLIPS, 2)) > 0.5).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = AudiovisualTransformer(
        classes=2, dims={"audio": 4, "video": 5}, blocks=1, dim=4, num_heads=1, key_dim=4, hidden_dim=4, dropout=0.0
    )
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", run_eagerly=True)
    return model


def test_an_epoch_has_every_clip_once_in_an_order_of_its_own(arrays):
    x, _ = arrays
    keras.utils.set_random_seed(1)
    batches = ArrayBatches((x, np.arange(CLIPS)), batch_size=4, shuffle=True)
    epochs = []
    for _ in range(2):
        found = [batches[index] for index in range(len(batches))]
        order = np.concatenate([targets for _, targets in found])
        assert sorted(order) == list(range(CLIPS))
        np.testing.assert_array_equal(np.concatenate([part["video"] for part, _ in found]), x["video"][order])
        epochs.append(order.tolist())
        batches.on_epoch_end()
    assert epochs[0] != epochs[1]
    keras.utils.set_random_seed(1)
    again = ArrayBatches((x, np.arange(CLIPS)), batch_size=4, shuffle=True)
    assert np.concatenate([again[index][1] for index in range(3)]).tolist() == epochs[0]


def test_parts_that_are_no_arrays_or_of_other_lengths_are_left_to_keras(arrays):
    x, y = arrays
    assert can_be_cut(x, y)
    for other in (
        (x, y[:-1]),
        (x, y.tolist()),
        (x, None),
        (),
        ({"audio": np.array(["a", None])},),
    ):
        assert not can_be_cut(*other)


def test_no_clips_are_named(arrays, model):
    x, y = arrays
    none = {name: array[:0] for name, array in x.items()}
    for call in (
        lambda: model.predict(none, verbose=0),
        lambda: model.evaluate(none, y[:0], verbose=0),
        lambda: model.fit(none, y[:0], verbose=0),
        lambda: model.fit(x, y, validation_data=(none, y[:0]), verbose=0),
    ):
        with pytest.raises(ValueError, match="there are no clips: the arrays given are empty"):
            call()


def test_losses_are_those_of_a_dataset_of_the_same_batches(arrays, model):
    import tensorflow as tf

    x, y = arrays
    weights, start = np.linspace(0.5, 1.5, CLIPS).astype("float32"), model.get_weights()
    options = {"batch_size": 4, "shuffle": False, "validation_split": 0.3, "verbose": 0, "epochs": 2}
    found = model.fit(x, y, sample_weight=weights, **options).history
    model.set_weights(start)
    held = tuple({name: array[7:] for name, array in x.items()} if part is x else part[7:] for part in (x, y, weights))
    kept = tuple({name: array[:7] for name, array in x.items()} if part is x else part[:7] for part in (x, y, weights))
    kept_set, held_set = (tf.data.Dataset.from_tensor_slices(parts).batch(4) for parts in (kept, held))
    expected = model.fit(kept_set, validation_data=held_set, epochs=2, shuffle=False, verbose=0).history
    assert found == {name: pytest.approx(values, rel=1e-5) for name, values in expected.items()}
    assert model.evaluate(*held[:2], sample_weight=held[2], verbose=0) == pytest.approx(found["val_loss"][-1], rel=1e-5)
    for verbose in (0, 2):  # without and with what Keras sets up
        np.testing.assert_allclose(model.predict(x, batch_size=4, verbose=verbose), model(x), rtol=1e-5)


def test_a_split_that_leaves_nothing_is_refused(arrays, model):
    with pytest.raises(ValueError, match=r"validation_split"):
        model.fit(*arrays, validation_split=0.999, verbose=0)


def test_arguments_may_be_given_by_place_and_tensors_too(arrays, model):
    x, y = arrays
    assert len(model.fit(x, y, 4, 2, 0).history["loss"]) == 2
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in x.items()}
    assert len(model.fit(tensors, keras.ops.convert_to_tensor(y), verbose=0).history["loss"]) == 1
    assert len(model.fit(x, y, steps_per_epoch=2, batch_size=2, verbose=0, validation_data=(x, y)).history["loss"]) == 1


PROGRAM = """
import resource, sys
import numpy as np
import avkeras as av
small = {"blocks": 1, "dim": 8, "num_heads": 1, "key_dim": 8}
model = av.models.AudiovisualTransformer(classes=2, dims={"video": 4096, "audio": 8}, **small)
model.compile("sgd", "binary_crossentropy")
x = {"video": np.ones((40, 10, 4096), "float32"), "audio": np.ones((40, 10, 8), "float32")}
model.fit(x, np.ones((40, 2)), validation_data=(x, np.ones((40, 2))), verbose=0)
model.predict(x, verbose=0)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
x = {name: np.ones((3000, *array.shape[1:]), "float32") for name, array in x.items()}
y, size = np.ones((3000, 2)), sum(array.nbytes for array in x.values())
model.fit(x, y, batch_size=40, verbose=0, validation_split=0.2)
model.predict(x, verbose=0)
print((peak() - before) / size)
"""


@pytest.mark.slow  # a process with half a gigabyte of arrays
def test_fit_needs_at_most_half_of_the_arrays_size_besides_them():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 1.5
