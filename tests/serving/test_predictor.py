"""One predictor for both papers: what it takes, and what it says of what it cannot use."""

import gc
import json
import os
import signal
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import avkeras as av
from avkeras.cli import main
from avkeras.errors import AvkerasError, MediaError
from avkeras.features.extract import WindowReader
from avkeras.features.extract_detection import LogMelReader
from avkeras.media.decoding_process import DecoderUnavailable
from avkeras.reports.event_roll import event_roll_figure

SAVED = Path(__file__).parents[1] / "data" / "saved_by_0_1"


def same(prediction):
    """Its probabilities within rounding: threads may add the parts of a sum in another order."""
    return pytest.approx(prediction.probabilities, abs=1e-6)


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
    for again in (found[-1], predictor.predict(clip)):
        assert again.probabilities == same(found[0])
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


@pytest.fixture
def strike(monkeypatch):
    """`hangs.mp4` stops the process that decodes, `crashes.mp4` ends it in its midst, as a file could do it."""

    def strikes(read):
        def read_sound(self, path, embed, decoder):
            if path.name in ("hangs.mp4", "crashes.mp4"):
                os.kill(decoder._process.pid, signal.SIGSTOP)
            if path.name == "crashes.mp4":
                threading.Timer(0.3, decoder.interrupt).start()
            return read(self, path, embed, decoder)

        return read_sound

    for reader in (WindowReader, LogMelReader):
        monkeypatch.setattr(reader, "read_sound", strikes(reader.read_sound))


def test_a_file_that_hangs_or_crashes_decoding_costs_itself_alone(predictor, clip, strike, monkeypatch):
    monkeypatch.setattr(predictor, "patience", 1.0)
    predictor._idle.clear()
    before, hangs, between, crashes, after = predictor.predict(
        [clip, clip.with_name("hangs.mp4"), clip, clip.with_name("crashes.mp4"), clip]
    )
    assert hangs.error == "nothing came of decoding it for 1 s: given up"
    assert crashes.error == "decoding it ended the decoding process (signal SIGKILL): damaged or too large"
    for again in (between, after):
        assert again.probabilities == same(before)
    assert before.error == between.error == after.error == ""
    with pytest.raises(MediaError, match="nothing came of decoding it for 1 s"):
        predictor.predict(clip.with_name("hangs.mp4"))


def test_the_command_goes_on_after_a_file_that_hangs(folder, clip, strike, capsys):
    arguments = [str(clip), str(clip.with_name("hangs.mp4")), str(clip), "--json", "--patience", "1"]
    with pytest.raises(SystemExit) as error:
        main(["predict", *arguments, "--model", str(folder / "served" / "tagging")])
    shown = capsys.readouterr()
    assert "1 of 3 files could not be predicted" in str(error.value.code)
    assert len(shown.out.splitlines()) == 2
    assert "hangs.mp4: nothing came of decoding it for 1 s: given up" in shown.err


def test_pictures_at_which_decoding_hangs_are_not_drawn(predictors, clip, tmp_path, monkeypatch):
    predictor = predictors["detection"]
    monkeypatch.setattr(predictor, "patience", 1.0)
    predictor._idle.clear()
    prediction = predictor.predict(clip)
    with predictor.decoder() as decoder:
        images = []
        for hangs in (False, True):  # the pictures are one image of the figure
            if hangs:
                os.kill(decoder._process.pid, signal.SIGSTOP)
            figure = event_roll_figure(tmp_path / f"{hangs}.svg", prediction, decoder=decoder)
            images.append(figure.read_text().count("<image "))
    assert images[0] == images[1] + 1


def test_threads_have_processes_of_their_own_which_end_with_the_predictor(folder, clip):
    predictor = av.load(folder / "served" / "tagging")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(predictor.predict, [clip] * 8))
    assert all(prediction.probabilities == same(found[0]) for prediction in found)
    running = [decoder._process for decoder in predictor._idle]
    assert 1 <= len(running) <= 4
    assert all(process.poll() is None for process in running)
    del predictor
    gc.collect()
    assert all(process.returncode is not None for process in running)


def test_a_relative_path_is_meant_from_the_present_folder(predictors, clip, tmp_path, monkeypatch):
    predictor = predictors["tagging"]
    expected = predictor.predict(clip).probabilities
    (tmp_path / "moved.mp4").write_bytes(clip.read_bytes())
    for here in (tmp_path, tmp_path / "gone"):
        here.mkdir(exist_ok=True)
        monkeypatch.chdir(here)
        if here.name == "gone":
            here.rmdir()
            with pytest.raises(MediaError, match="no such file"):
                predictor.predict("moved.mp4")
        else:
            assert predictor.predict("moved.mp4").probabilities == pytest.approx(expected, abs=1e-6)


def test_no_process_that_decodes_is_no_fault_of_a_file(predictors, clip, monkeypatch, capfd):
    predictor = predictors["tagging"]
    predictor._idle.clear()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecoderUnavailable, match="/nowhere/python: cannot be run"):
        predictor.predict([clip])


def test_patience_is_above_0(folder):
    with pytest.raises(AvkerasError, match="patience 0: a number of seconds above 0"):
        av.load(folder / "served" / "tagging", patience=0)


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
