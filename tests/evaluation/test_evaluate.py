import numpy as np
import pytest

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.evaluate import evaluate
from avkeras.evaluation.files import FrameScores, write_scores
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, THRESHOLDS
from avkeras.evaluation.reference_psds import reference_psds


def test_files_of_the_real_system(mini):
    files = [mini.folder / name for name in ("predictions_0.5.tsv", "ground_truth.tsv")]
    result = evaluate(*files, durations=mini.folder / "durations.tsv")
    expected = mini.expected
    assert result.summary() == pytest.approx(
        {
            "CBF1": expected["clip"]["micro_f1"],
            "SBF1": expected["segment"]["micro_f1"],
            "EBF1": expected["event"]["macro_f1"],
        },
        rel=0,
        abs=2e-15,
    )
    assert result.intersection.per_class == pytest.approx(expected["intersection_f1"])
    named = {line.split("\t")[0] for line in files[0].read_text().splitlines()[1:]}
    assert (result.clips, result.silent_clips) == (91, 91 - len(named))
    assert evaluate(*files).intersection is None


def test_psds_of_a_folder_of_scores(random_case, tmp_path):
    case = random_case(1)
    names = tuple(f"clip{index}" for index in range(len(case.scores)))
    scores = FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
    write_scores(tmp_path / "scores", scores)
    truth = {f"{name}.wav": events for name, events in zip(names, case.truth, strict=True)}
    result = evaluate({}, truth, scores=tmp_path / "scores", filters=3)
    options = {"classes": case.classes, "durations": case.durations}
    points = [
        decode_events(case.scores, thresholds=value, filters=3, seconds_per_frame=case.seconds_per_frame, **options)
        for value in THRESHOLDS
    ]
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        assert result.summary()[name] == reference_psds(case.truth, points, settings=settings, **options)
    assert result.silent_clips == result.clips == len(names)


def test_what_does_not_fit_together_is_refused():
    truth = {"a": [Event(0.0, 1.0, "Dog")]}
    many = {f"clip{index}": [] for index in range(7)}
    with pytest.raises(AvkerasError, match=r"predictions name clips .*: clip0, clip1, clip2, clip3, clip4 and 2 more"):
        evaluate(many, truth)
    with pytest.raises(AvkerasError, match=r"predictions name classes .*: Fox"):
        evaluate({"a": [Event(0.0, 1.0, "Fox")]}, truth)
    with pytest.raises(AvkerasError, match=r"the ground truth names classes .*: Dog"):
        evaluate({}, truth, classes=["Fox"])
    with pytest.raises(AvkerasError, match=r"durations are missing .*: a"):
        evaluate({}, truth, durations={"b": 1.0})
    scores = FrameScores(("b",), ("Dog",), np.zeros((1, 4, 1)), 0.5, np.array([2.0]))
    with pytest.raises(AvkerasError, match=r"scores are missing .*: a"):
        evaluate({}, truth, scores=scores)
    scores = FrameScores(("a",), ("Fox",), np.zeros((1, 4, 1)), 0.5, np.array([2.0]))
    with pytest.raises(AvkerasError, match="classes that the scores lack: Dog"):
        evaluate({}, truth, scores=scores)
