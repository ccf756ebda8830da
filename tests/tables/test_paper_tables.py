"""The grids behind the papers' tables, and their numbers."""

import csv
import dataclasses
from importlib import resources

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from avkeras.errors import AvkerasError
from avkeras.experiments.configs import (
    AudioTagging,
    SoundEventDetection,
    check_system,
    system_values,
    wanted_systems,
)
from avkeras.systems.registry import NAMES
from avkeras.tables.cells import cell_values
from avkeras.tables.files import write_table
from avkeras.tables.fusion_curve import OVER_AUDIO, OVER_ITSELF, fusion_gains, gain_lines, write_curve
from avkeras.tables.numbers import table_numbers
from avkeras.tables.paper_tables import FUSION, METRICS, TABLES, paper_table
from avkeras.tables.prior_systems import DEMO
from avkeras.tables.reproduction import Reproduction

OF_DETECTION = [name for name in TABLES if not name.startswith("2019")]


def test_table_1_is_the_published_one():
    table = paper_table("2019-table1")
    text = resources.files("avkeras.tables").joinpath("published/2019-table1.csv").read_text()
    lines = list(csv.DictReader(text.splitlines()))
    assert len(lines) == 60
    # 60 numbers, and 12 in parentheses: audio only on all clips.
    assert len(table.places) == len(table.cells) == 72
    expected = sorted(float(line[f"micro_f1_percent{what}"] or -1) for line in lines for what in ("", "_full_set"))
    assert sorted(place.published for place in table.places) == [number for number in expected if number > 0]
    assert len(table.rows) == 12
    assert len(table.columns) == 6
    best = max(table.places, key=lambda place: place.published)
    assert (best.published, best.row, best.column) == (70.1, "video, audio, positions on video", "mean, sigmoid")


def test_every_cell_sets_values_of_its_experiment():
    for cell in paper_table("2019-table1").cells:
        assert len(wanted_systems(AudioTagging(**cell.values))) == 1
    fields = {field.name for field in dataclasses.fields(SoundEventDetection)}
    for name in OF_DETECTION:
        table = paper_table(name)
        assert table.columns == (METRICS if name != FUSION else tuple(place.column for place in table.places[:10]))
        assert all(set(cell.values) <= fields for cell in table.cells)
        assert all(place.published is None for place in table.places)


@pytest.mark.parametrize(("name", "best"), [("2019-table2", 59.5), ("2019-table3", 70.1)])
def test_tables_2_and_3_have_the_published_systems_and_the_best_transformer_of_table_1(name, best):
    table, first = paper_table(name, systems=DEMO), paper_table("2019-table1")
    systems = [*dict.fromkeys(cell.values["system"] for cell in table.cells if "system" in cell.values)]
    assert systems == [*NAMES["tagging"][:-1]] if name == "2019-table2" else ["two_stream"]
    (transformer,) = next(place for place in table.places if place.row.startswith("transformer")).cells
    assert table.columns == ("micro-F1", "untrained")
    assert paper_table(name).columns == ("micro-F1",)
    assert transformer in first.cells  # trained once for both
    assert next(place.published for place in first.places if place.cells == (transformer,)) == best
    for cell in table.cells:
        check_system(cell_values(AudioTagging(data="my.tsv", epochs=3), cell))
    assert len({cell.key for cell in table.cells}) == len(table.cells)


def test_a_cell_of_a_system_has_its_published_values_and_the_data_of_the_table():
    paper, demo = (paper_table("2019-table2", systems=changes) for changes in ({}, DEMO))
    table = AudioTagging(data="my.tsv", records="here", precision="mixed_float16", epochs=3, dim=7)
    values = {cell.values["system"]: cell_values(table, cell) for cell in paper.cells if "system" in cell.values}
    assert list(values) == [name for name in NAMES["tagging"] if name != "two_stream"]
    for name, found in values.items():
        wanted = system_values(name, data="my.tsv", records="here", precision="mixed_float16", out=table.out)
        assert found == wanted
    assert cell_values(table, demo.cells[0]).epochs == DEMO[demo.cells[0].values["system"]]["epochs"]
    assert cell_values(table, paper.cells[-1]).dim == 7  # the papers' own model has the table's values


def test_demo_numbers_of_table_2_never_stand_beside_published_ones(tmp_path):
    tables = {"demo": paper_table("2019-table2", systems=DEMO), "paper": paper_table("2019-table2")}
    table = tables["demo"]
    runs = {(cell.key, seed): {"micro_f1": 0.31 + 0.02 * seed} for cell in table.cells for seed in (0, 1)}
    notes = {"data": "my.tsv", "data_sha256": "0", "embedders": "none"}
    found = {}
    for preset, table in tables.items():
        report = Reproduction(table, tmp_path, preset, numbers=table_numbers(table, runs))
        markdown, rows = write_table(report, notes)
        found[preset] = [line for line in markdown.read_text().splitlines() if line.startswith("|")][2:]
        with open(rows, newline="") as file:
            published = [row["published"] for row in csv.DictReader(file) if row["published"]]
        assert published == ([] if preset == "demo" else ["58.6", "59.5"])
        text = markdown.read_text()
        assert "* gccaps: 58.6 (abstract of the paper)" in text.splitlines()
        assert ("cannot be compared" in text) == (preset == "demo")
    assert all(line.endswith("| 32.0 ± 1.4 |") for line in found["demo"])
    gccaps = next(line for line in found["paper"] if "gccaps" in line)
    assert gccaps.endswith("| 32.0 ± 1.4 [58.6; -26.6, -39.3 to -13.9] |")


def test_tables_of_2022_share_what_they_train():
    cells = {name: {cell.key for cell in paper_table(name).cells} for name in OF_DETECTION}
    assert len(cells["2022-table5"]) == 2 * (1 + 3 * 4) + 4  # systems that the paper refers to
    assert cells["2022-table7"] == cells["2022-table5"]
    assert not cells["2022-table6"] & cells["2022-table5"]
    assert len(paper_table("2022-table7").rows) == 2 * (4 + 4 + 3 + 3) + 4 + 4 + 1 + 1  # one of them sees
    assert {len(cell.values["visual"]) for cell in paper_table("2022-table8").cells} == {2}


def test_references_of_2022_are_systems_and_ways_of_fusion():
    table = paper_table("2022-table5", visual=("vgg16", "openl3"), systems=DEMO)
    rows = [row for row in table.rows if row.startswith("reference")]
    assert rows == [*table.rows[-8:]]
    assert rows[-2:] == [f"reference 5: audiovisual_crnn with vgg16 and openl3{more}" for more in ("", ", untrained")]
    assert [row for row in paper_table("2022-table5").rows if "untrained" in row] == []
    systems = {cell.values["system"]: cell for cell in table.cells if "system" in cell.values}
    assert sorted(systems) == sorted(set(NAMES["detection"]) - {"crnn_2021"})  # which the paper does not know
    for cell in systems.values():
        check_system(cell_values(SoundEventDetection(data="my.tsv"), cell))
    assert cell_values(SoundEventDetection(), systems["audiovisual_crnn"]).embedders == ("vgg16", "openl3")
    for name, visual in (("2022-table6", ("openl3",)), ("2022-table8", ("openl3", "tce"))):
        cells = [cell for cell in paper_table(name).cells if {"late_fusion", "tied_encoders"} & set(cell.values)]
        assert [cell.values["block"] for cell in cells] == ["transformer", "transformer", "conformer", "conformer"]
        assert {cell.values["visual"] for cell in cells} == {visual}
        assert [cell.values.get("late_fusion") for cell in cells] == ["logits", None] * 2


def test_rows_by_number():
    table = paper_table("2019-table1").of_rows([5, 1])
    assert len(table.rows) == 2
    assert len(table.cells) == 12
    with pytest.raises(AvkerasError, match="rows 1 to 12"):
        table = paper_table("2019-table1").of_rows([13])
    with pytest.raises(AvkerasError, match="none of the tables"):
        paper_table("2019-table9")


def test_numbers_with_their_spread_and_the_interval_of_the_difference():
    table = paper_table("2019-table1").of_rows([1])
    scores = np.array([0.66, 0.67, 0.655, 0.70])
    cell = table.cells[0].key
    runs = {(cell, seed): {"micro_f1": score} for seed, score in enumerate(scores)}
    number, *others = table_numbers(table, runs)
    assert all(other.mean is None for other in others)
    np.testing.assert_allclose([number.mean, number.deviation], [100 * scores.mean(), 100 * scores.std(ddof=1)])
    expected = ttest_1samp(100 * scores, number.place.published).confidence_interval(0.95)
    np.testing.assert_allclose(number.interval, np.array(expected) - number.place.published)
    one = table_numbers(table, {(cell, 0): {"micro_f1": 0.5}})[0]
    assert (one.runs, one.mean, one.deviation, one.interval) == (1, 50.0, None, None)


def test_of_several_training_weights_validation_chooses_for_all_metrics():
    table = paper_table("2022-table5").of_rows([2])
    runs = {}
    for number, cell in enumerate(table.places[0].cells):
        for seed in (0, 1):
            # The second is best on validation, the last on test.
            scores = {f"{metric} all": 0.1 * number for metric in METRICS}
            runs[cell.key, seed] = {**scores, "validation": 0.9 if number == 1 else 0.5}
    numbers = table_numbers(table, runs)
    assert {number.cell.key for number in numbers} == {"transformer, openl3, training weight 0.5"}
    np.testing.assert_allclose([number.mean for number in numbers], 10.0)


def test_ways_of_fusion_differ_in_their_own_values_alone():
    table = paper_table(FUSION, visual=("vgg16", "openl3"))
    first, *others = table.cells
    assert first.values["visual"] == ()
    assert {cell.values["visual"] for cell in others} == {("vgg16",)}
    assert len({str(cell.values) for cell in others}) == len(others) == 7
    for option in ("gate", "modality_dropout", "absent_token"):
        assert any(cell.values.get(option) for cell in others)
    with pytest.raises(AvkerasError, match="needs an embedder of pictures"):
        paper_table(FUSION, visual=())


def test_gains_over_audio_only_with_their_intervals(tmp_path):
    table = paper_table(FUSION).of_rows([1, 2, 4])
    base, fixed, gate = (cell.key for cell in table.cells)
    random, runs = np.random.default_rng(0), {}
    for seed in range(4):
        for key, slope in ((base, 0.0), (fixed, 0.0), (gate, 0.2)):
            scores = {place.metric: 0.4 + slope * share / 4 for share, place in enumerate(table.places[5:10])}
            runs[key, seed] = {name: score + random.normal(scale=0.004) for name, score in scores.items()}
    del runs[fixed, 3]
    runs[gate, 9] = runs[gate, 0]  # a seed that audio only lacks
    for run in runs.values():
        run |= {place.metric: 0.5 for place in table.places[:5]}
    found = fusion_gains(table, runs)
    rows = found["EBF1"]
    assert {gain.mean for kinds in found["CBF1"].values() for own in kinds.values() for gain in own} == {0}
    assert list(rows) == ["fixed weight, 0.5", "gate"]
    fixed_over, gate_over = (rows[row][OVER_AUDIO] for row in rows)
    assert [gain.runs for gain in (*fixed_over, *gate_over)] == 5 * [3] + 5 * [4]
    last, first = table.places[9].metric, table.places[5].metric
    differences = [100 * (runs[gate, seed][last] - runs[base, seed][last]) for seed in range(4)]
    assert gate_over[-1].mean == pytest.approx(np.mean(differences))
    np.testing.assert_allclose(gate_over[-1].interval, ttest_1samp(differences, 0).confidence_interval(0.95))
    alone = rows["gate"][OVER_ITSELF]
    own = [100 * (runs[gate, seed][last] - runs[gate, seed][first]) for seed in (0, 1, 2, 3, 9)]
    assert (alone[0].mean, alone[0].interval) == (0, (0, 0))
    assert (alone[-1].runs, alone[-1].mean) == (5, pytest.approx(np.mean(own)))
    lines = [line for line in gain_lines("EBF1", rows) if line.startswith(("| fixed", "| gate"))]
    assert [line.split("|")[-2].strip() for line in lines] == 2 * ["not shown", "from 25 % on"]
    picture = write_curve("EBF1", rows, tmp_path / "fusion.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    one = fusion_gains(table, {key: run for key, run in runs.items() if key[1] == 0})["EBF1"]
    assert one["gate"][OVER_AUDIO][0].interval is None
    assert write_curve("EBF1", one, picture) is None
    assert not picture.exists()
    assert list(fusion_gains(table.of_rows([2]), runs)["EBF1"]["fixed weight, 0.5"]) == [OVER_ITSELF]
    assert gain_lines("EBF1", {}) == []
