from pathlib import Path

import pytest

from avkeras.data.checks import check_data
from avkeras.data.manifest import SPLITS, Clip, Event, Manifest
from avkeras.errors import ManifestError


def clips(*, splits=("train", "validation", "test"), labels=("Car",), video=None, events=(), supervision="weak"):
    return tuple(Clip(split, Path("a.wav"), video, split, labels, events, supervision) for split in splits)


def manifest(*clips, classes=("Bus", "Car")):
    return Manifest(Path("m.tsv"), clips, classes)


HEARD = clips()
VIDEO = clips(video=Path("a.mp4"))
STRONG = clips(events=(Event(0, 1, "Car"),), supervision="strong")
OVERLAP = clips(events=(Event(0, 2, "Car"), Event(1, 3, "Car")), supervision="strong")


@pytest.mark.parametrize(
    ("data", "needs", "defects"),
    [
        (manifest(*HEARD[:2]), (), ["no clip is of split test; training needs all three splits"]),
        (
            manifest(*HEARD[:1]),
            (),
            [f"no clip is of split {name}; training needs all three splits" for name in SPLITS[1:]],
        ),
        (manifest(*clips(labels=())), ["labels"], [f"no {name} clip has a label" for name in SPLITS]),
        (manifest(HEARD[0], *clips(labels=())[1:2], HEARD[2]), ["labels"], ["no validation clip has a label"]),
        (manifest(*HEARD), ["labels", "video"], ["no clip has video, which is asked for; ask for audio alone"]),
        (
            manifest(*HEARD, classes=("id", "Car", "onset")),
            (),
            [f"a class is named '{one}', as a column of the tables of a run is; rename it" for one in ("id", "onset")],
        ),
        (
            manifest(*HEARD),
            ["events"],
            [f"no strong {name} clip has events; detection is scored by their times" for name in SPLITS[1:]],
        ),
        (
            manifest(*STRONG[:2], OVERLAP[2]),
            ["events"],
            ["clip test has events of Car that overlap; join them"],
        ),
    ],
)
def test_every_defect_is_told_at_once(data, needs, defects):
    with pytest.raises(ManifestError) as caught:
        check_data(data, needs=needs)
    assert list(caught.value.defects) == [f"m.tsv: {defect}" for defect in defects]


@pytest.mark.parametrize(
    ("data", "needs"),
    [(HEARD, ["labels"]), (VIDEO, ["labels", "video"]), (STRONG, ["events"]), ((OVERLAP[0], *STRONG[1:]), ["events"])],
)
def test_what_is_whole_passes_and_a_class_that_cannot_be_learnt_is_named(data, needs):
    assert check_data(manifest(*data), needs=needs) == ("class Bus has no training clip: nothing can be learnt of it",)


def test_classes_that_look_alike_are_named_once_per_group():
    names = ("Car", "car", "T\u00fcr", "Tu\u0308r", "Bus")
    notes = check_data(manifest(*clips(labels=names), classes=names), needs=["labels"])
    start = "classes differ only in case or Unicode form, and are taken as different: "
    assert notes == (f"{start}Car, car", f"{start}T\u00fcr (T\\xfcr), Tu\u0308r (Tu\\u0308r)")


def test_an_unknown_need_is_an_error_of_the_call():
    with pytest.raises(ValueError, match="needs: 'sound' is none of"):
        check_data(manifest(*HEARD), needs=["sound"])
