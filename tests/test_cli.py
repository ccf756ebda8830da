import subprocess
import sys

import pytest

from avkeras.cli import main


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom avkeras.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'av', 'librosa', 'matplotlib', 'rich', 'numpy', 'yt_dlp', 'pooch'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("predict", "evaluate", "demo", "fetch", "status", "extract"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["predict", "evaluate", "demo", "fetch", "status", "extract"])
def test_every_command_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"avkeras {command} " in capsys.readouterr().out.split("examples:")[1]


def test_demo_writes_a_manifest(tmp_path, capsys):
    main(["demo", "--out", str(tmp_path / "d"), "--task", "dcase2020", "--clips", "1", "1", "1"])
    assert "3 clips in" in capsys.readouterr().out
    assert (tmp_path / "d" / "manifest.tsv").is_file()


def test_evaluate_prints_the_metrics_and_names_bad_files(tmp_path, capsys):
    header = "filename\tonset\toffset\tevent_label\n"
    (tmp_path / "truth.tsv").write_text(header + "a.wav\t0.0\t2.0\tDog\n")
    (tmp_path / "found.tsv").write_text(header + "a.wav\t0.1\t2.1\tDog\n")
    main(["evaluate", str(tmp_path / "found.tsv"), "--truth", str(tmp_path / "truth.tsv")])
    output = capsys.readouterr().out
    assert output.splitlines() == ["CBF1    1.000000", "SBF1    0.800000", "EBF1    1.000000"]
    (tmp_path / "bad.tsv").write_text(header + "a.wav\tx\t2.1\tDog\n")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path / "bad.tsv"), "--truth", str(tmp_path / "truth.tsv")])
    assert "bad.tsv" in str(ended.value.code)
