import sys

import numpy as np
import pytest

from avkeras.cli import main
from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError, ManifestError
from avkeras.evaluation.clip_probabilities import clip_f1_of_probabilities, read_clip_probabilities
from avkeras.evaluation.evaluate import evaluate
from avkeras.evaluation.files import FrameScores

TRUTH = {"a.wav": [Event(0.0, 2.0, "Dog"), Event(3.0, 4.0, "Dog")], "b.wav": [Event(1.0, 2.0, "Cat")], "c.wav": []}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "clips.csv"
    path.write_text("id,Cat,Dog\na,0.1,0.9\nb,0.45,0.2\nc,0.3,0.45\n")
    return path


def test_f1_by_hand(table):
    found = read_clip_probabilities(table)
    assert found["b"] == {"Cat": 0.45, "Dog": 0.2}
    assert clip_f1_of_probabilities(found, TRUTH).micro == pytest.approx(2 / 3)  # one right, one missed
    assert clip_f1_of_probabilities(found, TRUTH, thresholds=0.4).micro == pytest.approx(4 / 5)  # two right, one wrong
    assert clip_f1_of_probabilities(found, TRUTH, thresholds={"Cat": 0.4, "Dog": 0.5}).micro == 1.0


def test_the_command_takes_them_in_place_of_the_events_classes(table, tmp_path, capsys):
    header = "filename\tonset\toffset\tevent_label\n"
    rows = "a.wav\t0\t2\tDog\na.wav\t3\t4\tDog\nb.wav\t1\t2\tCat\nc.wav\t\t\t\n"
    (tmp_path / "truth.tsv").write_text(header + rows)
    (tmp_path / "found.tsv").write_text(header)
    arguments = ["evaluate", str(tmp_path / "found.tsv"), "--truth", str(tmp_path / "truth.tsv")]
    main(arguments)
    assert capsys.readouterr().out.splitlines()[0] == "CBF1    0.000000"
    main([*arguments, "--clip-probabilities", str(table), "--clip-threshold", "0.4"])
    assert capsys.readouterr().out.splitlines()[0] == "CBF1    0.800000"


def test_defects_are_named(table, tmp_path):
    found = read_clip_probabilities(table)
    for truth, thresholds, words in (
        ({"d.wav": []}, 0.5, "missing for d.wav"),
        ({"a.wav": [Event(0, 1, "Bus")]}, 0.5, "no column for Bus"),
        (TRUTH, {"Cat": 0.5}, "no clip threshold for Dog"),
    ):
        with pytest.raises(AvkerasError, match=words):
            clip_f1_of_probabilities(found, truth, thresholds=thresholds)
    (tmp_path / "bad.csv").write_text("id,Cat\na,1.5\na,0.5\nb,x\nc\n")
    with pytest.raises(ManifestError) as error:
        read_clip_probabilities(tmp_path / "bad.csv")
    assert [line.split("bad.csv")[1] for line in error.value.defects] == [
        ":2: Cat '1.5' is not a probability",
        ":3: a has probabilities already",
        ":4: Cat 'x' is not a probability",
        ":5: 1 fields, but the header has 2",
    ]


def test_each_psds_has_its_filters(monkeypatch):
    """Scores that flicker give many events unfiltered, and one under a filter as long as the clip."""

    def count(true, points, **_):
        return sum(len(events) for clips in points for events in clips)

    monkeypatch.setattr(sys.modules[evaluate.__module__], "reference_psds", count)
    frames = np.tile([0.9, 0.9, 0.9, 0.0], 4)[None, :, None]
    scores = FrameScores(("a",), ("Dog",), frames, 0.1, np.array([1.6]))
    truth = {"a": [Event(0.0, 1.5, "Dog")]}
    found = {size: evaluate({}, truth, scores=scores, filters=size).psds for size in (1, 15)}
    both = evaluate({}, truth, scores=scores, filters={"PSDS1": 1, "PSDS2": [15]}).psds
    assert both == {"PSDS1": found[1]["PSDS1"], "PSDS2": found[15]["PSDS2"]}
    assert both["PSDS1"] == 4 * both["PSDS2"] > 0
