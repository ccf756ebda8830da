import dataclasses
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from avkeras.cli import COMMANDS, build_parser, main
from avkeras.commands import finish_run, recipe
from avkeras.experiments.configs import EXPERIMENTS, AudioTagging, SoundEventDetection
from avkeras.runs.run_folder import pin_values, values_of_run

RECIPES = Path(__file__).parents[1] / "recipes"


def help_of(*words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def refused(arguments, capsys):
    """What is said of a wrong command line: one line on standard error, with exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"\x89PNG\x00\xff secret", "is not UTF-8 text (byte 0)"),
        (b"password: T\xfcr secret\n", "is not UTF-8 text (byte 11)"),
        (b"a: [1\nsecret: 2\n", "is no YAML or JSON (line 2)"),
        (b"\x00secret", "is no YAML or JSON"),
        (b"just a secret\n", "holds no options by name"),
        (b"- secret\n- 2\n", "holds no options by name"),
        (b"", "holds no options by name"),
    ],
)
def test_nothing_is_shown_of_a_file_that_is_no_configuration(content, answer, tmp_path, capsys):
    (tmp_path / "file").write_bytes(content)
    line = refused(["train", "tagging", "--config", str(tmp_path / "file")], capsys)
    assert line.startswith(f"error: --config: {tmp_path}/file {answer}; give a file of lines `option: value`")
    assert "secret" not in line


@pytest.fixture
def ran(monkeypatch):
    """The values of the experiments that were to be run."""
    values = []
    monkeypatch.setattr(finish_run, "run_experiment", values.append)
    return values


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
    for command in COMMANDS:
        assert f"\n    {command} " in done.stdout.replace(f"{command}\n", f"{command} ")


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + [["train", "tagging"], ["train", "detection"]])
def test_every_example_in_a_help_text_can_be_given(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pin_values(SoundEventDetection(), Path("runs/conformer"))  # an example takes its config.json
    examples = help_of(*command, capsys=capsys).split("examples:")[1].replace("\\\n", " ")  # lines that go on
    lines = re.findall(r"^ +(avkeras .*)$", examples, flags=re.MULTILINE)
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        assert words[0] == command[0] or command == ["systems"]  # whose example trains one
        assert build_parser(words).parse_args(words).command == words[0]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("predct a.wav", "'predct' is none of .*; did you mean predict?; see avkeras --help"),
        ("predict a.wav --modle m", "unknown option --modle; did you mean --model?; see avkeras predict --help"),
        ("predict a.wav --mod m", "unknown option --mod; did you mean --model?"),
        ("predict --model m", "missing: "),
        ("predict a.wav --format cvs", "--format: 'cvs' is none of .*; did you mean csv?"),
        ("predict -odd.yaml --model m", "-odd.yaml begins with a dash: to name that file write ./-odd.yaml"),
        ("demo --out d --task dcase2019", "--task: 'dcase2019' is none of dcase2017, dcase2020; did you mean dcase201"),
        ("demo --out d --clips 1 2 x", "--clips .*Got value: x"),
        ("demo --out d extra", "unexpected argument 'extra'"),
        ("train taging --epochs 3", "'taging' is none of tagging, detection; did you mean tagging?"),
        ("train tagging --epoch 3", "unknown option --epoch; did you mean --epochs?"),
        ("train tagging --epochs many", "--epochs: .*Got value: many"),
        ("train tagging --attention softmx", "--attention: 'softmx' is none of .*; did you mean softmax?"),
        ("train detection --block conformers", "did you mean conformer?"),
        ("train detection --config gone.yaml", "--config: File does not exist: .*gone.yaml"),
        ("train detection --config odd.yaml", "unknown option 'epoch'; did you mean epochs?"),
        ("train", "name an experiment, tagging or detection, or a run with --resume"),
        ("train tagging --resume runs/x", "--resume takes all values from the run"),
        ("", "no command given"),
    ],
)
def test_wrong_usage_is_one_line_with_the_nearest_known_word(line, answer, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("odd.yaml", "-odd.yaml"):
        Path(name).write_text("epoch: 3\n")
    assert re.search(answer.replace("?", r"\?"), refused(line.split(), capsys))


def test_a_users_error_is_one_line_and_status_1(tmp_path, monkeypatch, capsys):
    for arguments in (["evaluate", "gone.tsv", "--truth", "gone.tsv"], ["train", "--resume", str(tmp_path)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert re.fullmatch(r"error: .*: No such file or directory\)?", ended.value.code)  # the interpreter's status: 1
    monkeypatch.setenv("AVKERAS_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        main(["evaluate", "gone.tsv", "--truth", "gone.tsv"])


def test_values_come_from_defaults_then_a_file_then_options(tmp_path, ran):
    main(["train", "detection"])
    assert ran.pop() == dataclasses.replace(
        SoundEventDetection(),
        visual=["vgg16"],
        encoders=[],
        weights=SoundEventDetection.weights,
        availability=[],
        options=[],
    )
    (tmp_path / "my.yaml").write_text("epochs: 3\nbatch: [1, 2, 3]\nvisual: [openl3, tce]\ndata: my.tsv\n")
    main(["train", "detection", "--config", str(tmp_path / "my.yaml"), "--epochs", "4", "--training_weight", "0.5"])
    values = ran.pop()
    assert (values.epochs, tuple(values.batch), values.data) == (4, (1, 2, 3), Path("my.tsv"))
    assert values.visual == ["openl3", "tce"]
    assert (values.training_weight, values.dim) == (0.5, SoundEventDetection.dim)
    main(["train", "detection", "--encoders", "log_mel", "efficientat", "openl3"])
    assert ran.pop().embedders == ("efficientat", "openl3")
    main(["train", "detection", "--availability", "0", "0.5", "1", "--gate", "true"])
    assert (ran[-1].availability, ran.pop().gate) == ([0.0, 0.5, 1.0], True)
    main(["train", "detection", "--visual"])
    assert ran.pop().visual == []


@pytest.mark.parametrize(
    ("name", "experiment"), [("dcase2017_av", "tagging"), ("dcase2020_multi_encoder", "detection")]
)
def test_a_recipes_values_can_be_written_and_given_to_train(name, experiment, tmp_path, ran, capsys):
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for preset, values in module.PRESETS.items():
        with pytest.raises(SystemExit) as ended:
            recipe.run_recipe(module.PRESETS, description="", arguments=["--preset", preset, "--print_config"])
        assert ended.value.code == 0
        (tmp_path / "values.yaml").write_text(capsys.readouterr().out)
        main(["train", experiment, "--config", str(tmp_path / "values.yaml")])
        assert as_json(ran.pop()) == as_json(values)


def as_json(values):
    return json.loads(json.dumps(dataclasses.asdict(values), default=str))


@pytest.mark.parametrize(
    "values",
    [
        AudioTagging(out=Path("runs/a"), data=Path("my.tsv"), systems=("audio",), seed=3),
        SoundEventDetection(out=Path("runs/b"), visual=(), training_weight=0.5),
    ],
)
def test_a_run_folder_holds_all_that_a_run_needs(values, tmp_path, ran, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pin_values(values, values.out)
    pin_values(values_of_run(values.out, tuple(EXPERIMENTS.values())), values.out)  # the values are the same
    main(["train", "--resume", str(values.out)])
    assert ran.pop() == values
    experiment = "tagging" if isinstance(values, AudioTagging) else "detection"
    main(["train", experiment, "--config", str(values.out / "config.json"), "--out", "runs/again"])
    assert as_json(ran.pop()) == as_json(values) | {"out": "runs/again"}
    monkeypatch.setattr(sys, "argv", ["avkeras", "train"])
    pin_values(values, values.out)
    starts = [json.loads(line) for line in (values.out / "environment.jsonl").read_text().splitlines()]
    assert len(starts) == 2
    assert starts[0]["packages"]["tensorflow"].startswith("2.")
    assert starts[0]["directory"] == str(tmp_path)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pytest.raises(SystemExit, match=r"its run was started as runs/.*, from elsewhere or before it was moved"):
        main(["train", "--resume", str(Path("..") / values.out)])


def test_the_folder_of_a_table_is_no_run_to_resume(tmp_path):
    pin_values(AudioTagging(out=tmp_path), tmp_path, free=("workers", "out"))
    with pytest.raises(SystemExit, match="holds the runs of a table; give the command of avkeras reproduce again"):
        main(["train", "--resume", str(tmp_path)])


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(SystemExit, match=r"--preset: 'smal' is none of small, paper; did you mean small\?"):
        recipe.run_recipe(dict.fromkeys(["small", "paper"]), description="", arguments=["--preset", "smal"])


def test_visualize_hands_its_options_on_and_names_the_files(monkeypatch, capsys):
    def visualize(media, **options):
        given.append((media, options))
        return [Path("clip.mp4.attention.png")]

    given = []
    monkeypatch.setattr("avkeras.reports.visualize_media.visualize", visualize)
    main(["visualize", "clip.mp4", "--model", "m", "--query", "3", "--formats", "png", "svg"])
    options = {"model": Path("m"), "query": 3, "out": Path("."), "formats": ("png", "svg"), "embedders": []}
    assert given == [(Path("clip.mp4"), options)]
    assert capsys.readouterr().out == "clip.mp4.attention.png\n"


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
    shown = [line.split()[:2] for line in output.splitlines()[:3]]
    assert shown == [["CBF1", "1.000000"], ["SBF1", "0.800000"], ["EBF1", "1.000000"]]
    (tmp_path / "bad.tsv").write_text(header + "a.wav\tx\t2.1\tDog\n")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path / "bad.tsv"), "--truth", str(tmp_path / "truth.tsv")])
    assert "bad.tsv" in str(ended.value.code)


def test_a_file_whose_name_begins_as_an_option_does_gets_a_hint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("-clip.wav").touch()
    with pytest.raises(SystemExit):
        main(["predict", "a.wav", "-clip.wav", "--model", "m"])
    assert "write ./-clip.wav" in capsys.readouterr().err


def test_a_terminal_without_the_characters_of_a_name_shows_their_escapes():
    code = "import sys\nfrom avkeras.cli import main\nimport avkeras.commands.systems as command\n"
    code += "command.run = lambda options: print('\\u00fcber.wav', file=sys.stdout)\nmain(['systems'])"
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ascii_only)
    assert (done.returncode, done.stdout) == (0, "\\xfcber.wav\n"), done.stderr


def test_a_closed_standard_output_is_one_line():
    command = f"{shlex.quote(sys.executable)} -m avkeras systems >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    line = "error: standard output is closed; send it to a file or to /dev/null\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "avkeras", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=RECIPES.parent)
    assert (done.returncode, done.stdout.split()[0]) == (0, "avkeras"), done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_who_has_read_enough_ends_a_command_quietly(unbuffered):
    code = "import sys; sys.stdin.read(); from avkeras.cli import main; main(['systems'])"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = subprocess.Popen([sys.executable, "-c", code], text=True, env=environment, **pipes)
    command.stdout.close()  # as `| head -0`, before anything is written
    command.stdin.close()
    said = command.stderr.read()
    command.stderr.close()
    assert (command.wait(), said) == (128 + signal.SIGPIPE, "")


def test_an_interrupted_command_says_so_and_ends_with_the_status_that_shells_know():
    code = "import os, signal\nfrom avkeras.cli import main\nimport avkeras.commands.systems as command\n"
    code += "command.run = lambda options: os.kill(os.getpid(), signal.SIGINT)\nmain(['systems'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (130, 1), done.stderr
    assert done.stderr.startswith("interrupted; ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_output_to_a_full_disk_is_one_line():
    code = "from avkeras.cli import main; main(['systems'])"
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")
