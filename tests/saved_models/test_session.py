"""SavedModels in TensorFlow's C library answer as they do in TensorFlow's Python."""

import concurrent.futures

import numpy as np
import pytest

from avkeras.errors import AvkerasError
from avkeras.saved_models.library import TYPES
from avkeras.saved_models.runtimes import NotForLibrary
from avkeras.saved_models.session import load_session


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.bool)])
    def call(x, mask):
        found = tf.where(mask[:, None], tf.matmul(x, module.kernel), 0.0)
        return {"scores": found, "best": tf.argmax(found, axis=-1), "count": tf.size(mask)}

    module.call = call
    folder = tmp_path_factory.mktemp("module") / "module"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": call})
    return folder


def inputs(rows=5):
    generator = np.random.default_rng(rows)
    return {"x": generator.normal(size=(rows, 4)).astype("float32"), "mask": generator.random(rows) < 0.5}


def test_outputs_are_those_of_tensorflow(folder):
    import tensorflow as tf

    theirs = tf.saved_model.load(str(folder)).signatures["serving_default"]
    ours = load_session(folder).signatures["serving_default"]
    for rows in (0, 1, 5):
        given = inputs(rows)
        wanted = theirs(**{name: tf.constant(value) for name, value in given.items()})
        found = ours(**given)
        assert set(found) == {"scores", "best", "count"}
        for name, value in found.items():
            assert value.dtype == wanted[name].numpy().dtype
            np.testing.assert_allclose(value, wanted[name].numpy(), rtol=1e-6)  # one product of four terms


def test_only_some_outputs_can_be_asked_for(folder):
    signature = load_session(folder).signatures["serving_default"].only("best")
    assert list(signature(**inputs())) == ["best"]


@pytest.mark.parametrize("name", sorted({str(dtype) for dtype in TYPES.values()}))
def test_every_type_goes_in_and_out(name, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.same = tf.function(lambda x: {"y": tf.identity(x)}, input_signature=[tf.TensorSpec([None, 2], name, "x")])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.same})
    given = np.array([[0, 1], [1, 0], [1, 1]], name)
    found = load_session(tmp_path).signatures["serving_default"](x=given)["y"]
    assert found.dtype == given.dtype
    np.testing.assert_array_equal(found, given)


def test_threads_may_share_a_session(folder):
    signature = load_session(folder).signatures["serving_default"]
    wanted = [signature(**inputs(rows))["scores"] for rows in range(1, 9)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            found = list(pool.map(lambda rows: signature(**inputs(rows))["scores"], range(1, 9)))
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_session_lives_as_long_as_a_function_of_it(folder):
    signature = load_session(folder).signatures["serving_default"].only("scores")
    import gc

    gc.collect()
    assert signature(**inputs())["scores"].shape == (5, 3)


def test_wrong_names_and_wrong_shapes_are_told(folder):
    signature = load_session(folder).signatures["serving_default"]
    with pytest.raises(TypeError, match="inputs mask, x wanted, not x"):
        signature(x=inputs()["x"])
    with pytest.raises(RuntimeError, match="incompatible"):
        signature(x=np.zeros((5, 7), "float32"), mask=np.ones(5, bool))
    assert signature(**inputs())["count"] == 5  # it goes on


def test_a_signature_of_text_is_left_out(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.said = tf.function(lambda x: {"y": tf.strings.length(x)}, input_signature=[tf.TensorSpec([None], tf.string)])
    module.same = tf.function(lambda x: {"y": x + 1}, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path), signatures={"said": module.said, "same": module.same})
    assert list(load_session(tmp_path).signatures) == ["same"]


def test_what_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(AvkerasError, match=r"mine: .* cannot be loaded as a SavedModel"):
        load_session(tmp_path, "mine")


def test_variables_that_the_library_does_not_restore_are_refused_and_not_left_empty(tmp_path):
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    module = tf.Module()
    module.model = model  # of which each variable is in the graph twice
    module.__call__ = tf.function(lambda x: model(x), input_signature=[tf.TensorSpec([None, 4], tf.float32)])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.__call__})
    with pytest.raises(NotForLibrary, match="holds variables that are not restored, such as"):
        load_session(tmp_path)
