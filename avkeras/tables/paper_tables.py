"""Result tables as grids of cells, the papers' and one more: what each trains, its scores, what was published."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.experiments.detection_results import video_of
from avkeras.tables import prior_systems
from avkeras.tables.cells import Cell, PaperTable, Place

METRICS = ("CBF1", "SBF1", "EBF1", "PSDS1", "PSDS2")
PARTS = ("with video", "without video", "with video, video ignored", "video ignored, own tuning")
_IGNORED = (
    "Video ignored is an audio weight of 1 (2022, section 3.2.2). The paper does not say which thresholds and filters "
    "are used then: rows without a further word have those tuned at the weight that validation chose, rows with own "
    "tuning those that are best on validation with video ignored there too",
    "All rows are scored on the same clips, split by whether every visual embedder of the run had pictures of them",
)
_ATTENTIONS = ("softmax", "sigmoid", "normalized_sigmoid")
_AGGREGATIONS = ("mean", "max")
_BLOCKS = ("transformer", "conformer")
AVAILABILITY = (0.0, 0.25, 0.5, 0.75, 1.0)  # of video, among the test clips that have it
_RANDOM = {"training_weight": None}
FUSION_METRICS = ("CBF1", "EBF1")
BASELINE = "audio only"  # row of the table of fusion with which the others are compared
_FUSIONS = {
    "fixed weight, 0.5": {"training_weight": 0.5},
    "random weight": _RANDOM,
    "gate": {"training_weight": 0.5, "gate": True},
    "random weight, gate": _RANDOM | {"gate": True},
    "random weight, modality dropout": _RANDOM | {"modality_dropout": 0.3},
    "random weight, learnt vector": _RANDOM | {"absent_token": True},
    "all of them": _RANDOM | {"gate": True, "modality_dropout": 0.3, "absent_token": True},
}
_BY_AVAILABILITY = (
    "Clip-based and event-based F1 on the test clips with video, of which a share keeps it, the same in all runs",
    "Thresholds, filters and the audio weight of inference are those of validation, where no video is taken away",
)

FUSION = "fusion"  # in no paper
TABLES = (
    *("2019-table1", "2019-table2", "2019-table3"),
    *("2022-table5", "2022-table6", "2022-table7", "2022-table8"),
    FUSION,
)


def paper_table(
    name: str,
    *,
    visual: Sequence[str] = ("openl3", "tce", "vgg16"),
    weights: Sequence[float] = (0.25, 0.5, 0.75, 0.875),
    systems: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> PaperTable:
    """Returns a table of the papers (2019, tables 1 to 3; 2022, tables 5 to 8), or `fusion`, which they have not.

    Args:
        name: one of `TABLES`.
        visual: the embedders that the 2022 tables compare; table 8 combines the first two, `fusion` takes the first.
        weights: of the audio encoder in training, from which validation chooses in tables 5, 7 and 8.
        systems: what is changed of the published systems' values, by name.

    Raises:
        AvkerasError: no table has this name, or table 8 is asked for with one embedder.

    Example:
        >>> table = paper_table("2019-table1")
        >>> len(table.rows), len(table.columns), len(table.cells)
        (12, 6, 72)
        >>> next(place.published for place in table.places if place.row == "video, audio, positions on video")
        69.7
    """
    makers = {
        "2019-table1": lambda: PaperTable(
            name, "Micro-F1 of audiovisual transformers", "tagging", 25, _table1(), figures=prior_systems.CITED_LINES
        ),
        "2019-table2": lambda: _prior(
            name, "Micro-F1 of audio classification", prior_systems.table_2(_table1(), systems), prior_systems.NOTES_2
        ),
        "2019-table3": lambda: _prior(
            name,
            "Micro-F1 of audiovisual classification",
            prior_systems.table_3(_table1(), systems),
            prior_systems.NOTES_3,
        ),
        "2022-table5": lambda: _detection(name, "Uni- and bi-encoder models", _table5(visual, weights, systems)),
        "2022-table6": lambda: _detection(name, "Bi-encoder models, random weights in training", _table6(visual)),
        "2022-table7": lambda: _detection(
            name,
            "Uni- and bi-encoder models, by availability of video",
            _table7(visual, weights, systems),
            _IGNORED,
        ),
        "2022-table8": lambda: _detection(name, "Tri-encoder models", _table8(visual, weights)),
        FUSION: lambda: PaperTable(
            name, "Ways of fusion by availability of video", "detection", 20, _fusion(visual), _BY_AVAILABILITY
        ),
    }
    if name not in makers:
        raise AvkerasError(f"'{name}' is none of the tables {', '.join(TABLES)}")
    return makers[name]()


def _table1() -> tuple[Place, ...]:
    """Ten rows, and those of audio only once more on all clips: the numbers that the paper has in parentheses."""
    text = resources.files("avkeras.tables").joinpath("published/2019-table1.csv").read_text(encoding="utf-8")
    published = list(csv.DictReader(text.splitlines()))
    places = []
    for line in published:
        positions = () if line["positions"] == "none" else tuple(line["positions"].split("+"))
        where = f"positions on {' and '.join(positions)}" if positions else "no positions"
        title = f"{line['first']}, {line['second']}, {where}"
        column = f"{line['aggregation']}, {line['attention'].replace('_', ' ')}"
        for number, all_clips in ((line["micro_f1_percent"], False), (line["micro_f1_percent_full_set"], True)):
            if not number:
                continue
            values = {name: line[name] for name in ("first", "second", "aggregation", "attention")}
            values |= {"positions": positions, "complete_only": not all_clips}
            row = f"{title}, all clips" if all_clips else title
            cell = Cell(f"{row}, {column}", values)
            places.append(Place(row, column, (cell,), "micro_f1", float(number)))
    order = {title: number for number, title in enumerate(dict.fromkeys(place.row for place in places))}
    columns = [f"{way}, {name.replace('_', ' ')}" for way in _AGGREGATIONS for name in _ATTENTIONS]
    return tuple(sorted(places, key=lambda place: (order[place.row], columns.index(place.column))))


def _prior(name: str, title: str, places: tuple[Place, ...], notes: tuple[str, ...]) -> PaperTable:
    figures = prior_systems.published_figures(places)
    return PaperTable(name, title, "tagging", 25, places, notes, figures=figures, apart=True)


def _detection(
    name: str, title: str, rows: Iterator[tuple[str, tuple[Cell, ...], str]], notes: tuple[str, ...] = ()
) -> PaperTable:
    places = [Place(row, metric, cells, f"{metric} {part}") for row, cells, part in rows for metric in METRICS]
    return PaperTable(name, title, "detection", 20, tuple(places), (*notes, *prior_systems.NOTES_2022))


def _model(block: str, visual: Sequence[str]) -> str:
    return f"{block}, {' and '.join(visual) or 'audio only'}"


def _fixed(block: str, visual: Sequence[str], weights: Sequence[float]) -> tuple[Cell, ...]:
    """A cell per weight of the audio encoder in training; without visual encoder there is nothing to weigh."""
    title = _model(block, visual)
    values = {"block": block, "visual": tuple(visual)}
    if not visual:
        return (Cell(title, values),)
    return tuple(Cell(f"{title}, training weight {weight}", values | {"training_weight": weight}) for weight in weights)


def _random(block: str, visual: Sequence[str]) -> tuple[Cell, ...]:
    values = {"block": block, "visual": tuple(visual), "training_weight": None}
    return (Cell(f"{_model(block, visual)}, random training weights", values),)


def _table5(visual, weights, systems) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    for block in _BLOCKS:
        for used in ((), *((name,) for name in visual)):
            yield _model(block, used), _fixed(block, used, weights), "all"
    yield from prior_systems.references(visual, systems)


def _table6(visual) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    for block in _BLOCKS:
        for name in visual:
            yield _model(block, (name,)), _random(block, (name,)), "all"
    for block in _BLOCKS:
        yield from prior_systems.ways_of_fusion(*_random(block, visual[:1]))


def _table7(visual, weights, systems) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    for part in PARTS:
        for block in _BLOCKS:
            for used in ((), *((name,) for name in visual)):
                if used or "ignored" not in part:
                    yield f"{part}: {_model(block, used)}", _fixed(block, used, weights), part
    yield from prior_systems.references(visual, systems, PARTS)


def _table8(visual, weights) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    if len(visual) < 2:
        raise AvkerasError(f"2022-table8 combines two visual embedders; only {', '.join(visual) or 'none'} is named")
    for block in _BLOCKS:
        for cells, how in ((_fixed(block, visual[:2], weights), "fixed"), (_random(block, visual[:2]), "random")):
            yield f"{_model(block, visual[:2])}, {how} weights in training", cells, "all"
    for block in _BLOCKS:
        yield from prior_systems.ways_of_fusion(*_random(block, visual[:2]))


def _fusion(visual) -> tuple[Place, ...]:
    """Ways of fusion by the share of clips that keep their video (2022, section 4); audio alone needs none."""
    if not visual:
        raise AvkerasError("fusion: needs an embedder of pictures; none is named")
    shared = {"block": "transformer", "availability": AVAILABILITY}
    values = {BASELINE: {"visual": ()}} | {name: {"visual": (visual[0],), **way} for name, way in _FUSIONS.items()}
    cells = {name: Cell(f"fusion, {name}", shared | own) for name, own in values.items()}
    return tuple(
        Place(name, f"{metric}, {100 * share:g} %", (cell,), f"{metric} {video_of(share)}")
        for name, cell in cells.items()
        for metric in FUSION_METRICS
        for share in AVAILABILITY
    )
