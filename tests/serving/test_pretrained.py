"""Taggers that need no training: which one is found, what it says, and the forms that the command gives it."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest
import soundfile

import avkeras as av
from avkeras.cli import main
from avkeras.data.audioset import audioset_classes, yamnet_classes
from avkeras.datasets import dcase2020
from avkeras.errors import AvkerasError
from avkeras.features.embedders import KNOWN, cache_folder, load_embedder
from avkeras.features.networks import efficientat, yamnet


def noise(seconds, rate=32_000, seed=0):
    samples = round(seconds * rate)
    loudness = np.interp(
        np.arange(samples), np.linspace(0, samples, 9), np.random.default_rng(1).uniform(0.001, 0.3, 9)
    )
    return (loudness * np.random.default_rng(seed).normal(size=samples)).astype("float32")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Nothing of this machine's own is found."""
    for name in ("AVKERAS_CACHE", "TFHUB_CACHE_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("AVKERAS_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """Small networks of the same contract with random weights, each in a cache of its own."""
    import keras

    keras.utils.set_random_seed(0)
    root = tmp_path_factory.mktemp("caches")
    scores = keras.layers.Dense(527, activation="sigmoid")
    spectrogram = keras.Input((None, 128))
    rows = keras.layers.AveragePooling1D(33, strides=32)(spectrogram)
    whole = scores(keras.layers.GlobalAveragePooling1D()(spectrogram))
    network = keras.Model(spectrogram, [scores(rows), keras.layers.Dense(384)(rows), whole])
    efficientat.write(cache_folder("efficientat", cache_dir=root / "mn04"), network=network)
    patches = keras.Input((96, 64))
    pooled = keras.layers.GlobalAveragePooling1D()(patches)
    outputs = [keras.layers.Dense(521, activation="sigmoid")(pooled), keras.layers.Dense(1024)(pooled)]
    hub = hashlib.sha1(KNOWN["yamnet"].handle.encode()).hexdigest()
    yamnet.write(root / "hub" / hub, network=keras.Model(patches, outputs))
    return root


@pytest.fixture
def mn04(caches, monkeypatch):
    monkeypatch.setenv("AVKERAS_CACHE", str(caches / "mn04"))


@pytest.fixture
def hub(caches, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(caches / "hub"))


def test_without_any_tagger_one_line_says_what_to_do(capsys, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(1.0), 32_000)
    with pytest.raises(SystemExit) as error:
        main(["predict", str(tmp_path / "a.wav")])
    text = str(error.value.code)
    assert text.startswith("error: no pretrained tagger is there: run `python hub_models/efficientat.py`")
    assert "\n" not in text
    assert text.endswith("or give a model of your own (--model)")
    assert capsys.readouterr().out == ""


def test_published_weights_are_found_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("AVKERAS_WEIGHTS", str(tmp_path))
    (tmp_path / "yamnet.h5").write_bytes(b"another file")
    with pytest.raises(AvkerasError, match=r"yamnet\.h5: SHA-256 \w+, but yamnet\.h5 has 13c3308"):
        av.load()
    (tmp_path / "HOME" / ".keras" / "models").mkdir(parents=True)
    (tmp_path / "HOME" / ".keras" / "models" / "mn04_as_mAP_432.pt").write_bytes(b"another file")
    with pytest.raises(AvkerasError, match=r"432\.pt: SHA-256 \w+, but mn04_as_mAP_432\.pt has 899a8c6"):
        av.load()


def test_efficientat_goes_first_and_gives_its_published_output_of_every_ten_seconds(mn04, hub):
    tagger = av.load()
    assert (tagger.kind, tagger.classes) == ("pretrained", audioset_classes())
    whole = load_embedder("efficientat").module
    for seconds, bounds in ((4.0, [4.0]), (25.0, [10.24, 20.48, 25.0]), (75.0, [*np.arange(1, 8) * 10.24, 75.0])):
        wave = noise(seconds)
        found = tagger.predict(wave, rate=32_000)
        expected = whole(wave)[2].numpy()
        assert expected.std(axis=1).min() > 1e-4
        np.testing.assert_allclose([window.end for window in found.windows], bounds)
        np.testing.assert_allclose([window.start for window in found.windows], [0.0, *bounds[:-1]])
        for window, row in zip(found.windows, expected, strict=True):
            np.testing.assert_allclose(list(window.probabilities.values()), row, atol=1e-4)
        np.testing.assert_allclose(list(found.probabilities.values()), expected.max(axis=0), atol=1e-4)
        assert found.duration == seconds
        assert found.notes == ("tagged by efficientat, 527 classes of Audio Set, from its sound",)
        assert found.labels == tuple(name for name, value in found.probabilities.items() if value >= 0.5)


def test_yamnet_is_found_where_tf_hub_keeps_it_and_averages_ten_seconds(hub):
    tagger = av.load()
    assert tagger.classes == yamnet_classes()
    wave = noise(12.0, rate=16_000)
    found = tagger.predict(wave, rate=16_000)
    scores = np.asarray(load_embedder("yamnet").module(wave)[0])
    assert found.notes == ("tagged by yamnet, 521 classes of Audio Set, from its sound",)
    assert [window.start for window in found.windows] == [0.0, pytest.approx(0.48 * (len(scores) - 20))]
    for window, start in zip(found.windows, (0, len(scores) - 20), strict=True):
        np.testing.assert_allclose(
            list(window.probabilities.values()), scores[start : start + 20].mean(axis=0), atol=1e-4
        )
    assert found.windows[1].end == 12.0


def test_it_takes_no_embedders_and_is_not_exported(mn04, tmp_path):
    with pytest.raises(AvkerasError, match="embedders: they go with a model"):
        av.load(embedders=["vggish_stand_in"])
    with pytest.raises(AvkerasError, match="is a pretrained tagger, a SavedModel already; export a run"):
        av.export(av.load(), tmp_path / "served")


def test_the_command_answers_in_every_form(mn04, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name, seconds in (("a, b.wav", 12.0), ("c.wav", 2.0)):
        soundfile.write(tmp_path / "in" / name, noise(seconds), 32_000, subtype="FLOAT")
    first, second = av.load().predict([tmp_path / "in" / "a, b.wav", tmp_path / "in" / "c.wav"])
    best = [sorted(window.probabilities, key=lambda name: -window.probabilities[name]) for window in first.windows]
    of_clip = sorted(first.probabilities, key=lambda name: -first.probabilities[name])

    def shown(*arguments):
        main(["predict", *map(str, arguments)])
        return capsys.readouterr()

    lines = shown(tmp_path / "in").out.splitlines()
    assert lines[0] == str(first.path)
    assert [line[2:].rsplit("  ", 1 + line.endswith("*"))[0].rstrip() for line in lines[1:6]] == of_clip[:5]
    assert lines[6:8] == [f"  note: {first.notes[0]}", str(second.path)]
    (found,) = map(json.loads, shown(tmp_path / "in" / "a*.wav", "--top", 3, "--json").out.splitlines())
    assert list(found["probabilities"]) == of_clip[:3]
    assert [list(window["probabilities"]) for window in found["windows"]] == [names[:3] for names in best]
    found = json.loads(shown(tmp_path / "in" / "c.wav", "--format", "json").out)
    assert found["probabilities"] == pytest.approx(second.probabilities)

    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        answer = shown(tmp_path / "in", "--top", 1, "--format", form)
        assert "tagged by efficientat" in answer.err
        assert list(csv.reader(io.StringIO(answer.out), delimiter=delimiter)) == [
            ["filename", "onset", "offset", "event_label"],
            ["a, b.wav", "0.000", "10.240", best[0][0]],
            ["a, b.wav", "10.240", "12.000", best[1][0]],
            ["c.wav", "0.000", "2.000", max(second.probabilities, key=second.probabilities.get)],
        ]
    answer = shown(first.path, "--top", 2, "--format", "audacity").out.splitlines()
    assert [line.split("\t") for line in answer] == [
        [f"{start:.3f}", f"{end:.3f}", name]
        for (start, end), names in zip(((0, 10.24), (10.24, 12)), best, strict=True)
        for name in names[:2]
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top", "0"], "--top 0: at least 1 is wanted"),
        (["--json", "--format", "csv"], "--json, --format csv: give one of them"),
        (["c.wav", "--format", "audacity"], "a label track names no file, so give one file, not 2"),
        (["in/a.wav", "--format", "tsv"], "--format tsv: 2 files are called a.wav; give them one by one, or take json"),
    ],
)
def test_what_does_not_go_together_is_one_line(arguments, message):
    with pytest.raises(SystemExit) as error:
        main(["predict", "a.wav", *arguments])
    assert message in str(error.value.code)


def score_command(tmp_path, rows, *options):
    lines = ["id\taudio\tsplit\tlabels\tsupervision", *("\t".join(row) for row in rows)]
    (tmp_path / "m.tsv").write_text("\n".join(lines) + "\n")
    main(["score", str(tmp_path / "m.tsv"), *options])


def test_a_pretrained_tagger_is_scored_on_the_classes_of_a_task(mn04, tmp_path, capsys):
    for number in range(4):
        soundfile.write(tmp_path / f"-{number}.wav", noise(0.5, seed=number), 32_000)
    (tmp_path / "broken.wav").write_text("<html>")
    (tmp_path / "classes.txt").write_text("\n".join(dcase2020.CLASSES))
    rows = [(f"-{number}", f"-{number}.wav", "test", label, "weak") for number, label in enumerate(["Cat", "Dog", ""])]
    rows += [("-9", "broken.wav", "test", "Cat", "weak"), ("-8", "-3.wav", "test", "", "unlabelled")]
    score_command(tmp_path, rows, "--out", str(tmp_path / "scores"))
    said = capsys.readouterr().out
    assert "3 clips, 1 could not be used" in said
    assert "note: classes by the map dcase2020" in said
    assert "note: decision: the model's own (global, 0.5), nothing was tuned" in said
    assert "left out: -9: " in said
    tagger, mapping = av.load(), av.data.class_map("dcase2020")
    with (tmp_path / "scores" / "probabilities.csv").open() as file:
        table = {row.pop("id"): [float(value) for value in row.values()] for row in csv.DictReader(file)}
    for number in range(3):
        found = tagger.predict(tmp_path / f"-{number}.wav").probabilities
        expected = [max(found[name] for name in names) for names in mapping.sources.values()]
        np.testing.assert_allclose(table[f"-{number}"], expected, rtol=1e-6)
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["clips"] == 3
    assert {"micro_f1", "mean_average_precision", "threshold"} <= scores.keys()
    score_command(tmp_path, rows, "--decision", "capsule")
    assert "note: decision: capsule, 0.35 for all classes" in capsys.readouterr().out
    rows += [("-7", "-3.wav", "validation", "Cat", "weak")]
    score_command(tmp_path, rows)
    assert "note: decision: global, chosen on 1 validation clips" in capsys.readouterr().out
    score_command(tmp_path, rows, "--threshold", "0.2", "--classes", "dcase2020")
    assert "note: decision: 0.2 for all classes\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--split", "train"], "m.tsv: no clip of split train has labels"),
        (["--split", "tset"], "split 'tset' is none of train, validation, test"),
        (["--decision", "class_wise"], "decision class_wise: its thresholds are chosen on clips of split validation"),
        (["--classes", "dcase2017"], "class map dcase2017: has no row for 'Zebra'"),
        ([], "the model has no class 'Zebra'; give a table 'class,from,reason'"),
    ],
)
def test_what_cannot_be_scored(mn04, tmp_path, options, words):
    soundfile.write(tmp_path / "a.wav", noise(0.5), 32_000)
    label = "Cat" if "--decision" in options else "Zebra"
    with pytest.raises(SystemExit) as ended:
        score_command(tmp_path, [("a", "a.wav", "test", label, "weak")], *options)
    assert words in ended.value.code
    assert "\n" not in ended.value.code
