import pytest

from avkeras.cli import main
from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError, ManifestError
from avkeras.evaluation.clip_probabilities import labels_of_probabilities, read_clip_probabilities
from avkeras.evaluation.evaluate import evaluate

TRUTH = {"a.wav": [Event(0.0, 2.0, "Dog"), Event(3.0, 4.0, "Dog")], "b.wav": [Event(1.0, 2.0, "Cat")], "c.wav": []}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "clips.csv"
    path.write_text("id,Cat,Dog\na,0.1,0.9\nb,0.45,0.2\nc,0.3,0.45\n")
    return path


def clip_f1(found, **thresholds):
    return evaluate({}, TRUTH, clip_probabilities=found, **thresholds).counts["clip"].micro_f1()


def test_f1_by_hand(table):
    found = read_clip_probabilities(table)
    assert found["b"] == {"Cat": 0.45, "Dog": 0.2}
    assert clip_f1(found) == clip_f1(table) == pytest.approx(2 / 3)  # one right, one missed
    assert clip_f1(found, clip_thresholds=0.4) == pytest.approx(4 / 5)  # two right, one wrong
    assert clip_f1(found, clip_thresholds={"Cat": 0.4, "Dog": 0.5}) == 1.0
    assert clip_f1({name: {**row, "Bus": 0.9} for name, row in found.items()}) == pytest.approx(
        1 / 3
    )  # three more wrong


def test_the_command_takes_them_in_place_of_the_events_classes(table, tmp_path, capsys):
    header = "filename\tonset\toffset\tevent_label\n"
    rows = "a.wav\t0\t2\tDog\na.wav\t3\t4\tDog\nb.wav\t1\t2\tCat\nc.wav\t\t\t\n"
    (tmp_path / "truth.tsv").write_text(header + rows)
    (tmp_path / "found.tsv").write_text(header)
    arguments = ["evaluate", str(tmp_path / "found.tsv"), "--truth", str(tmp_path / "truth.tsv")]
    main(arguments)
    assert capsys.readouterr().out.split()[:2] == ["CBF1", "0.000000"]
    main([*arguments, "--clip-probabilities", str(table), "--clip-threshold", "0.4"])
    assert capsys.readouterr().out.split()[:2] == ["CBF1", "0.800000"]


def test_defects_are_named(table, tmp_path):
    found = read_clip_probabilities(table)
    with pytest.raises(AvkerasError, match=r"missing for d.wav"):
        labels_of_probabilities(found, ["d.wav"])
    with pytest.raises(AvkerasError, match="no clip threshold for Dog"):
        labels_of_probabilities(found, list(TRUTH), thresholds={"Cat": 0.5})
    with pytest.raises(AvkerasError, match="no column for Bus"):
        evaluate({}, {"a.wav": [Event(0, 1, "Bus")]}, clip_probabilities={"a.wav": {"Dog": 0.5}})
    (tmp_path / "bad.csv").write_text("id,Cat\na,1.5\na,0.5\nb,x\nc\n")
    with pytest.raises(ManifestError) as error:
        read_clip_probabilities(tmp_path / "bad.csv")
    assert [line.split("bad.csv")[1] for line in error.value.defects] == [
        ":2: Cat '1.5' is not a probability",
        ":3: a has probabilities already",
        ":4: Cat 'x' is not a probability",
        ":5: 1 fields, but the header has 2",
    ]


def test_clips_that_nothing_else_names_are_refused(table, tmp_path):
    with table.open("a") as file:
        file.write("zzz,0.9,0.9\n")
    with pytest.raises(AvkerasError, match=r"clips\.csv: 1 clip of which the ground truth knows nothing: zzz; if"):
        clip_f1(table)
    seconds = dict.fromkeys([*TRUTH, "zzz"], 10.0)
    found = evaluate({}, TRUTH, durations=seconds, clip_probabilities=table)
    assert found.counts["clip"].predicted.sum() == 3  # both classes of the new clip are false
