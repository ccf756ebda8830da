"""The grids behind the papers' tables, and their numbers."""

import csv
import dataclasses
from importlib import resources

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from avkeras.errors import AvkerasError
from avkeras.experiments.configs import AudioTagging, SoundEventDetection, wanted_systems
from avkeras.tables.numbers import table_numbers
from avkeras.tables.paper_tables import METRICS, TABLES, paper_table


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
    for name in TABLES[1:]:
        table = paper_table(name)
        assert table.columns == METRICS
        assert all(set(cell.values) <= fields for cell in table.cells)
        assert all(place.published is None for place in table.places)


def test_tables_of_2022_share_what_they_train():
    cells = {name: {cell.key for cell in paper_table(name).cells} for name in TABLES[1:]}
    assert len(cells["2022-table5"]) == 2 * (1 + 3 * 4)
    assert cells["2022-table7"] == cells["2022-table5"]
    assert not cells["2022-table6"] & cells["2022-table5"]
    assert len(paper_table("2022-table7").rows) == 2 * (4 + 4 + 3 + 3)
    assert {len(cell.values["visual"]) for cell in paper_table("2022-table8").cells} == {2}


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
