"""Systems that the papers compare with or refer to, as rows of tables that run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from avkeras.systems.registry import NAMES, find_system
from avkeras.tables.cells import Cell, Place

MICRO_F1 = "micro-F1"
# Rows of table 1 with the best published numbers of audio only, on all clips, and of both modalities.
_BEST_AUDIO, _BEST = "audio, audio, no positions, all clips", "video, audio, positions on video"
_BEST_COLUMN = "mean, sigmoid"
# Micro-F1 that the 2019 paper compares with (its tables 2 and 3); audio only are on all clips.
_CITED = (
    ("fusion of gated convolutional recurrent networks, audio only", 55.6),
    ("capsule-based gated convolutional network, audio only", 58.6),
    ("two-stream audiovisual network", 64.2),
)
CITED_LINES = tuple(f"{title}: {value}" for title, value in _CITED)
_TWO_STREAM = "two_stream"
# Their published figure is of a fusion of such networks, or of the better of two; or what is here is an outline.
_NOT_COMPARED = ("gated_crnn", "cnn_transformer", "cnn_gru", _TWO_STREAM)
NOTES_2 = (
    "All take sound only, and are trained and scored on all clips, with and without video",
    "The systems take spectrograms of their own and no embeddings; each decides by its own rule, see `avkeras systems`",
    "gated_crnn is one network: the published figure is of a fusion of several. That of Kong et al. is of the better "
    "one of cnn_transformer and cnn_gru, which is not told. Neither is compared with",
)
NOTES_3 = (
    f"{_TWO_STREAM} is an outline, since only its principle could be read: what it reaches says nothing of its figures",
    "Trained and scored on the clips with video",
)
_SHORT = {"epochs": 8, "steps_per_epoch": 50, "batch_size": 16, "learning_rate": 0.003}
# Augmented as they are, they learn slowly, and mixed in pairs, a batch counts half: automatic thresholds would find no
# gradient to go along.
_MIXED = _SHORT | {"epochs": 20, "batch_size": 32, "decision": "global", "options": ("filters=8", "momentum=0.8")}
_SHORT_DETECTION = {
    "epochs": 10,
    "steps_per_epoch": 30,
    "batch": (6, 6, 6),
    "learning_rate": 0.003,
    "teacher_decay": 0.9,
    "decision": "median",
}
_SMALL_ENCODER = ("filters=4", "dim=32", "heads=2", "hidden_dim=32", "blocks=1", "momentum=0.8")
# What the demo preset changes of the systems' published values.
DEMO: Mapping[str, Mapping[str, Any]] = {
    "gated_crnn": _SHORT | {"keep": 2, "options": ("filters=8", "last_filters=32", "units=16", "momentum=0.8")},
    "gccaps": _SHORT
    | {"keep": 2, "options": ("filters=8", "capsules=4", "dropout=0.0", "capsule_dropout=0.0", "momentum=0.8")},
    "cnn_transformer": _MIXED,
    "cnn_gru": _MIXED,
    "two_stream": _SHORT | {"learning_rate": 0.001},
    "crnn_2020": _SHORT_DETECTION | {"options": ("filters=4", "units=16", "dropout=0.1", "momentum=0.8")},
    "conformer_encoder": _SHORT_DETECTION | {"options": _SMALL_ENCODER},
    "transformer_encoder": _SHORT_DETECTION | {"options": _SMALL_ENCODER},
    "audiovisual_crnn": _SHORT_DETECTION
    | {"visual_frames": 8, "options": ("filters=4", "units=16", "dropout=0.1", "momentum=0.8")},
}
_UNTRAINED = {"epochs": 1, "steps_per_epoch": 1, "learning_rate": 0.0}  # statistics of one batch, no step
# The paper's references of which systems are here, and of which options of its own model are.
_REFERENCES = {"crnn_2020": 32, "conformer_encoder": 24, "transformer_encoder": 24, "audiovisual_crnn": 5}
_OF_15 = {"late fusion": {"late_fusion": "logits"}, "tied encoders": {"tied_encoders": True}}
NOTES_2022 = (
    "The rows of references are systems and ways of fusion that the paper refers to; its own table does not have them. "
    "Systems have their own values (demo: small, short, and decided by the paper's rule), see `avkeras systems`",
)


def table_2(transformers: Iterable[Place], systems: Mapping[str, Mapping[str, Any]]) -> tuple[Place, ...]:
    """Returns the numbers of table 2 (2019, section 4.1.3), and of systems that were published later.

    Args:
        transformers: of table 1.
        systems: what is changed of the systems' published values, by name.
    """
    names = [name for name in NAMES["tagging"] if not find_system(name).embeds]
    places = [*(_of_system(name, systems) for name in names), _transformer(transformers, _BEST_AUDIO)]
    return _with_untrained(places, systems)


def table_3(transformers: Iterable[Place], systems: Mapping[str, Mapping[str, Any]]) -> tuple[Place, ...]:
    """Returns the numbers of table 3 (2019, section 4.1.4).

    Args:
        transformers: of table 1.
        systems: what is changed of the systems' published values, by name.
    """
    return _with_untrained([_transformer(transformers, _BEST), _of_system(_TWO_STREAM, systems)], systems)


def references(
    visual: Sequence[str], systems: Mapping[str, Mapping[str, Any]], parts: Sequence[str] = ("all",)
) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    """Yields rows of the systems that the 2022 paper refers to: title, cells, part of the test clips.

    Args:
        visual: embedders of the pictures; one system takes them all.
        systems: what is changed of the systems' published values, by name.
        parts: of the test clips; where video is ignored, there are rows only of what sees.
    """
    for part in parts:
        for name, number in _REFERENCES.items():
            values = {"system": name, **systems.get(name, {})}
            sees = find_system(name).embeds
            if sees:
                values["encoders"] = ("log_mel", *visual)
            if sees or "ignored" not in part:
                title = f"reference {number}: {name}" + (f" with {' and '.join(visual)}" if sees else "")
                cell = Cell(f"system {title.partition(': ')[2]}", values)
                yield f"{part}: {title}" if len(parts) > 1 else title, (cell,), part
                if systems and len(parts) == 1:
                    yield f"{title}, untrained", (_untrained(cell),), part


def ways_of_fusion(cell: Cell) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
    """Yields rows of a bi- or tri-encoder model with late fusion and with tied encoders (reference 15).

    Args:
        cell: of the model.
    """
    for name, values in _OF_15.items():
        key = f"{cell.key}, {name}"
        yield f"reference 15: {key}", (Cell(key, {**cell.values, **values}),), "all"


def published_figures(places: Iterable[Place]) -> tuple[str, ...]:
    """Returns what was published of the rows of table 2 or 3, each with its source.

    Args:
        places: of the table.
    """
    lines = []
    for place in places:
        if place.column != MICRO_F1:
            continue
        name = place.row.partition(":")[0]
        if name in NAMES["tagging"]:
            lines += [f"{name}: {one.value} ({one.source})" for one in find_system(name).published]
        else:
            lines.append(f"{place.row}: {place.published} (2019, table 1)")
    return tuple(lines)


def _with_untrained(places: Sequence[Place], systems: Mapping[str, Any]) -> tuple[Place, ...]:
    """Returns the numbers, and in the demo beside each that of the untrained model, which is to be less."""
    if not systems:
        return tuple(places)
    return tuple(
        one
        for place in places
        for one in (place, Place(place.row, "untrained", tuple(map(_untrained, place.cells)), place.metric))
    )


def _untrained(cell: Cell) -> Cell:
    return Cell(f"{cell.key}, untrained", {**cell.values, **_UNTRAINED})


def _of_system(name: str, systems: Mapping[str, Mapping[str, Any]]) -> Place:
    system = find_system(name)
    cell = Cell(f"system {name}", {"system": name, **systems.get(name, {})})
    published = None if name in _NOT_COMPARED else system.published[0].value
    return Place(f"{name}: {system.title}", MICRO_F1, (cell,), "micro_f1", published)


def _transformer(transformers: Iterable[Place], row: str) -> Place:
    place = next(place for place in transformers if (place.row, place.column) == (row, _BEST_COLUMN))
    return Place(f"transformer: {row}; {_BEST_COLUMN}", MICRO_F1, place.cells, place.metric, place.published)
