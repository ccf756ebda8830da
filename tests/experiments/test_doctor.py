import json

import pytest

from avkeras.cli import main
from avkeras.commands import installation as doctor

NEEDED = {"python", "tensorflow", "keras", "av", "codecs", "cache"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return tmp_path / "cache"


def checks(capsys, *options):
    main(["doctor", *options])
    return capsys.readouterr().out.splitlines()


def test_what_is_needed_is_there_and_works(cache, capsys):
    (cache / "vgg16-2").mkdir(parents=True)
    (cache / "vgg16-2" / "saved_model.pb").write_bytes(b"x" * 2**20)
    found = {check["name"]: check for check in map(json.loads, checks(capsys, "--json"))}
    assert {name for name in NEEDED if found[name]["state"] == "ok" and found[name]["needed"]} == NEEDED
    assert found["cache"]["text"].endswith("1 MB")
    assert found["embedder vgg16"]["state"] == "ok"
    assert found["embedder vggish"]["state"] == found["embedder openl3"]["state"] == "missing"
    assert "python hub_models/openl3.py" in found["embedder openl3"]["text"]
    lines = checks(capsys)
    assert [line.split()[0] for line in lines] == [check["state"] for check in found.values()]


def test_what_is_needed_and_broken_ends_with_status_1(cache, capsys, monkeypatch):
    def broken():
        raise NotImplementedError("undefined symbol:\n in libtensorflow_io.so")

    monkeypatch.setattr(doctor, "_tensorflow_io", broken)
    monkeypatch.setattr(doctor, "_PACKAGES", {"soxr": ("soxr", "no_such_module")})
    monkeypatch.setitem(doctor._EXTRAS, "fetch", ("no_such_module", "install it"))
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == "error: needed and not ok: soxr"
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("broken  tensorflow-io") and "undefined symbol: in lib" in line for line in lines)
    assert any(line.startswith("missing soxr") for line in lines)
    assert any(line.startswith("missing extra fetch") and line.endswith("install it") for line in lines)


def test_a_codec_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "_CODECS", {"decode": ("h264", "no_such_codec")})
    (check,) = doctor._check("codecs", doctor._codecs, needed=True)
    assert check.fails
    assert "PyAV cannot decode no_such_codec" in check.text
