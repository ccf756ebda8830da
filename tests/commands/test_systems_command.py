import pytest

from avkeras.cli import main
from avkeras.commands import finish_run
from avkeras.systems.registry import NAMES, find_system


def test_every_system_is_listed_with_its_size_and_figure(capsys):
    main(["systems"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + sum(map(len, NAMES.values()))
    line = next(line for line in lines if line.startswith("gccaps"))
    assert "tagging" in line
    assert "447,449" in line
    assert line.endswith("micro-F1 58.6 % (abstract of the paper)")


def test_one_system_is_told_with_its_values_options_and_licence(capsys):
    main(["systems", "gccaps"])
    text = capsys.readouterr().out
    for part in ("MIT", "--batch_size 44", "--options rounds=3", "58.6 %", "1103 evaluation clips", "chosen: "):
        assert part in text
    with pytest.raises(SystemExit) as ended:
        main(["systems", "yolo"])
    assert str(ended.value).startswith("error: system: 'yolo' is none of gated_crnn, gccaps")


def test_a_system_brings_its_published_values_which_options_change(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(finish_run, "run_experiment", ran.append)
    main(["train", "tagging", "--system", "gccaps", "--seed", "3", "--options", "rounds=1", "filters=8"])
    (tmp_path / "my.yaml").write_text("system: gated_crnn\nepochs: 2\n")
    main(["train", "tagging", "--config", str(tmp_path / "my.yaml"), "--decision", "automatic"])
    for values, name in zip(ran, ("gccaps", "gated_crnn"), strict=True):
        assert values.system == name
        assert values.batch_size == 44
        assert str(values.out) == f"runs/{name}"
    assert (ran[0].epochs, ran[0].seed, ran[0].options, ran[0].decision) == (
        30,
        3,
        ["rounds=1", "filters=8"],
        "capsule",
    )
    assert (ran[1].epochs, ran[1].steps_per_epoch, ran[1].decision) == (2, 100, "automatic")
    assert find_system("gccaps").values["steps_per_epoch"] == ran[0].steps_per_epoch
