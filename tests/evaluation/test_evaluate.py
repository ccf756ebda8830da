import numpy as np
import pytest
from psds_peer import reference_psds

from avkeras.data.manifest import Event
from avkeras.errors import AvkerasError
from avkeras.evaluation.evaluate import evaluate
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, THRESHOLDS
from avkeras.evaluation.score_files import FrameScores, write_scores

DOG = Event(0.0, 2.0, "Dog")


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
    found = dict(zip(result.inputs.classes, result.counts["intersection"].class_f1(), strict=True))
    assert found == pytest.approx(expected["intersection_f1"])
    named = {line.split("\t")[0] for line in files[0].read_text().splitlines()[1:]}
    assert (len(result.inputs.names), result.inputs.silent) == (91, 91 - len(named))
    assert "intersection" not in evaluate(*files).counts


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
        expected = reference_psds(case.truth, points, settings=settings, **options)
        assert result.summary()[name] == pytest.approx(expected, abs=1e-9)
    assert result.inputs.silent == len(result.inputs.names) == len(names)


def test_psds_of_uneven_segments(random_case, tmp_path):
    """Frames of which neighbours with equal scores are one segment: the same events at every threshold."""
    case = random_case(3, on_grid=True)
    random = np.random.default_rng(0)
    case.scores = np.zeros_like(case.scores)
    for clip, events in enumerate(case.truth):
        for event in events:
            first, after = np.round(np.array(event[:2]) / case.seconds_per_frame).astype(int)
            case.scores[clip, first:after, case.classes.index(event.label)] = random.choice([0.25, 0.5, 0.75])
            case.scores[clip, first : first + 1] = random.choice([0.0, 0.6])
    truth = {f"clip{index}": events for index, events in enumerate(case.truth)}
    names = tuple(truth)
    scores = FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
    write_scores(tmp_path, scores)
    expected = evaluate({}, truth, scores=tmp_path)
    rows = 0
    for path in tmp_path.iterdir():
        header, *lines = path.read_text().splitlines()
        joined = []
        for onset, offset, *values in (line.split("\t") for line in lines):
            if joined and joined[-1][2:] == values:
                joined[-1][1] = offset
            else:
                joined.append([onset, offset, *values])
        rows += len(lines) - len(joined)
        path.write_text("\n".join([header, *map("\t".join, joined)]) + "\n")
    assert rows > 50
    result = evaluate({}, truth, scores=tmp_path)
    assert result.psds == pytest.approx(expected.psds, abs=1e-12)
    assert 0.05 < result.psds["PSDS2"] < 0.95
    with pytest.raises(AvkerasError, match="frames of equal length are needed"):
        evaluate({}, truth, scores=tmp_path, filters=3)


def test_each_psds_has_its_filters(random_case):
    case = random_case(2)
    names = tuple(f"clip{index}" for index in range(len(case.scores)))
    scores = FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
    truth = dict(zip(names, case.truth, strict=True))
    found = {size: evaluate({}, truth, scores=scores, filters=size).psds for size in (1, 9)}
    both = evaluate({}, truth, scores=scores, filters={"PSDS1": 1, "PSDS2": [9, 9, 9]}).psds
    assert both == {name: found[1 if name.startswith("PSDS1") else 9][name] for name in found[1]}
    assert found[1]["PSDS2"] != found[9]["PSDS2"]


def test_a_clip_without_a_row_in_the_truth_is_silent():
    """What is predicted in it is false, as if the truth had named it without events."""
    truth, found = {"a": [DOG]}, {"a": [DOG], "b": [DOG]}
    lengths = {"a": 10.0, "b": 10.0}
    scores = FrameScores(("a", "b"), ("Dog",), np.full((2, 4, 1), 0.8), 2.5, np.array([10.0, 10.0]))
    named = evaluate(found, {**truth, "b": []}, durations=lengths)
    assert named.notes == ()
    for options in ({"durations": lengths}, {"scores": scores}):
        result = evaluate(found, truth, **options)
        assert result.notes == ("1 clip without a row in the ground truth: silent",)
        assert result.inputs.names == ("a", "b")
        for kind, counts in result.counts.items():
            assert counts.micro_f1() == named.counts[kind].micro_f1() < 1
    assert result.psds == evaluate(found, {**truth, "b": []}, scores=scores).psds
    with pytest.raises(AvkerasError, match=r"1 clip of which the ground truth knows nothing: b; .* their durations"):
        evaluate(found, truth)


def test_a_truth_without_events():
    result = evaluate({"a": [DOG]}, {}, durations={"a": 10.0, "b": 5.0}, scores=None)
    assert result.summary() == {"CBF1": 0.0, "SBF1": 0.0, "EBF1": 0.0}
    assert result.counts["event"].insertions.tolist() == [1, 0]
    scores = FrameScores(("a",), ("Dog",), np.full((1, 4, 1), 0.8), 2.5, np.array([10.0]))
    result = evaluate({"a": [DOG]}, {}, scores=scores)
    assert result.psds == {}
    assert "no true event: PSDS is not defined" in result.notes


def test_a_class_that_only_the_predictions_have_is_false():
    truth, found = {"a": [DOG], "b": []}, {"a": [DOG], "b": [Event(1.0, 2.0, "Fox")]}
    result = evaluate(found, truth)
    assert result.inputs.classes == ("Dog", "Fox")
    # As sed_eval has it: false in micro averages, not a class of macro averages
    assert result.counts["event"].micro_f1() == pytest.approx(2 / 3)
    assert result.counts["event"].macro_f1() == 1.0
    assert "1 class only in the predictions (Fox)" in result.notes[0]
    result = evaluate(found, truth, classes=["Dog"])
    assert result.counts["event"].micro_f1() == 1.0
    assert result.notes == ("predicted events of classes that were not asked for left out: Fox",)


def test_overlapping_events_of_a_class():
    """One by one for event-based F1, as sed_eval; merged where overlaps are not defined."""
    truth = {"a.wav": [DOG, Event(1.0, 3.0, "Dog"), Event(3.0, 4.0, "Dog")]}
    merged = {"a.wav": [Event(0.0, 3.0, "Dog"), Event(3.0, 4.0, "Dog")]}
    lengths = {"a.wav": 10.0}
    result, other = (evaluate(merged, given, durations=lengths) for given in (truth, merged))
    assert result.counts["event"].references.sum() == 3
    assert result.counts["intersection"].micro_f1() == other.counts["intersection"].micro_f1() == 1.0
    assert result.notes == (
        "the ground truth: 1 event merged with the one of its class that it overlaps, for intersection-based F1 and "
        "PSDS (first in a.wav)",
    )
    points = {"0.5": merged}
    values = [evaluate({}, given, durations=lengths, points=points).psds for given in (truth, merged)]
    assert values[0] == values[1] == {"PSDS1": 1.0, "PSDS2": 1.0}


def test_one_class_scores_1_when_all_is_found():
    truth = {"a": [DOG, Event(3.0, 5.0, "Dog")], "b": []}
    frames = np.zeros((2, 20, 1))
    frames[0, :4] = frames[0, 6:10] = 0.9
    scores = FrameScores(("a", "b"), ("Dog",), frames, 0.5, np.array([10.0, 10.0]))
    result = evaluate(truth, truth, scores=scores)
    assert set(result.summary()) == {"CBF1", "SBF1", "EBF1", "PSDS1", "PSDS2", "PSDS1_all", "PSDS2_all"}
    assert set(result.summary().values()) == {1.0}
    for counts in result.counts.values():
        assert counts.micro_f1() == counts.macro_f1() == 1.0
    points = {"0.5": truth, "0.9": {}}
    assert evaluate(truth, truth, points=points, durations={"a": 10.0, "b": 10.0}).psds == {"PSDS1": 1.0, "PSDS2": 1.0}


def test_clips_go_by_any_of_their_names():
    truth = {"audio/a.wav": [DOG], "audio/b_1.000_2.000.wav": []}
    for found in ({"a": [DOG]}, {"a.wav": [DOG]}, {"C:\\clips\\a.flac": [DOG], "b_1.000_2.000": []}):
        result = evaluate(found, truth, durations={"a.wav": 3.0, "b_1.000_2.000": 3.0})
        assert result.counts["event"].micro_f1() == 1.0
        assert "matched without folder or ending" in result.notes[-1]
    with pytest.raises(AvkerasError, match=r"the predictions: a could be x/a.wav or y/a.wav"):
        evaluate({"a": [DOG]}, {"x/a.wav": [DOG], "y/a.wav": []})
    with pytest.raises(AvkerasError, match=r"the predictions: a and a.flac are the same clip"):
        evaluate({"a": [DOG], "a.flac": []}, {"a.wav": [DOG]})
    # Where all files name them alike, clips of two folders stay apart
    both = {"x/a.wav": [DOG], "y/a.wav": [Event(1.0, 2.0, "Dog")]}
    assert evaluate(both, both).counts["event"].micro_f1() == 1.0


def test_an_error_names_file_and_row(tmp_path):
    (tmp_path / "found.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tDog\nb.wav\t0\t1\tDog\n")
    with pytest.raises(AvkerasError, match=r"found.tsv:3: 1 clip of which the ground truth knows nothing: b.wav"):
        evaluate(tmp_path / "found.tsv", {"a.wav": [DOG]})


def test_what_does_not_fit_together_is_refused():
    truth = {"a": [Event(0.0, 1.0, "Dog")]}
    many = {f"clip{index}": [] for index in range(7)}
    with pytest.raises(
        AvkerasError, match=r"7 clips .* nothing: clip0, clip1, clip2, clip3, clip4 and 2 more; if they"
    ):
        evaluate(many, truth)
    with pytest.raises(AvkerasError, match=r"none of the given classes \(Fox\) is in the ground truth; it has Dog"):
        evaluate({}, truth, classes=["Fox"])
    with pytest.raises(AvkerasError, match=r"durations are missing for a, named in the ground truth"):
        evaluate({}, truth, durations={"b": 1.0})
    scores = FrameScores(("b",), ("Dog",), np.zeros((1, 4, 1)), 0.5, np.array([2.0]))
    with pytest.raises(AvkerasError, match=r"scores are missing for a: every clip"):
        evaluate({}, truth, scores=scores)
    scores = FrameScores(("a",), ("Fox",), np.zeros((1, 4, 1)), 0.5, np.array([2.0]))
    with pytest.raises(AvkerasError, match="classes that the scores lack: Dog; the scores have Fox"):
        evaluate({}, truth, scores=scores)
    scores = FrameScores(("a",), ("Cat", "Dog"), np.zeros((1, 4, 2)), 0.5, np.array([2.0]))
    with pytest.raises(AvkerasError, match=r"3 median filters for the 2 classes of the scores \(Cat, Dog\)"):
        evaluate({}, truth, scores=scores, filters=[1, 3, 5])
    with pytest.raises(AvkerasError, match="median filters are for scores, which are not given"):
        evaluate({}, truth, filters=3)
    with pytest.raises(AvkerasError, match="give one of them"):
        evaluate({}, truth, scores=scores, points={})
    with pytest.raises(AvkerasError, match="needs the clips' durations"):
        evaluate({}, truth, points={"0.5": {}})
