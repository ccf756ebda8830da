"""TensorFlow's C library answers as its Python does, and without importing it."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from avkeras.commands import predict
from avkeras.commands.parser import CommandParser
from avkeras.datasets.demo.write import write_mp4
from avkeras.errors import AvkerasError
from avkeras.experiments.detection_scores import Tuning
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.saved_models import runtimes
from avkeras.saved_models.runtimes import NotForLibrary, with_runtime
from avkeras.serving.export_detection import export_detection_model
from avkeras.serving.export_tagging import export_model
from avkeras.serving.predictor import load

CLASSES = ["Car", "Train", "Scream"]
RATE = 16_000
ANSWER = """
import json, sys
import numpy as np
import avkeras as av
predictor = av.load(sys.argv[1], embedders=sys.argv[2].split(","))
found = predictor.predict(sys.argv[3:])
found.append(predictor.predict(np.sin(np.arange(40_000, dtype="float32")) / 3, rate=16_000))
heavy = sorted({"tensorflow", "keras", "librosa", "av"} & set(sys.modules))
answers = [{**one.as_json(), "path": None} for one in found]
print(json.dumps({"heavy": heavy, "answers": answers}))
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    sound = random.normal(0, 0.1, (5 * RATE, 1)).clip(-1, 1).astype("float32")
    pictures = [np.full((32, 48, 3), random.integers(0, 256, 3), np.uint8) for _ in range(25)]
    write_mp4(folder / "both.mp4", sound, RATE, pictures, frame_rate=5, encoder="mpeg4")
    soundfile.write(folder / "heard.wav", sound[:, 0], RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return [folder / name for name in ("both.mp4", "heard.wav", "broken.wav")]


@pytest.fixture(scope="module")
def folder(embedders, tmp_path_factory):
    model = AudiovisualTransformer(classes=CLASSES, dims={"video": 6, "audio": 128}, dim=16, key_dim=8, blocks=1)
    place = tmp_path_factory.mktemp("model") / "1"
    return export_model(model, place, classes=CLASSES, threshold=0.5, embedders=embedders, frames=4)


def in_a_process(folder, embedders, clips, **environment):
    names = ",".join(str(embedder.folder) for embedder in embedders.values())
    command = [sys.executable, "-c", ANSWER, str(folder), names, *map(str, clips)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_fresh_process_answers_without_tensorflows_python_and_the_same(folder, embedders, clips):
    answered = in_a_process(folder, embedders, clips)
    assert answered["heavy"] == []
    predictor = load(folder, embedders=list(embedders.values()), runtime="python")
    wanted = predictor.predict(clips)
    wanted.append(predictor.predict(np.sin(np.arange(40_000, dtype="float32")) / 3, rate=RATE))
    assert len(answered["answers"]) == 4
    for found, one in zip(answered["answers"], wanted, strict=True):
        other = {**one.as_json(), "path": None}
        for each in (found, other):
            for window in (each, *each.get("windows", ())):
                window["probabilities"] = [round(value, 5) for value in window.get("probabilities", {}).values()]
        assert found.keys() == other.keys()
        for name in found.keys() - {"probabilities", "windows"}:
            assert found[name] == other[name]
        # Sums in another order, of sigmoids of a few units.
        np.testing.assert_allclose(found["probabilities"], other["probabilities"], atol=2e-5)


def test_the_command_takes_either(folder, embedders, clips, capsys):
    names = [str(embedder.folder) for embedder in embedders.values()]
    answers = []
    for runtime in ("library", "python"):
        parser = CommandParser()
        predict.add_arguments(parser)
        arguments = [str(clips[1]), "--model", str(folder), "--runtime", runtime, "--embedders", *names]
        predict.run(parser.parse_args(arguments))
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    assert "Scream" in answers[0]


def test_tensorflow_can_be_imported_after_the_library(folder, embedders, clips):
    program = """
import sys
import avkeras as av
load = lambda: av.load(sys.argv[1], embedders=sys.argv[2].split(","))
first = load()
answer = first.predict(sys.argv[3]).probabilities
assert "tensorflow" not in sys.modules
import tensorflow as tf
assert float(tf.reduce_sum(tf.ones((3, 3)) @ tf.ones((3, 3)))) == 27
other = load().predict(sys.argv[3]).probabilities
assert max(abs(answer[name] - other[name]) for name in answer) < 2e-5
assert first.predict(sys.argv[3]).probabilities.keys() == answer.keys()
"""
    names = ",".join(str(embedder.folder) for embedder in embedders.values())
    subprocess.run([sys.executable, "-c", program, str(folder), names, str(clips[0])], check=True)


def test_a_detection_model_finds_the_same_by_either(embedders, clips, tmp_path):
    model = MultiEncoder(
        classes=CLASSES, visual_dims={"colour": 6}, gate=True, blocks=1, dim=8, key_dim=8, filters=[2] * 6 + [8]
    )
    chosen = {name: (0.5,) * 3 for name in ("clip_thresholds", "segment_thresholds", "event_thresholds")}
    chosen |= {"segment_filters": (1,) * 3, "event_filters": (7,) * 3, "psds_filters": {}}
    tuning = Tuning(tuple(CLASSES), seconds_per_vector=0.1565, weight=0.4, weight_scores={}, **chosen)
    visual = {"colour": embedders["video"]}
    exported = export_detection_model(model, tmp_path / "1", tuning=tuning, embedders=visual)
    found, wanted = (
        load(exported, embedders=[embedders["video"].folder], runtime=runtime).predict(clips[0])
        for runtime in ("library", "python")
    )
    # Levels of some 100 dB differ by a thousandth where sums are in another order.
    np.testing.assert_allclose(found.log_mel, wanted.log_mel, atol=1e-3)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
    assert found.notes == wanted.notes
    for one, other in zip(found.encoder_weights, wanted.encoder_weights, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
        assert sum(one.values()) == pytest.approx(1)


def test_what_the_library_cannot_run_is_told_where_it_is_asked_for(embedders, tmp_path):
    model = AudiovisualTransformer(classes=CLASSES, dims={"video": 6, "audio": 128}, dim=16, key_dim=8, blocks=1)
    options = {"classes": CLASSES, "threshold": 0.5, "embedders": embedders}
    bundle = export_model(model, tmp_path / "bundle", bundle=True, **options)
    with pytest.raises(NotForLibrary, match="bundles its embedders"):
        load(bundle, runtime="library")
    earlier = export_model(model, tmp_path / "earlier", **options)
    (earlier / "assets.extra" / "library" / "saved_model.pb").unlink()
    with pytest.raises(NotForLibrary, match=r"has no assets\.extra/library; export it again"):
        load(earlier, embedders=list(embedders.values()), runtime="library")
    assert load(earlier, embedders=list(embedders.values())).classes == tuple(CLASSES)
    with pytest.raises(AvkerasError, match="runtime 'c': one of library, python is wanted"):
        load(earlier, runtime="c")


def test_the_library_is_taken_where_tensorflow_is_not_imported_and_the_log_says_where_it_cannot(monkeypatch, caplog):
    asked = []

    def loaded(runtime):
        asked.append(runtime)
        if runtime == "library":
            raise NotForLibrary("a module of TF Hub")
        return runtime

    assert with_runtime(loaded, None) == "python"  # TensorFlow may be imported already here, or not
    asked.clear()
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    assert with_runtime(loaded, None) == "python"
    assert asked == ["python"]
    monkeypatch.delitem(sys.modules, "tensorflow")
    with caplog.at_level(logging.INFO, logger="avkeras.saved_models.runtimes"):
        assert with_runtime(loaded, None) == "python"
    assert asked == ["python", "library", "python"]
    assert "TensorFlow's Python is imported: a module of TF Hub" in caplog.text
    monkeypatch.setattr(runtimes, "tensorflow_library", lambda: None)
    with pytest.raises(NotForLibrary, match="this TensorFlow brings no C library along"):
        with_runtime(lambda runtime: runtime, "library")
    assert with_runtime(lambda runtime: runtime, None) == "python"


def test_embedders_that_the_library_runs_are_loaded_anew_to_be_bundled(folder, embedders):
    program = """
import sys
import avkeras as av
from avkeras.serving.export_run import loadable_embedders
predictor = av.load(sys.argv[1], embedders=sys.argv[2].split(","))
assert all(one.module is None for one in predictor.embedders.values())
given = loadable_embedders(predictor)
again = av.load(sys.argv[1], embedders=given, runtime="python")
assert all(one.module is not None for one in again.embedders.values())
"""
    names = ",".join(str(embedder.folder) for embedder in embedders.values())
    subprocess.run([sys.executable, "-c", program, str(folder), names], check=True)
