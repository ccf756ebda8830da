import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from avkeras.errors import AvkerasError
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.ensemble import ensemble
from avkeras.serving.export_tagging import export_model, read_description
from avkeras.training.adam import Adam

CLASSES = ["Car", "Train", "Scream"]


def tiny_model(**changes):
    dims = {"video": 6, "audio": 128}
    return AudiovisualTransformer(**{"classes": CLASSES, "dims": dims, "dim": 16, "key_dim": 8, "blocks": 1} | changes)


def embeddings(clips=3, frames=5, seed=0):
    random = np.random.default_rng(seed)
    return {
        "video": random.normal(size=(clips, frames, 6)).astype("float32"),
        "audio": random.normal(size=(clips, frames, 128)).astype("float32"),
    }


def absent_video(clips=3, frames=5):
    """Embeddings with masks; the second clip has no video, NaN in its place, and the third is shorter."""
    inputs = embeddings(clips, frames)
    inputs["video_mask"] = np.ones((clips, frames), bool)
    inputs["audio_mask"] = np.ones((clips, frames), bool)
    inputs["video_mask"][1] = False
    inputs["video_mask"][2, frames - 1 :] = inputs["audio_mask"][2, frames - 1 :] = False
    for modality in ("video", "audio"):
        inputs[modality][~inputs[f"{modality}_mask"]] = np.nan
    return inputs


class Server:
    """Answers serialised PredictRequests from a SavedModel as TF Serving does."""

    def __init__(self, folder):
        import tensorflow as tf

        self.loaded = tf.saved_model.load(str(folder))

    def answer(self, message):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest.FromString(message)
        signature = self.loaded.signatures[request.model_spec.signature_name or "serving_default"]
        inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in signature(**inputs).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response.SerializeToString()

    def predict(self, inputs, signature=""):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = "avkeras"
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = predict_pb2.PredictResponse.FromString(self.answer(request.SerializeToString()))
        assert list(response.outputs) == ["probabilities"]
        return tf.make_ndarray(response.outputs["probabilities"])


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def bundle(model, embedders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "1"
    return export_model(
        model,
        folder,
        classes=CLASSES,
        threshold=0.35,
        embedders=embedders,
        bundle=True,
        frames=10,
        metadata={"recipe": "test"},
    )


@pytest.fixture(scope="module")
def server(bundle):
    return Server(bundle)


@pytest.mark.parametrize("inputs", [absent_video(), absent_video(clips=4, frames=8)])
def test_a_predict_request_is_answered_as_by_the_model(server, model, inputs):
    served = server.predict(inputs)
    np.testing.assert_allclose(served, model.predict(inputs, verbose=0), atol=1e-5)
    assert np.isfinite(served).all()


def test_a_predict_request_may_leave_the_masks_out(server, model):
    served = server.predict(embeddings(), signature="embeddings")
    np.testing.assert_allclose(served, model.predict(embeddings(), verbose=0), atol=1e-5)


def test_media_in_a_predict_request_are_embedded_as_by_hand(server, model, embedders):
    random = np.random.default_rng(0)
    lengths = np.array([40_000, 9_000, 32_000, 0], np.int32)
    waveform = random.normal(0, 0.1, (4, 40_000)).astype("float32")
    frames = random.integers(0, 256, (4, 2, 8, 12, 3), dtype=np.uint8)
    seen = np.array([[True, True], [True, False], [False, False], [True, True]])
    media = {"waveform": waveform, "samples": lengths, "frames": frames, "frame_mask": seen}

    inputs = absent_video(clips=4, frames=2)
    inputs["audio_mask"] = np.array([[True, True], [True, False], [True, True], [False, False]])
    inputs["video_mask"] = seen
    for clip in range(4):
        audio = embedders["audio"](waveform[clip, : max(1, lengths[clip])])
        inputs["audio"][clip, : len(audio)] = audio
        inputs["video"][clip] = embedders["video"](frames[clip] / np.float32(255))
    expected = model.predict(inputs, verbose=0)
    served = server.predict(media, signature="media")
    np.testing.assert_allclose(served, expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3

    media["waveform"] = np.where(np.arange(40_000) < lengths[:, None], waveform, np.nan)  # padding is not heard
    np.testing.assert_allclose(server.predict(media, signature="media"), served, atol=1e-6)


def test_beside_the_graph_stands_what_a_client_needs(bundle, embedders):
    assert (bundle / "assets.extra" / "classes.txt").read_text().splitlines() == CLASSES
    described = json.loads((bundle / "assets.extra" / "avkeras.json").read_text())
    assert described == read_description(bundle)
    assert described["classes"] == CLASSES
    assert described["threshold"] == 0.35
    assert described["frames"] == 10
    assert described["metadata"] == {"recipe": "test"}
    assert described["embedders"]["audio"]["spec"]["name"] == "vggish_stand_in"
    assert described["embedders"]["audio"]["spec"]["stand_in"] is True
    assert described["embedders"]["video"]["fingerprint"] == embedders["video"].fingerprint


def test_a_graph_holds_every_weight_once_as_a_constant_and_no_optimizer(tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    model = tiny_model()
    model.compile(Adam(), "binary_crossentropy")
    model.train_on_batch(embeddings(), np.zeros((3, 3)))
    folder = export_model(model, tmp_path / "1", classes=CLASSES, threshold=0.5)
    assert sum(file.stat().st_size for file in (folder / "variables").iterdir()) < 1000  # nothing but their list
    weights = sum(int(np.prod(weight.shape)) for weight in model.weights)
    for place in (folder, folder / "assets.extra" / "library"):
        saved = saved_model_pb2.SavedModel.FromString((place / "saved_model.pb").read_bytes())
        graph = saved.meta_graphs[0].graph_def
        parts = [graph.node, *(function.node_def for function in graph.library.function)]
        tensors = [node.attr["value"].tensor for nodes in parts for node in nodes if node.op == "Const"]
        sizes = [int(np.prod([side.size for side in one.tensor_shape.dim])) for one in tensors if one.dtype == 1]
        assert weights <= sum(sizes) < 1.05 * weights  # what masks and norms add, and no moments


def test_an_ensemble_in_mixed_precision_of_one_modality_is_served(tmp_path):
    model = ensemble([tiny_model(dims={"audio": 128}, first="audio", positions=(), dtype="mixed_bfloat16")] * 2)
    folder = export_model(model, tmp_path / "1", classes=CLASSES, threshold=[0.1, 0.2, 0.3])
    inputs = {"audio": embeddings()["audio"]}
    served = Server(folder).predict(inputs, signature="embeddings")
    assert served.dtype == np.float32
    np.testing.assert_allclose(served, model.predict(inputs, verbose=0), atol=1e-2)
    assert read_description(folder)["threshold"] == [0.1, 0.2, 0.3]


def test_keras_own_export_works_too(model, tmp_path):
    import tensorflow as tf

    model.export(tmp_path / "keras", verbose=False)
    signature = tf.saved_model.load(str(tmp_path / "keras")).signatures["serving_default"]
    inputs = absent_video()
    (served,) = signature(**{name: tf.constant(value) for name, value in inputs.items()}).values()
    np.testing.assert_allclose(served, model.predict(inputs, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["Car", "Train"]}, "classes: the model gives 3"),
        ({"classes": ["Car", "Car", "Train"]}, "2 names"),
        ({"classes": ["Car", "", "Train"]}, "empty"),
        ({"threshold": [0.5, 0.5]}, "threshold: one or 3"),
        ({"bundle": True}, "embedders: none for audio, video"),
    ],
)
def test_what_does_not_fit_is_named(model, tmp_path, changes, words):
    with pytest.raises(AvkerasError, match=words):
        export_model(model, tmp_path / "1", **{"classes": CLASSES, "threshold": 0.5} | changes)
    assert list(tmp_path.iterdir()) == []


def test_embedders_that_do_not_fit_are_named(model, embedders, tmp_path):
    options = {"classes": CLASSES, "threshold": 0.5}
    with pytest.raises(AvkerasError, match="mean_colour is for video, not audio"):
        export_model(model, tmp_path / "1", embedders={"audio": embedders["video"]}, **options)
    other = tiny_model(dims={"video": 7, "audio": 128})
    with pytest.raises(AvkerasError, match="gives 6 values a frame, the model takes 7 for video"):
        export_model(other, tmp_path / "1", embedders=embedders, **options)


def test_a_folder_is_overwritten_only_when_allowed_and_if_it_holds_a_model(model, bundle, tmp_path):
    options = {"classes": CLASSES, "threshold": 0.5}
    folder = export_model(model, tmp_path / "1", **options)
    with pytest.raises(AvkerasError, match="exists; name another"):
        export_model(model, folder, **options)
    export_model(model, folder, **options | {"threshold": 0.6}, overwrite=True)
    assert read_description(folder)["threshold"] == 0.6
    (tmp_path / "precious").mkdir()
    with pytest.raises(AvkerasError, match="no SavedModel"):
        export_model(model, tmp_path / "precious", **options, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "precious"]


def test_a_full_disk_is_one_line_and_leaves_what_was_there(model, tmp_path, monkeypatch):
    """As TensorFlow says it, which writes by itself."""
    import tensorflow as tf

    options = {"classes": CLASSES, "threshold": 0.5}
    folder = export_model(model, tmp_path / "1", **options)

    def full(module, path, **options):
        Path(path).mkdir(parents=True)
        Path(path, "saved_model.pb.tmp1").write_text("half")
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}/saved_model.pb.tmp1; No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    for name in ("1", "2"):
        line = f"{tmp_path / name}: the SavedModel cannot be written: No space left on device"
        with pytest.raises(AvkerasError, match=f"^{re.escape(line)}$"):
            export_model(model, tmp_path / name, **options, overwrite=True)
    assert list(tmp_path.iterdir()) == [folder]
    assert read_description(folder)["threshold"] == 0.5


def test_a_folder_without_description_is_named(tmp_path):
    with pytest.raises(AvkerasError, match="holds no model exported by avkeras"):
        read_description(tmp_path)
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "avkeras.json").write_text("{")
    with pytest.raises(AvkerasError, match="damaged"):
        read_description(tmp_path)
    for other in ('{"kind": "tagging", "classes": []}', "[1]", "3"):
        (tmp_path / "assets.extra" / "avkeras.json").write_text(other)
        with pytest.raises(AvkerasError, match=r"damaged, export the model again: without bundled, .*inputs"):
            read_description(tmp_path)


def test_the_model_is_still_an_ordinary_keras_model(model, bundle, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(embeddings(), verbose=0), model.predict(embeddings(), verbose=0))
