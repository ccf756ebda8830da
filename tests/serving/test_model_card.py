"""The model card's serving examples, run against a server on loopback, and what else stands beside the graph."""

import json
import re
import shlex
import sys
from urllib.request import urlopen

import grpc
import numpy as np
import pytest
from tf_serving import answer, serving

from avkeras.experiments.detection_scores import Tuning
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.serving.export_detection import export_detection_model
from avkeras.serving.export_tagging import export_model, read_description
from avkeras.serving.model_card import model_card
from avkeras.serving.warm_up import write_warm_up

CLASSES = ("Cat", "Dog", "Speech")
METADATA = {
    "experiment": "a test",
    "data": ["demo soundscapes: 8 train clips"],
    "scores": [{"metric": "micro-F1", "part": "test", "mean": 0.5, "deviation": 0.012, "runs": 3}],
    "limits": ["Never heard of outside."],
}
TUNING = Tuning(
    classes=CLASSES,
    seconds_per_vector=8 * 313 / 16000,
    weight=0.75,
    weight_scores={"0.75": 0.3},
    clip_thresholds=(0.1, 0.5, 0.9),
    segment_thresholds=(0.5, 0.5, 0.5),
    segment_filters=(1, 1, 1),
    event_thresholds=(0.2, 0.5, 0.8),
    event_filters=(1, 3, 5),
    psds_filters={"PSDS1": (1, 1, 1), "PSDS2": (1, 1, 1)},
)


@pytest.fixture(scope="module")
def tagging(embedders, tmp_path_factory):
    model = AudiovisualTransformer(
        classes=list(CLASSES), dims={"video": 6, "audio": 128}, dim=16, key_dim=8, blocks=1, attention="sigmoid"
    )
    folder = tmp_path_factory.mktemp("tagging") / "1"
    options = {"classes": CLASSES, "threshold": 0.4, "embedders": embedders, "metadata": METADATA}
    return model, export_model(model, folder, bundle=True, frames=5, **options)


@pytest.fixture(scope="module")
def detection(embedders, tmp_path_factory):
    size = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "filters": (2, 2, 2, 2, 2, 2, 8)}
    model = MultiEncoder(classes=list(CLASSES), visual_dims={"mean_colour": 6}, **size)
    visual = {"mean_colour": embedders["video"]}
    folder = tmp_path_factory.mktemp("detection") / "1"
    return model, export_detection_model(model, folder, tuning=TUNING, embedders=visual, visual_frames=4)


@pytest.fixture(scope="module")
def loaded(tagging, detection):
    """The SavedModels, by folder."""
    import tensorflow as tf

    return {folder: tf.saved_model.load(str(folder)) for _, folder in (tagging, detection)}


@pytest.fixture(params=["tagging", "detection"])
def exported(request, loaded):
    return request.getfixturevalue(request.param)


def card(folder):
    return (folder / "assets.extra" / "MODEL_CARD.md").read_text()


def blocks(folder, language):
    return re.findall(rf"```{language}\n(.*?)```", card(folder), flags=re.DOTALL)


def fill(inputs, seed=0):
    """Random values in place of the card's zeros; the first input of pictures is partly absent."""
    random = np.random.default_rng(seed)
    filled = {}
    for name, array in inputs.items():
        filled[name] = array.copy() if array.dtype == bool else random.normal(size=array.shape).astype(array.dtype)
    masks = [name for name in inputs if name.endswith("_mask") and name != "audio_mask"]
    filled[masks[0]][:, -1:] = False
    return filled


def test_the_programs_of_the_card_ask_a_server_and_get_the_models_answer(exported, loaded):
    model, folder = exported
    inputs, rest, grpc_program = blocks(folder, "python")
    with serving(loaded[folder]) as (rest_port, grpc_port):
        for program, names in ((rest, ("localhost:8501", rest_port)), (grpc_program, ("localhost:8500", grpc_port))):
            space = {}
            exec(inputs, space)
            assert {name: array.shape[0] for name, array in space["inputs"].items()} == dict.fromkeys(model.input, 1)
            space["inputs"] = fill(space["inputs"])
            exec(program.replace(names[0], f"127.0.0.1:{names[1]}"), space)
            found = model.predict(space["inputs"], verbose=0)
            found = (
                {f"{name}_probabilities": value for name, value in found.items()}
                if isinstance(found, dict)
                else {"probabilities": found}
            )
            for name, value in found.items():
                assert space[name].shape == value[0].shape
                np.testing.assert_allclose(space[name], value[0], atol=1e-5)
                assert np.ptp(value) > 1e-3


def test_the_docker_line_fits_the_programs(exported, loaded):
    _, folder = exported
    docker, curl = blocks(folder, "sh")[0].replace("\\\n", " ").strip().splitlines()
    words = shlex.split(docker)
    assert words[:2] == ["docker", "run"]
    name = next(word.removeprefix("MODEL_NAME=") for word in words if word.startswith("MODEL_NAME="))
    assert f"type=bind,source=$PWD,target=/models/{name}/1" in words
    assert words[-1].startswith("tensorflow/serving:2.16")
    assert [words[place + 1] for place, word in enumerate(words) if word == "-p"] == ["8500:8500", "8501:8501"]
    assert f"/v1/models/{name}:predict" in card(folder)
    with serving(loaded[folder]) as (port, _):
        address = curl.split()[1].replace("localhost:8501", f"127.0.0.1:{port}")
        assert json.load(urlopen(address))["model_version_status"][0]["state"] == "AVAILABLE"


def test_the_server_takes_columns_too_and_refuses_what_does_not_fit(tagging, loaded):
    model, folder = tagging
    inputs = {"audio": np.ones((2, 3, 128), "float32"), "video": np.ones((2, 3, 6), "float32")}
    body = {"signature_name": "embeddings", "inputs": {name: array.tolist() for name, array in inputs.items()}}
    with serving(loaded[folder]) as (port, grpc_port):
        outputs = json.load(urlopen(f"http://127.0.0.1:{port}/v1/models/avkeras:predict", json.dumps(body).encode()))
        np.testing.assert_allclose(outputs["outputs"], model.predict(inputs, verbose=0), atol=1e-5)
        program = blocks(folder, "python")
        space = {}
        exec(program[0], space)
        del space["inputs"]["audio_mask"]
        with pytest.raises(grpc.RpcError, match="audio_mask"):
            exec(program[2].replace("localhost:8500", f"127.0.0.1:{grpc_port}"), space)


def test_every_warm_up_request_is_answered(exported, loaded):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    _, folder = exported
    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in records.as_numpy_iterator()
    ]
    assert {request.model_spec.signature_name for request in requests} == set(loaded[folder].signatures)
    for request in requests:
        for value in answer(loaded[folder], request).outputs.values():
            assert np.isfinite(tf.make_ndarray(value)).all()


def test_without_the_package_no_warm_up_is_written_and_the_log_and_card_say_so(
    tagging, loaded, tmp_path, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    _, folder = tagging
    signatures = loaded[folder].signatures
    assert not write_warm_up(tmp_path, signatures, lengths={})
    assert list(tmp_path.iterdir()) == []
    assert "tensorflow-serving-api" in caplog.text
    assert "This folder holds no warm-up requests" in model_card(read_description(folder), signatures, warm_up=False)


def test_the_card_tells_data_embedders_scores_and_limits(tagging, detection):
    text = card(tagging[1])
    for part in (
        "# Audio tagging: Cat; Dog; Speech",
        "* experiment: a test",
        "* demo soundscapes: 8 train clips",
        "| audio | vggish_stand_in | 128 | none given | **a stand-in, NOT VGGish",
        "They are in this SavedModel.",
        "| micro-F1 | test | 50.0 ± 1.2 | 3 |",
        "* Never heard of outside.",
        "* vggish_stand_in is a stand-in",
        "up to 5 frames of video, 5 frames of audio",
    ):
        assert part in text
    assert "one seed" not in text
    assert re.search(r"\| `media` \| .*`waveform` \(\?, \?\) float32", text)
    text = card(detection[1])
    assert "# Sound event detection: Cat; Dog; Speech" in text
    assert "| mean_colour | mean_colour | 6 |" in text
    assert "`frame_probabilities` (?, ?, 3) float32" in text


def test_a_detection_model_is_served_as_it_was_tuned(detection, loaded):
    import tensorflow as tf

    model, folder = detection
    assert model.inference_weight == TUNING.weight
    described = read_description(folder)
    assert described["tuning"]["event_filters"] == [1, 3, 5]
    assert described["lengths"] == {"audio": 512, "mean_colour": 4}
    assert (folder / "assets.extra" / "classes.txt").read_text().split() == list(CLASSES)
    random = np.random.default_rng(0)
    x = {
        "audio": random.normal(size=(3, 512, 64)).astype("float32"),
        "audio_mask": np.arange(512) < np.array([512, 300, 512])[:, None],
        "mean_colour": random.normal(size=(3, 4, 6)).astype("float32"),
        "mean_colour_mask": np.array([[True] * 4, [True, True, False, False], [False] * 4]),
    }
    signature = loaded[folder].signatures["serving_default"]
    served = {name: value.numpy() for name, value in signature(**{k: tf.constant(v) for k, v in x.items()}).items()}
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(served["clip_probabilities"], expected["clip"], atol=1e-5)
    np.testing.assert_allclose(served["frame_probabilities"], expected["frame"], atol=1e-5)
    assert (served["frame_probabilities"][1, 38:] == 0).all()
    model.set_inference_weight(1.0)  # the served one stays as it was
    again = signature(**{k: tf.constant(v) for k, v in x.items()})["clip_probabilities"].numpy()
    np.testing.assert_array_equal(again, served["clip_probabilities"])
    assert np.abs(model.predict(x, verbose=0)["clip"] - again)[0].max() > 1e-4
    model.set_inference_weight(TUNING.weight)
