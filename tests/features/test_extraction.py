"""`avkeras extract` as a user runs it, in this process."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.cli import main
from avkeras.data.manifest import Clip, write_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.features.extraction import extract_manifest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A manifest of a film, a sound, a text that calls itself sound, and a file that is not there."""
    folder = tmp_path_factory.mktemp("data")
    film = write_clip(folder / "film.mp4", frame_times=np.arange(20) / 10, sound=bursts(2.0, 44100))
    soundfile.write(folder / "sound.wav", bursts(3.0, 16000)[0], 16000)
    (folder / "text.wav").write_text("<html>")
    clips = [
        Clip("film", film, film, "train"),
        Clip("sound", folder / "sound.wav", None, "train"),
        Clip("text", folder / "text.wav", film, "test"),
        Clip("gone", folder / "gone.wav", None, "test"),
    ]
    write_manifest(folder / "manifest.tsv", clips, classes=["Car"])
    return folder


@pytest.fixture
def manifest(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    return tmp_path / "data" / "manifest.tsv"


@pytest.fixture(scope="module")
def names(embedders, embedder_cache):
    """Folders of an embedder of sound and of one of pictures."""
    return [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]


def run(*arguments):
    """The exit status that the command ends with."""
    try:
        main(["extract", *map(str, arguments)])
    except SystemExit as ended:
        return ended.code
    return 0


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_failures_are_counted_and_a_second_run_does_only_what_is_left(manifest, names, capsys):
    assert run(manifest, "--embedders", *names) == 0
    output = capsys.readouterr().out
    assert "embeddings: 4 clips: 2 done (1 without video), 2 failed; 0 stood there before" in output
    assert "failed: 1 x this is text, not media" in output
    assert "failed: 1 x no such file" in output
    assert "vggish_stand_in is a stand-in" in output
    records = manifest.parent / "records"
    with open(records / "extraction.csv", newline="") as file:
        rows = {row["clip"]: row["text"] for row in csv.DictReader(file) if row["kind"] == "error"}
    assert rows == {"text": "this is text, not media", "gone": "no such file"}
    before = contents(records)
    assert run(manifest, "--embedders", *names) == 0
    assert "4 stood there before" in capsys.readouterr().out
    assert contents(records) == before
    # A file that turned up is done without being asked for; one that failed and is the same only with --retry.
    soundfile.write(manifest.parent / "gone.wav", bursts(1.0, 16000)[0], 16000)
    assert run(manifest, "--embedders", *names) == 0
    assert "3 done (2 without video), 1 failed; 3 stood there before" in capsys.readouterr().out
    assert run(manifest, "--embedders", *names, "--retry") == 0
    assert "3 done (2 without video), 1 failed; 3 stood there before" in capsys.readouterr().out


def test_complete_stores_may_lie_where_nothing_can_be_written(manifest, names, capsys, monkeypatch):
    assert run(manifest, "--embedders", *names) == 0
    monkeypatch.setattr("avkeras.features.write_clips.write_rows", lambda *_: pytest.fail("something was written"))
    before = contents(manifest.parent / "records")
    assert run(manifest, "--embedders", *names) == 0
    assert "4 stood there before" in capsys.readouterr().out
    assert contents(manifest.parent / "records") == before


def test_features_outlast_an_outage_of_the_media(manifest, names, capsys):
    assert run(manifest, "--embedders", names[0]) == 0
    before = contents(manifest.parent / "records")
    shutil.move(manifest.parent / "sound.wav", manifest.parent / "away")
    shutil.move(manifest.parent / "film.mp4", manifest.parent / "film")
    capsys.readouterr()
    assert run(manifest, "--embedders", names[0], "--retry") == 0
    output = capsys.readouterr().out
    assert "4 clips: 2 done (0 without video), 2 failed; 2 stood there before" in output
    assert "note: 2 x its media cannot be used now (no such file): features of before are kept" in output
    # An embedder that is new has none of before; those of the other stay.
    assert run(manifest, "--embedders", *names) == 0
    assert "0 done (0 without video), 4 failed" in capsys.readouterr().out
    shutil.move(manifest.parent / "away", manifest.parent / "sound.wav")
    shutil.move(manifest.parent / "film", manifest.parent / "film.mp4")
    assert run(manifest, "--embedders", names[0]) == 0
    assert "2 done (0 without video), 2 failed; 3 stood there before" in capsys.readouterr().out
    now = contents(manifest.parent / "records")
    assert {path: now[path] for path in before if path.name == "data.f16"} == {
        path: data for path, data in before.items() if path.name == "data.f16"
    }
    assert run(manifest, "--embedders", *names) == 0
    assert "2 done (1 without video), 2 failed" in capsys.readouterr().out


def test_strict_ends_with_status_1_only_if_a_clip_failed(manifest, names):
    ended = run(manifest, "--embedders", *names, "--strict")
    assert ended == "error: --strict: 2 of 4 clips failed; a clip that failed is not tried again without --retry"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:3]))
    assert run(manifest, "--embedders", *names, "--strict") == 0


def test_detection_adds_spectrograms_and_still_images(manifest, names, tmp_path, capsys):
    assert run(manifest, "--embedders", *names, "--detection", "--visual-frames", 8, "--out", tmp_path / "o") == 0
    output = capsys.readouterr().out
    assert "embeddings: 4 clips" in output
    assert "spectrograms and still images: 4 clips: 2 done (1 without video), 2 failed" in output
    alone = extract_manifest(manifest, embedders=names[1:], detection=True, visual_frames=8, workers=1)
    assert [extraction.title for extraction in alone] == ["spectrograms and still images"]
    stores = {name: RecordReader(folder) for name, folder in alone[0].stores.items()}
    assert stores["audio"].records["sound"].frames == 1 + 48_000 // 313
    assert stores["mean_colour"].records["film"].frames == 2
    for folder in alone[0].stores.values():
        assert contents(folder) == contents(tmp_path / "o" / folder.name)


def test_encoders_are_what_a_detection_model_takes(manifest, names, capsys):
    assert run(manifest, "--encoders", "log_mel", *names, "--visual-frames", 8) == 0
    output = capsys.readouterr().out
    assert "spectrograms and still images: 4 clips: 2 done (1 without video), 2 failed" in output
    assert "vggish_stand_in is a stand-in" in output
    (found,) = extract_manifest(manifest, encoders=["log_mel", *names], visual_frames=8)
    assert found.summary.reused == 4
    stores = {name: RecordReader(folder) for name, folder in found.stores.items()}
    assert list(stores) == ["audio", "vggish_stand_in", "mean_colour"]
    assert stores["vggish_stand_in"].records["sound"].frames == 3
    for words, said in (
        (["--encoders", *names], "log_mel is needed once"),
        (["--encoders", "log_mel", names[1], names[1]], "names an embedder twice"),
        (["--encoders", "log_mel", "--detection"], "detection: encoders are that already"),
        ([], "embedders: none is named"),
    ):
        assert said in run(manifest, *words)


def test_what_a_store_refuses_fails_one_clip(manifest, tmp_path, monkeypatch):
    from avkeras.features.embedders import Embedder, EmbedderSpec

    spec = EmbedderSpec("loud", "audio", 2, window=0.96, hop=0.96, least_samples=15600)

    def too_large(waveform):
        return np.full((1, 2), 1e6 if len(waveform) > 33_000 else 1.0)

    embedder = Embedder(spec, too_large, fingerprint="loud")
    monkeypatch.setattr("avkeras.features.embedders.load_embedder", lambda name, runtime: embedder)
    (found,) = extract_manifest(manifest, embedders=["loud"], out=tmp_path / "o")
    errors = dict(found.summary.errors)
    assert errors["sound"] == "embeddings of sound are not finite in half precision"
    assert "film" not in errors


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"path": "none.tsv"}, "none.tsv: cannot be read"),
        ({"embedders": ["vgish"]}, "vgish: no such embedder"),
        ({"embedders": [1]}, "name one of sound too"),
        ({"embedders": [1, 1]}, "names an embedder twice"),
        ({"workers": 0}, "workers 0"),
        ({"visual_frames": 0}, "visual_frames 0"),
        ({"out": "file/records"}, "records: cannot be made"),
    ],
)
def test_bad_input_is_one_line(manifest, names, tmp_path, changed, said):
    (tmp_path / "file").write_text("")
    values = {"path": manifest, "embedders": names, "out": "out"} | changed
    values["out"] = tmp_path / values["out"]
    values["embedders"] = [name if isinstance(name, str) else names[name] for name in values["embedders"]]
    with pytest.raises(AvkerasError, match=said) as caught:
        extract_manifest(values.pop("path"), **values)
    assert "\n" not in str(caught.value)


def test_a_process_without_tensorflow_extracts_the_same(manifest, names, tmp_path):
    call = "list(extraction.extract_manifest(sys.argv[1], embedders=sys.argv[3:], out=sys.argv[2], workers=2))"
    for place, more in (("library", ""), ("python", ", tensorflow")):  # imported, it runs the networks
        program = (
            f"import sys{more}\nfrom avkeras.features import extraction\n{call}\nprint('tensorflow' in sys.modules)"
        )
        command = [sys.executable, "-c", program, str(manifest), str(tmp_path / place), *names]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.strip() == str(place == "python")
    stores = sorted(path.parent.relative_to(tmp_path / "library") for path in tmp_path.glob("library/*/meta.json"))
    assert len(stores) == 2
    for store in stores:
        one, other = tmp_path / "library" / store, tmp_path / "python" / store
        assert (one / "index.jsonl").read_text() == (other / "index.jsonl").read_text()
        rows, others = (np.fromfile(folder / "data.f16", "<f2") for folder in (one, other))
        np.testing.assert_allclose(rows, others, rtol=0.001, atol=1e-4)  # one step of half precision
