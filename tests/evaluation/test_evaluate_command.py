"""`avkeras evaluate` on the real system's files: figures, tables, and files that others wrote."""

import csv
import json
import math
import re

import numpy as np
import pytest

from avkeras.cli import main
from avkeras.data.manifest import Event
from avkeras.evaluation.files import read_operating_points, write_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.score_files import FrameScores, write_scores
from avkeras.experiments.detection_scores import Tuning

HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def command(mini, capsys):
    """Runs the command on predictions, by default with the real system's truth and durations; gives what it shows."""

    def run(predictions, *options, truth=mini.folder / "ground_truth.tsv"):
        main(["evaluate", "--truth", str(truth), str(predictions), *map(str, options)])
        return capsys.readouterr().out

    return run


def test_all_digits_of_the_real_system(mini, command, tmp_path):
    options = ["--durations", mini.folder / "durations.tsv"]
    options += ["--operating-points", mini.folder / "predictions_50_thresholds.tsv.gz"]
    files = tmp_path / "figures.json", tmp_path / "classes.csv"
    shown = command(mini.folder / "predictions_0.5.tsv", *options, "--json", files[0], "--csv", files[1])
    expected, found = mini.expected, json.loads(files[0].read_text())
    exactly = {"rel": 0, "abs": 2e-15}
    assert found["figures"] == pytest.approx(
        {
            "CBF1": expected["clip"]["micro_f1"],
            "SBF1": expected["segment"]["micro_f1"],
            "EBF1": expected["event"]["macro_f1"],
            "PSDS1": expected["psds1"],
            "PSDS2": expected["psds2"],
        },
        **exactly,
    )
    for kind in ("event", "segment"):
        own = found["averages"][kind]
        for name, key in (("micro_f1", "micro_f1"), ("macro_f1", "macro_f1"), ("micro_p", "micro_precision")):
            if name in expected[kind]:
                assert own[key] == pytest.approx(expected[kind][name], **exactly)
        errors = own["substitution_rate"] + own["deletion_rate"] + own["insertion_rate"]
        assert own["error_rate"] == pytest.approx(errors)
        for row in found["classes"]:
            assert row[f"{kind}_f1"] == pytest.approx(expected[kind]["per_class"][row["class"]], **exactly)
    macro = expected["intersection_f1_macro_dtc0.5_gtc0.5"]
    assert found["averages"]["intersection"]["macro_f1"] == pytest.approx(macro, **exactly)
    assert found["clips"] == 91
    assert found["notes"] == []
    with open(files[1], newline="") as file:
        table = {row["class"]: row for row in csv.DictReader(file)}
    assert list(table) == [*mini.classes, "micro average", "macro average"]
    assert float(table["macro average"]["event_f1"]) == found["figures"]["EBF1"]
    assert float(table["Dog"]["PSDS2"]) == next(row["PSDS2"] for row in found["classes"] if row["class"] == "Dog")
    # What is shown is rounded from the same numbers
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert lines["PSDS1"][1] == f"{expected['psds1']:.6f}"
    assert lines["Dog"][1:4] == [str(number) for number in expected["event"]["counts"]["Dog"]]


def test_the_curve_of_a_psds_has_it_as_its_area(mini, command, tmp_path):
    options = ["--durations", mini.folder / "durations.tsv", "--json", tmp_path / "figures.json"]
    options += ["--operating-points", mini.folder / "predictions_50_thresholds.tsv.gz"]
    command(mini.folder / "predictions_0.5.tsv", *options)
    found = json.loads((tmp_path / "figures.json").read_text())
    curve = found["psd_rocs"]["PSDS2"]
    steps, height = curve["effective_false_positives_per_hour"], curve["effective_true_positive_ratio"]
    area = sum(high * (after - before) for before, after, high in zip(steps, [*steps[1:], 100.0], height, strict=True))
    assert area / 100 == pytest.approx(found["figures"]["PSDS2"])
    assert set(curve["classes"]) == set(mini.classes)


def test_the_same_files_as_others_write_them_give_the_same_figures(mini, command, tmp_path):
    """No header, commas, Latin-1 or UTF-16, paths, other endings, silent clips by durations alone."""
    rows = [line.split("\t") for line in (mini.folder / "predictions_0.5.tsv").read_text().splitlines()[1:]]
    truth = [line.split("\t") for line in (mini.folder / "ground_truth.tsv").read_text().splitlines()[1:]]
    lengths = (mini.folder / "durations.tsv").read_text().splitlines()[1:]
    (tmp_path / "found.csv").write_text("".join(f"audio/{name},{a},{b},{c}\n" for name, a, b, c in rows))
    named = [row for row in truth if row[3]]
    text = "event_label;onset;offset;filename\n" + "".join(
        f"{label};{onset};{offset};{name.removesuffix('.wav')}\n" for name, onset, offset, label in named
    )
    (tmp_path / "truth.csv").write_bytes(text.encode("utf-16"))
    (tmp_path / "durations.csv").write_text("\n".join(line.replace("\t", ",") for line in lengths))
    outputs = []
    for name, found, given, seconds in (
        ("a", mini.folder / "predictions_0.5.tsv", mini.folder / "ground_truth.tsv", mini.folder / "durations.tsv"),
        ("b", tmp_path / "found.csv", tmp_path / "truth.csv", tmp_path / "durations.csv"),
    ):
        shown = command(found, "--durations", seconds, "--json", tmp_path / name, truth=given)
        outputs.append(json.loads((tmp_path / name).read_text()))
    assert outputs[0]["figures"] == outputs[1]["figures"]
    assert outputs[0]["averages"] == outputs[1]["averages"]
    assert all(f"note: {note}" in shown for note in outputs[1]["notes"])
    for words in ("no header", "semicolons", "commas", "matched without folder or ending"):
        assert any(words in note for note in outputs[1]["notes"])


def test_files_of_one_class_and_one_clip(command, tmp_path, capsys):
    """sed_eval's smallest case: two files without names of clips."""
    (tmp_path / "truth.ann").write_text("0.0\t2.0\tdog\n3.0\t4.0\tdog\n")
    (tmp_path / "found.ann").write_text("0.1\t2.1\tdog\n6.0\t7.0\tdog\n")
    shown = command(tmp_path / "found.ann", truth=tmp_path / "truth.ann")
    assert "EBF1      0.500000" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--filters", "3"], "--filters: median filters are for --scores, which is not given"),
        (["--logits"], "--logits: is said of --scores, which is not given"),
        (["other.tsv", "third.tsv"], "PREDICTIONS: one file, or two of two systems"),
        (["other.tsv", "--scores", "s"], "--scores: 1 for 2 PREDICTIONS; one is needed for each"),
        (["--validation-truth", "v.tsv"], "are for --post-processing, which is not given"),
        (["--post-processing", "boxes"], "--scores, --validation-truth and --validation-scores are needed"),
        (["--bootstrap", "0"], "--bootstrap: the number of resamples must be above 0"),
        (["--scores", "s", "--operating-points", "p"], "--scores and --operating-points: PSDS comes from one of them"),
    ],
)
def test_options_that_have_no_use_are_refused(command, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as status:
        command(tmp_path / "gone.tsv", *options)
    assert status.value.code == 2
    assert message in capsys.readouterr().err


def test_the_offset_rule_of_the_papers_words(command, tmp_path):
    (tmp_path / "truth.tsv").write_text(HEADER + "a\t0\t5\tDog\na\t6\t6.5\tDog\n")
    (tmp_path / "found.tsv").write_text(HEADER + "a\t0\t5.5\tDog\na\t6\t6.65\tDog\n")
    larger = command(tmp_path / "found.tsv", truth=tmp_path / "truth.tsv")
    smaller = command(tmp_path / "found.tsv", "--offset-rule", "smaller", truth=tmp_path / "truth.tsv")
    # 0.5 s of 5 s and 0.15 s of 0.5 s: within the larger of both tolerances, outside the smaller
    assert "EBF1      1.000000" in larger
    assert "the larger of 200 ms and 20 %" in larger
    assert "EBF1      0.000000" in smaller
    assert "20 % of the event, at most 200 ms" in smaller


def test_figures_that_are_not_defined(command, tmp_path):
    (tmp_path / "truth.tsv").write_text(HEADER + "a\t\t\t\nb\t\t\t\n")
    (tmp_path / "found.tsv").write_text(HEADER + "a\t0\t1\tFox\n")
    command(tmp_path / "found.tsv", "--json", tmp_path / "f.json", truth=tmp_path / "truth.tsv")
    found = json.loads((tmp_path / "f.json").read_text(), parse_constant=lambda text: pytest.fail(text))
    assert found["averages"]["event"]["error_rate"] is None
    assert found["classes"][0]["event_f1"] is None
    assert math.isclose(found["figures"]["EBF1"], 0.0)


def test_the_reference_tools_agree(mini, command, tmp_path, monkeypatch):
    pytest.importorskip("psds_eval", reason="psds-eval runs on numpy 1 and pandas 2 only")
    points = read_operating_points(mini.folder / "predictions_50_thresholds.tsv.gz")
    (tmp_path / "points").mkdir()
    for key in ("0.05", "0.51"):
        write_events(tmp_path / "points" / f"{key}.tsv", points[key])
    options = ["--durations", mini.folder / "durations.tsv", "--operating-points", tmp_path / "points", "--check"]
    shown = command(mini.folder / "predictions_0.5.tsv", *options)
    # Micro, macro and ten classes, twice, and two PSDS
    assert shown.splitlines()[-1] == "checked: 26 figures are those of psds-eval and sed_eval"
    shown = command(mini.folder / "predictions_0.5.tsv", *options, "--offset-rule", "smaller")
    assert "not checked: event-based F1: sed_eval has no such offset rule" in shown
    monkeypatch.setattr("avkeras.evaluation.reference_check.reference_psds", lambda *_, **__: 0.5)
    with pytest.raises(SystemExit, match=r"error: PSDS1: .* but psds-eval says 0.5"):
        command(mini.folder / "predictions_0.5.tsv", *options)


def test_intervals_and_two_systems(mini, command, tmp_path):
    """The real system beside itself without the events that are shorter than half a second."""
    rows = (mini.folder / "predictions_0.5.tsv").read_text().splitlines(keepends=True)
    long = [row for row in rows[1:] if float(row.split("\t")[2]) - float(row.split("\t")[1]) > 0.5]
    assert 50 < len(long) < len(rows) - 50
    (tmp_path / "long.tsv").write_text("".join([rows[0], *long]))
    options = ["--durations", mini.folder / "durations.tsv", "--bootstrap", "200", "--json", tmp_path / "figures.json"]
    whole = command(mini.folder / "predictions_0.5.tsv", *options)
    found = json.loads((tmp_path / "figures.json").read_text())
    interval = found["intervals"]["event"]["macro"]
    assert interval["value"] == pytest.approx(found["figures"]["EBF1"])
    assert interval["low"] < interval["value"] < interval["high"]
    assert f"[{interval['low']:.4f}, {interval['high']:.4f}]" in whole
    system = [mini.folder / "predictions_0.5.tsv", tmp_path / "long.tsv"]
    shown = command(system[0], system[1], *options, "--csv", tmp_path / "figures.csv")
    both = json.loads((tmp_path / "figures.json").read_text())
    rows = {(row["figure"], row["of"]): row for row in both["differences"]}
    row = rows["event", "macro"]
    assert row["first"] == pytest.approx(found["figures"]["EBF1"])
    assert row["second"] == pytest.approx(both["systems"][1]["figures"]["EBF1"])
    assert row["difference"] == pytest.approx(row["second"] - row["first"])
    assert row["low"] <= row["difference"] <= row["high"]
    assert "A: " in shown
    with open(tmp_path / "figures.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows) == 4 * (2 + len(mini.classes))
    # A system beside itself
    command(system[0], system[0], *options)
    same = json.loads((tmp_path / "figures.json").read_text())["differences"]
    assert {row["difference"] for row in same} == {0.0}
    assert {row["permutation_p_value"] for row in same} == {1.0}


def test_two_systems_with_scores_of_other_classes(command, random_case, tmp_path):
    case = random_case(2)
    names = tuple(f"clip{index}" for index in range(len(case.scores)))
    write_events(tmp_path / "truth.tsv", dict(zip(names, case.truth, strict=True)))
    other = [[*events, Event(1.0, 2.0, "Fox")] for events in case.truth]
    write_events(tmp_path / "other.tsv", dict(zip(names, other, strict=True)))
    for folder, scores in (("a", case.scores), ("b", case.scores**2)):
        scores = FrameScores(names, case.classes, scores, case.seconds_per_frame, case.durations)
        write_scores(tmp_path / folder, scores)
    files = [tmp_path / "truth.tsv", tmp_path / "other.tsv"]
    options = ["--scores", tmp_path / "a", tmp_path / "b", "--bootstrap", "20", "--json", tmp_path / "f.json"]
    command(*files, *options, truth=tmp_path / "truth.tsv")
    rows = json.loads((tmp_path / "f.json").read_text())["differences"]
    found = {(row["figure"], row["of"]): row for row in rows}
    assert found["event", "micro"]["first"] == 1.0 > found["event", "micro"]["second"]
    # Another calibration: all thresholds see no difference
    assert found["PSDS2_all", "score"]["difference"] == 0.0
    assert found["event_best", "macro"]["difference"] == pytest.approx(0.0)
    assert {"PSDS1", "PSDS2", "PSDS1_all", "segment_best", "intersection_best", "mAUC", "mpAUC"} <= {
        row["figure"] for row in rows
    }


@pytest.mark.parametrize("kind", ["median", "boxes", "hysteresis"])
def test_events_tuned_on_validation(command, random_case, tmp_path, kind):
    for part, seed in (("validation", 2), ("test", 4)):
        case = random_case(seed, clips=20)
        names = tuple(f"{part}{index}" for index in range(len(case.scores)))
        write_events(tmp_path / f"{part}.tsv", dict(zip(names, case.truth, strict=True)))
        scores = FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
        write_scores(tmp_path / part, scores)
    options = ["--scores", tmp_path / "test", "--json", tmp_path / "f.json"]
    tuned = ["--validation-truth", tmp_path / "validation.tsv", "--validation-scores", tmp_path / "validation"]
    command("--post-processing", kind, *options, *tuned, truth=tmp_path / "test.tsv")
    found = json.loads((tmp_path / "f.json").read_text())
    assert f"events by {kind}: Cat" in found["notes"][0]
    # By thresholds of 0.5 on bare frames
    plain = decode_events(
        case.scores, classes=case.classes, seconds_per_frame=case.seconds_per_frame, durations=case.durations
    )
    write_events(tmp_path / "plain.tsv", dict(zip(names, plain, strict=True)))
    command(tmp_path / "plain.tsv", *options, truth=tmp_path / "test.tsv")
    bare = json.loads((tmp_path / "f.json").read_text())
    assert found["figures"]["EBF1"] > bare["figures"]["EBF1"]
    assert (found["psd_rocs"] == bare["psd_rocs"]) == (kind == "hysteresis")


@pytest.mark.slow  # psds-eval takes a minute for 50 thresholds, twice
def test_the_reference_tools_agree_on_scores(command, random_case, tmp_path):
    pytest.importorskip("psds_eval", reason="psds-eval runs on numpy 1 and pandas 2 only")
    case = random_case(2)
    names = tuple(f"clip{index}" for index in range(len(case.scores)))
    scores = FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
    write_scores(tmp_path / "scores", scores)
    write_events(tmp_path / "truth.tsv", dict(zip(names, case.truth, strict=True)))
    options = ["--scores", tmp_path / "scores", "--filters", "1", "3", "5", "--check"]
    shown = command(tmp_path / "truth.tsv", *options, truth=tmp_path / "truth.tsv")
    assert "checked: 12 figures" in shown
    assert "not checked: PSDS1_all: psds-eval has thresholds one by one only" in shown


def test_filters_of_a_tuning_go_by_the_name_of_the_class_whatever_the_order_of_the_scores(command, tmp_path):
    # Cats are one frame long, and a filter would lose them; dogs are long with gaps that a filter fills
    scores = np.full((1, 40, 2), 0.1)
    scores[0, 5, 0] = 0.9
    scores[0, 10:30:2, 1] = scores[0, 11:30:4, 1] = 0.9
    (tmp_path / "truth.tsv").write_text(f"{HEADER}a.wav\t5\t6\tCat\na.wav\t10\t30\tDog\n")
    for name, order in (("one", [0, 1]), ("other", [1, 0])):
        classes = tuple(("Cat", "Dog")[place] for place in order)
        write_scores(tmp_path / name, FrameScores(("a",), classes, scores[:, :, order], 1.0, np.array([40.0])))
    two = {name: (0.5, 0.5) for name in ("clip_thresholds", "segment_thresholds", "event_thresholds")}
    two |= {"segment_filters": (1, 1), "event_filters": (1, 1), "psds_filters": {"PSDS1": (1, 7), "PSDS2": (1, 7)}}
    Tuning(("Cat", "Dog"), seconds_per_vector=1.0, weight=1.0, weight_scores={}, **two).write(tmp_path / "tuning.json")
    shown = [
        command(
            tmp_path / "truth.tsv",
            *("--scores", tmp_path / name, "--tuning", tmp_path / "tuning.json"),
            truth=tmp_path / "truth.tsv",
        )
        for name in ("one", "other")
    ]
    assert shown[0] == shown[1]
    assert re.search(r"PSDS1\s+1\.000000", shown[0])
