"""What avkeras 0.1's first layout saved is loaded by today's code after `import avkeras` alone, with equal answers."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import avkeras

SAVED = Path(__file__).parent / "data" / "saved_by_0_1"
MODELS = sorted(path.stem for path in (SAVED / "models").glob("*.keras"))

ANSWER = """
import sys
import avkeras  # and nothing else of it
import keras
import numpy as np

for file in sys.argv[2:]:
    model = keras.saving.load_model(file)
    with np.load(file.replace(".keras", ".npz")) as stored:
        inputs = {name.removeprefix("input_"): stored[name] for name in stored.files if name.startswith("input_")}
    found = model(inputs, training=False)
    found = found if isinstance(found, dict) else {"probabilities": found}
    name = file.split("/")[-1].replace(".keras", ".npz")
    np.savez(f"{sys.argv[1]}/{name}", **{f"output_{key}": np.asarray(value) for key, value in found.items()})
"""

DESERIALIZE = """
import json, sys
import keras  # before avkeras, this time
import avkeras

for name, config in json.load(open(sys.argv[1])).items():
    print(name, type(keras.saving.deserialize_keras_object(config)).__name__)
"""


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What a fresh process answers with every model, as files."""
    folder = tmp_path_factory.mktemp("answers")
    run(ANSWER, folder, *(SAVED / "models" / f"{name}.keras" for name in MODELS))
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_as_when_it_was_saved(answers, name):
    with np.load(SAVED / "models" / f"{name}.npz") as expected, np.load(answers / f"{name}.npz") as found:
        outputs = [key for key in expected.files if key.startswith("output_")]
        assert outputs == found.files
        for key in outputs:
            assert np.ptp(expected[key]) > 1e-3  # a constant would hide what is lost
            # Sums in another order on another processor; probabilities in [0, 1].
            np.testing.assert_allclose(found[key], expected[key], atol=1e-5)


def test_every_class_is_made_from_the_config_of_then():
    made = dict(line.split() for line in run(DESERIALIZE, SAVED / "configs.json").splitlines())
    assert made == {name: name.split(">")[1] for name in json.loads((SAVED / "configs.json").read_text())}
    assert len(made) == 29


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The runs, the exported models, the stores and the embedders."""
    folder = tmp_path_factory.mktemp("saved")
    for path in SAVED.glob("*.tar.xz"):
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    return folder


def expected(name):
    return json.loads((SAVED / "expected.json").read_text())[name]


@pytest.mark.parametrize("name", ["runs/tagging/audio", "runs/tagging/video", "runs/tagging/audio+video"])
def test_a_tagging_run_predicts_as_it_did(folder, monkeypatch, name):
    monkeypatch.chdir(folder)  # its values name the embedders' folders
    agrees(avkeras.load(name).predict("clip.mp4"), name)


def test_an_exported_tagging_model_predicts_as_it_did(folder):
    agrees(avkeras.load(folder / "served" / "tagging").predict(folder / "clip.mp4"), "served/tagging")


@pytest.mark.parametrize("name", ["runs/detection", "served/detection"])
def test_a_detection_model_predicts_as_it_did(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    # A run's folder says where its embedder is, an exported model does not.
    found = avkeras.load(name, embedders=["embedders/mean_colour"] if "served" in name else ()).predict("clip.mp4")
    agrees(found, name)
    np.testing.assert_allclose(found.scores[::8], expected(name)["scores"], atol=1e-4)
    # The times of events hang on scores beside thresholds; how many there are must not change by rounding alone.
    assert [event.label for event in found.events] == [label for *_, label in expected(name)["events"]]


def agrees(found, name):
    then = expected(name)["probabilities"]
    assert list(found.probabilities) == list(then)
    # The clip is decoded anew, by whatever FFmpeg there is.
    np.testing.assert_allclose(list(found.probabilities.values()), list(then.values()), atol=1e-4)
    assert list(found.notes) == expected(name)["notes"]
    assert list(found.labels) == expected(name).get("present", expected(name).get("labels"))


@pytest.mark.parametrize("name", json.loads((SAVED / "stores.json").read_text()))
def test_a_store_of_then_is_read(folder, name):
    from avkeras.data.records import RecordReader

    store = RecordReader(folder / name)
    assert store.verify() == []
    for clip, facts in json.loads((SAVED / "stores.json").read_text())[name].items():
        rows = store.read(clip)
        assert list(rows.shape) == facts["shape"]
        assert int(store.seen(clip).sum()) == facts["mask"]
        assert rows.astype("float64").sum() == pytest.approx(facts["sum"])


@pytest.mark.parametrize(("name", "experiment"), [("tagging", "AudioTagging"), ("detection", "SoundEventDetection")])
def test_a_run_of_then_is_taken_up_with_its_values(name, experiment, tmp_path, monkeypatch):
    from avkeras.experiments.configs import EXPERIMENTS
    from avkeras.runs.run_folder import pin_values, values_of_run

    monkeypatch.chdir(tmp_path)
    with tarfile.open(SAVED / f"{name}_run.tar.xz") as archive:
        archive.extract(f"runs/{name}/config.json", filter="data")
    given = json.loads(Path(f"runs/{name}/config.json").read_text())
    values = values_of_run(f"runs/{name}", tuple(EXPERIMENTS.values()))
    assert type(values).__name__ == experiment
    pin_values(values, values.out)  # which refuses a run with others
    found = json.loads(Path(f"runs/{name}/config.json").read_text())
    assert found | given == found
