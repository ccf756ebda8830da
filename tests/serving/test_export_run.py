import csv
import json

import keras
import numpy as np
import pytest

from avkeras.cli import main
from avkeras.datasets.demo import make_demo
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import AudioTagging, SoundEventDetection
from avkeras.experiments.detection_scores import METRICS, Tuning
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.runs.results_file import ResultsFile
from avkeras.runs.run_folder import pin_values
from avkeras.serving.export_run import export
from avkeras.serving.export_tagging import export_model, read_description

CLASSES = ("Car", "Train")


@pytest.fixture(scope="module")
def tagging(embedders, embedder_cache, tmp_path_factory):
    """The folder of a tagging run with one system, as the experiment leaves it."""
    run = tmp_path_factory.mktemp("tagging") / "run"
    folder = run / "audio+video"
    pin_values(AudioTagging(out=run, embedders=("vggish_stand_in", str(embedder_cache / "mean_colour")), seed=7), run)
    size = {"dim": 8, "key_dim": 4, "blocks": 1}
    model = AudiovisualTransformer(classes=list(CLASSES), dims={"video": 6, "audio": 128}, **size)
    metadata = {"experiment": "audio tagging (Boes and Van hamme, 2019)", "system": "audio+video"}
    options = {"threshold": 0.4, "embedders": embedders, "frames": 10, "metadata": metadata}
    export_model(model, folder / "saved_model", classes=CLASSES, **options)
    model.save(folder / "model.keras")
    result = {"system": "audio+video", "f1": 0.625, "f1_with_video": 0.7, "clips": 20, "accuracy": None}
    (folder / "result.json").write_text(json.dumps(result))
    with open(run / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(result))
        writer.writeheader()
        writer.writerow(result)
    return run


@pytest.fixture(scope="module")
def detection(embedders, embedder_cache, tmp_path_factory):
    """The folder of a detection run, and its model."""
    run = tmp_path_factory.mktemp("detection") / "run"
    manifest = make_demo(run.parent / "demo", task="dcase2020", clips={"train": 2, "validation": 1, "test": 1})
    pin_values(SoundEventDetection(data=manifest.path, out=run, visual=(str(embedder_cache / "mean_colour"),)), run)
    size = {"blocks": 1, "dim": 8, "num_heads": 2, "key_dim": 4, "hidden_dim": 8, "filters": (2, 2, 2, 2, 2, 2, 8)}
    model = MultiEncoder(classes=list(CLASSES), visual_dims={"mean_colour": 6}, **size)
    model.set_inference_weight(0.75)
    model.save(run / "model.keras")
    two = {name: (0.5, 0.6) for name in ("clip_thresholds", "segment_thresholds", "event_thresholds")}
    two |= {"segment_filters": (1, 3), "event_filters": (5, 7), "psds_filters": {"PSDS1": (1, 1), "PSDS2": (1, 1)}}
    tuning = Tuning(CLASSES, seconds_per_vector=0.1565, weight=0.75, weight_scores={"0.75": 0.3}, **two)
    tuning.write(run / "tuning.json")
    embedder = {"embedder": str(embedder_cache / "mean_colour"), "fingerprint": embedders["video"].fingerprint}
    inputs = {"visual": {"mean_colour": embedder}, "visual_frames": 4, "max_frames": 512}
    (run / "inputs.json").write_text(json.dumps(inputs))
    row = {"part": "all", "clips": 9, **dict(zip(METRICS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))}
    (run / "result.json").write_text(json.dumps([row]))
    return run, model


def card(folder):
    return (folder / "assets.extra" / "MODEL_CARD.md").read_text()


def test_the_command_exports_a_tagging_run_with_what_its_folder_tells(tagging, tmp_path, capsys):
    import tensorflow as tf

    main(["export", str(tagging), "--out", str(tmp_path / "served" / "1")])
    assert str(tmp_path / "served" / "1" / "assets.extra" / "MODEL_CARD.md") in capsys.readouterr().out
    text = card(tmp_path / "served" / "1")
    for part in (
        "* seed: 7",
        "demo soundscapes made by avkeras (synthetic, seed 7): 480 train, 120 validation, 200 test clips",
        "| micro-F1 | test (20 clips) | 62.5 | 1 |",
        "| micro-F1 | test, clips with video | 70.0 | 1 |",
        "* Trained on synthetic soundscapes",
        "* Trained and scored only on clips with video",
        "* Scores are of one run with one seed",
        "| video | mean_colour | 6 |",
    ):
        assert part in text
    description = read_description(tmp_path / "served" / "1")
    before = read_description(tagging / "audio+video" / "saved_model")
    assert all(description[name] == before[name] for name in ("classes", "threshold", "embedders", "frames", "bundled"))
    inputs = {"audio": np.ones((2, 3, 128), "float32"), "video": np.ones((2, 3, 6), "float32")}
    expected = keras.saving.load_model(tagging / "audio+video" / "model.keras").predict(inputs, verbose=0)
    served = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["embeddings"]
    found = served(**{name: tf.constant(value) for name, value in inputs.items()})["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_the_spread_over_runs_is_that_of_the_results_file(detection, tmp_path):
    import tensorflow as tf

    run, model = detection
    file = ResultsFile(tmp_path / "results.jsonl")
    for seed, value in enumerate((0.4, 0.5, 0.6)):
        file.add({"cell": "bi-encoder", "seed": seed, "EBF1 all": value, "validation": 0.9, "clips all": 9})
    folder = export(run, tmp_path / "1", results=file.path)
    text = card(folder)
    assert "| EBF1 all | test, bi-encoder | 50.0 ± 10.0 | 3 |" in text
    assert "validation |" not in text
    assert "* train: 2 clips of manifest.tsv" in text
    assert "one seed" not in text
    x = {"audio": np.ones((1, 512, 64), "float32"), "mean_colour": np.ones((1, 4, 6), "float32")}
    served = tf.saved_model.load(str(folder)).signatures["embeddings"]
    found = served(**{name: tf.constant(value) for name, value in x.items()})
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(found["frame_probabilities"], expected["frame"], atol=1e-5)
    np.testing.assert_allclose(found["clip_probabilities"], expected["clip"], atol=1e-5)

    file.add({"cell": "other", "seed": 0, "EBF1 all": 0.1})
    with pytest.raises(AvkerasError, match="several cells; name one: bi-encoder; other"):
        export(run, tmp_path / "2", results=file.path)
    with pytest.raises(AvkerasError, match="has no cell 'third'"):
        export(run, tmp_path / "2", results=file.path, cell="third")
    assert not (tmp_path / "2").exists()


def test_what_cannot_be_exported_is_named(tagging, detection, tmp_path):
    for run, options, words in (
        (tmp_path, {}, "holds no finished run"),
        (tagging, {"system": "audio"}, r"has no system 'audio'; it has audio\+video"),
        (detection[0], {"bundle": True}, "is a detection run"),
        (tagging, {"results": tmp_path / "gone.jsonl"}, "holds no runs"),
        (tagging, {"cell": "a"}, "give that file too"),
    ):
        with pytest.raises(AvkerasError, match=words):
            export(run, tmp_path / "1", **options)
    assert not (tmp_path / "1").exists()
