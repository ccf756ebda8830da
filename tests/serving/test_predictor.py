"""One predictor for both papers: what it takes, and what it says of what it cannot use."""

import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

import avkeras as av
from avkeras.cli import main
from avkeras.errors import AvkerasError, MediaError

SAVED = Path(__file__).parents[1] / "data" / "saved_by_0_1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, an exported tagging model with its embedders in it, and a clip of 4 s with sound and pictures."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ("tagging_run", "detection_run", "exported_tagging", "stores"):
        with tarfile.open(SAVED / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def predictors(folder):
    """A tagging and a detection model, by kind."""
    return {
        "tagging": av.load(folder / "served" / "tagging"),
        "detection": av.load(folder / "runs" / "detection", embedders=[folder / "embedders" / "mean_colour"]),
    }


@pytest.fixture(params=["tagging", "detection"])
def predictor(request, predictors):
    return predictors[request.param]


@pytest.fixture
def clip(folder):
    return folder / "clip.mp4"


def test_a_whole_run_is_its_best_system(folder, monkeypatch):
    monkeypatch.chdir(folder)
    rows = [line.split(",") for line in Path("runs/tagging/results.csv").read_text().splitlines()]
    f1 = {row[0]: float(row[rows[0].index("f1")]) for row in rows[1:]}
    found = av.load("runs/tagging")
    assert f1[found.folder.name] == max(f1.values())
    assert found.predict("clip.mp4") == av.load(found.folder).predict("clip.mp4")


def test_a_run_is_exported_from_its_predictor_and_says_the_same(folder, clip, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    tagger = av.load("runs/tagging/audio")
    served = av.load(av.export(tagger, tmp_path / "served" / "1", bundle=True))
    copied = av.load(av.export(served, tmp_path / "served" / "2"))
    expected = tagger.predict(clip)
    for found in (served.predict(clip), copied.predict(clip)):
        assert found.labels == expected.labels
        for name, value in expected.probabilities.items():
            assert found.probabilities[name] == pytest.approx(value, abs=1e-5)
    with pytest.raises(AvkerasError, match="is an exported model, which is copied as it is"):
        av.export(served, tmp_path / "3", bundle=True)
    with pytest.raises(AvkerasError, match="exists; name another folder"):
        av.export(tagger, tmp_path / "served" / "1")


def test_a_waveform_and_pictures_are_answered_as_the_file_that_they_are_of(predictor, clip):
    expected = predictor.predict(clip)
    samples = av.media.load_audio(clip)
    times = np.arange(20) / 5
    pictures, seen = av.media.load_frames(clip, times)
    assert seen.all()
    for shown in ({"picture_rate": 5}, {"picture_times": times}):
        found = predictor.predict(samples, rate=16_000, pictures=pictures, **shown)
        assert found.path is None
        assert found.notes == expected.notes
        assert found.duration == expected.duration
        # Colours go through the file's own format on the other way, and are rounded there.
        for name, value in expected.probabilities.items():
            assert found.probabilities[name] == pytest.approx(value, abs=2e-3)
    alone = predictor.predict(samples, rate=16_000)
    assert max(abs(alone.probabilities[name] - value) for name, value in expected.probabilities.items()) > 1e-5


def test_a_waveform_of_any_type_rate_and_channels(predictors):
    predictor = predictors["tagging"]
    random = np.random.default_rng(0)
    sound = (random.normal(0, 0.1, 32_000)).clip(-1, 1)
    expected = predictor.predict(sound, rate=16_000).probabilities
    whole = np.round(sound * 32768).clip(-32768, 32767).astype("int16")
    for given in (sound.astype("float32"), whole, np.stack([sound, sound], axis=1), sound.tolist()):
        found = predictor.predict(given, rate=16_000).probabilities
        assert list(found.values()) == pytest.approx(list(expected.values()), abs=1e-3)
    faster = predictor.predict(np.repeat(sound, 2), rate=32_000)
    assert faster.duration == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.array([0.0, np.nan, 0.1]), "not finite"),
        (np.array([0.0, np.inf]), "not finite"),
        (np.array([0.0, 1e30]), r"its loudest sample is 1e\+30"),
        (np.array([12000.0, -20000.0]), r"its loudest sample is 2e\+04; divide by full scale"),
        (np.zeros((2, 16_000)), "seems to be its transpose"),
        (np.zeros(0), r"not \(0,\) of float64"),
        (np.array(["a"]), "of numbers wanted"),
        (np.array([True, False]), "of numbers wanted"),
    ],
)
def test_what_is_no_waveform_is_refused_in_one_line(predictor, samples, words):
    with pytest.raises(AvkerasError, match=words) as error:
        predictor.predict(samples, rate=16_000)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("waveform: ")


def test_what_is_remarkable_of_a_waveform_is_noted(predictor):
    assert any("silent" in note for note in predictor.predict(np.zeros(16_000), rate=16_000).notes)
    loud = 3 * np.sin(np.arange(16_000) / 5)
    assert any("3.00 times full scale" in note for note in predictor.predict(loud, rate=16_000).notes)


def test_arguments_that_do_not_fit_are_named(predictor, clip):
    sound, pictures = np.zeros(16_000), np.zeros((2, 8, 8, 3), "uint8")
    for arguments, options, words in (
        (sound, {}, "rate: give the rate"),
        (sound, {"rate": 0}, "rate: a whole number of Hz"),
        (sound, {"rate": 16_000, "pictures": pictures}, "picture_times or their picture_rate"),
        (sound, {"rate": 16_000, "pictures": pictures, "picture_rate": 0}, "picture_rate: more than 0"),
        (sound, {"rate": 16_000, "pictures": pictures, "picture_times": [1, 0]}, "picture_times: 2 ascending"),
        (sound, {"rate": 16_000, "pictures": pictures / 255, "picture_rate": 1}, "of uint8 wanted"),
        (clip, {"pictures": pictures}, "they go with a waveform"),
        ([clip], {"video": clip}, "video: it goes with one file"),
    ):
        with pytest.raises(AvkerasError, match=words):
            predictor.predict(arguments, **options)


def bad_files(folder):
    """Files that cannot be used, each for its own reason, and a word of it."""
    (folder / "text.mp4").write_text("not a film")
    os.mkfifo(folder / "pipe.wav")
    return {folder / "text.mp4": "text", folder / "gone.wav": "", folder / "pipe.wav": "", folder / ("a" * 5000): ""}


def test_a_list_is_answered_but_for_the_files_that_cannot_be_used(predictor, clip, tmp_path):
    bad = bad_files(tmp_path)
    found = predictor.predict([clip, *bad, clip])
    assert [prediction.path for prediction in found] == [clip, *bad, clip]
    assert found[0].probabilities == found[-1].probabilities == predictor.predict(clip).probabilities
    assert found[0].error == found[-1].error == ""
    for prediction, word in zip(found[1:-1], bad.values(), strict=True):
        assert word in prediction.error
        assert prediction.error
        assert "\n" not in prediction.error
        assert prediction.probabilities == {}
        assert prediction.as_json() == {"path": str(prediction.path), "error": prediction.error}
    for path in bad:
        with pytest.raises((MediaError, AvkerasError)):
            predictor.predict(path)


def test_the_command_answers_the_others_and_says_how_many_failed(folder, clip, tmp_path, capsys):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"))
    odd.write_bytes(clip.read_bytes())
    arguments = ["predict", str(odd), str(tmp_path / "gone.wav"), str(clip), "--json"]
    with pytest.raises(SystemExit) as error:
        main([*arguments, "--model", str(folder / "served" / "tagging")])
    shown = capsys.readouterr()
    assert "1 of 3 files could not be predicted" in str(error.value.code)
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert len(lines) == 2
    assert lines[0]["probabilities"] == lines[1]["probabilities"]
    assert shown.err.count("gone.wav") == 1


def test_embedders_are_an_option_of_every_command(folder, clip, tmp_path, capsys):
    """The run was made elsewhere: the folders that its values name are not there."""
    given = ["--embedders", str(folder / "embedders" / "loudness"), str(folder / "embedders" / "mean_colour")]
    run = str(folder / "runs" / "tagging" / "audio+video")
    with pytest.raises(SystemExit) as error:
        main(["predict", str(clip), "--model", run])
    assert "embedders/loudness, which is not there" in str(error.value.code)
    main(["predict", str(clip), "--model", run, *given])
    assert str(clip) in capsys.readouterr().out
    main(["export", run, "--out", str(tmp_path / "1"), "--bundle", *given])
    main(["visualize", str(clip), "--model", run, "--out", str(tmp_path), "--formats", "png", *given])
    assert (tmp_path / "clip.mp4.attention.png").is_file()
