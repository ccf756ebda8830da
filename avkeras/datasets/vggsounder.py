"""VGGSounder: what is heard and what is seen in 12 014 test clips of VGGSound, 309 classes (D. Zverev et al., 2025).

There is one part, `test`. Each label says whether its class is heard (A), seen (V) or both (AV): `SourceClip.labels`
are those heard, `SourceClip.seen` those seen, and the manifest has a column for each: see `targets` of
`avkeras.data.read_manifest`. What the list holds beside that, and what is made of it:

* A row is a label, not a clip, and the rows of a clip do not always stand together.
* Clips are named `<video>_<start>`, the start in whole seconds with six digits; they last 10 s. Some videos have more
  than one.
* Names of classes hold commas, and stand in quotes then; the order of the classes is that of `classes.csv`.
* In some clips nothing is heard of what is seen, or the other way round: one of the two is empty, which is no defect.
* Whether the picture stands still or a voice speaks over it is told per clip; counted in `TaskLists.notes`, else not
  used. Of music in the background this list tells nothing: its column is False throughout.

The list is version 1.0.0 (2026), whose labels are not those of 0.1.6. The addresses are those of the authors'
repository at the commits that hold the files.
"""

from collections.abc import Collection
from pathlib import Path

from avkeras.datasets.remote_lists import RemoteList
from avkeras.datasets.task_lists import Defects, SourceClip, TaskLists, check_ids, parse_name, read_rows

NAME = "vggsounder"
PARTS = {"test": "test"}
FILES = {"test": ("vggsounder.csv", "classes.csv")}
CLIPS = {"test": 12014}
LICENCE = "Copyright the authors of VGGSounder. Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0"
_CITATION = """\
D. Zverev, T. Wiedemer, A. Prabhu, M. Bethge, W. Brendel and A. S. Koepke. VGGSounder: audio-visual evaluations for
foundation models. Proc. ICCV 2025.
H. Chen, W. Xie, A. Vedaldi and A. Zisserman. VGGSound: a large-scale audio-visual dataset. Proc. ICASSP 2020."""
_REPOSITORY = "https://raw.githubusercontent.com/Bizilizi/VGGSounder"
_SECONDS = 10.0
_HEADER = "video_id\tlabel\tmodality\tbackground_music\tstatic_image\tvoice_over"

LISTS = (
    RemoteList(
        "vggsounder.csv",
        "400979ea3dee34bed145d3fd96966e16689352df63b645c4730caf8eb2cacb06",
        f"{_REPOSITORY}/156aed61e1c372e820ff96abf9e4a48ea3c2b8de/vggsounder/data/vggsounder.csv",
    ),
    RemoteList(
        "classes.csv",
        "90a5cd19345019f50d0c3540629c1f4cde33266f00c57ce0cf67cd69835993c2",
        f"{_REPOSITORY}/5a91bf68/vggsounder/data/classes.csv",
    ),
)


def read_classes(file: str | Path) -> tuple[str, ...]:
    """Reads the names of the classes, in their order, from `classes.csv`.

    Raises:
        AvkerasError: the list has defects.
    """
    file, defects, names = Path(file), Defects(), []
    for number, (index, _, name) in read_rows(file, columns=3, delimiter=",", header="index\tmid\tdisplay_name"):
        if index != str(len(names)) or name in names:
            defects.add(file, number, f"class {index} '{name}' stands out of order or twice")
        names.append(name)
    defects.raise_any()
    return tuple(names)


def read_lists(folder: str | Path, *, parts: Collection[str] = tuple(PARTS)) -> TaskLists:
    """Reads the list in `folder`; `place_lists(LISTS, folder)` brings it there. Clip ids are those of the list.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect: unknown classes and modalities, labels that
            stand there twice, clips that are none.
    """
    folder, defects = Path(folder), Defects()
    file = folder / FILES["test"][0]
    classes = read_classes(folder / FILES["test"][1])
    labels: dict[str, dict[str, str]] = {}
    still: set[str] = set()
    spoken: set[str] = set()
    if "test" in parts:
        rows = read_rows(file, columns=6, delimiter=",", header=_HEADER)
        for number, (name, label, modality, _, static, voice) in rows:
            given = labels.setdefault(name, {})
            if _place(name) is None:
                defects.add(file, number, f"'{name}' is not of the form <video>_<start>")
            elif label not in classes:
                defects.add(file, number, f"class '{label}' is not in the class list")
            elif modality not in ("A", "V", "AV"):
                defects.add(file, number, f"modality '{modality}' is none of A, V, AV")
            elif label in given:
                defects.add(file, number, f"'{name}' has the class '{label}' twice")
            else:
                given[label] = modality
            still |= {name} if static == "True" else set()
            spoken |= {name} if voice == "True" else set()
    places = {name: place for place, name in enumerate(classes)}
    clips = [_clip(name, given, places) for name, given in labels.items() if _place(name)]
    notes = check_ids(clips, {"test": file}, defects)
    defects.raise_any()
    for what, found in (
        ("whose picture stands still", len(still)),
        ("with a voice over them", len(spoken)),
        ("in which nothing that is named is heard", sum(not clip.labels for clip in clips)),
        ("in which nothing that is named is seen", sum(not clip.seen for clip in clips)),
    ):
        notes += [f"{file.name}: clips {what}: {found}"] if found else []
    return TaskLists(NAME, classes, tuple(part for part in PARTS if part in parts), tuple(clips), {}, tuple(notes))


def validate(lists: TaskLists) -> list[str]:
    """Returns a line if the number of clips is not the official one; empty: it is."""
    return lists.compare(CLIPS)


def cite() -> str:
    """Returns what to cite when the data set is used."""
    return _CITATION


def other_names(clip: SourceClip) -> tuple[str, ...]:
    """Returns names, without extension, under which files of a clip go round beside `<video>_<start>_<end>`."""
    return (clip.id, f"Y{clip.id}")


def _place(name: str) -> tuple[str, float, float] | None:
    video, _, start = name.rpartition("_")
    place = parse_name(f"{video}_{start}_0") if start.isdecimal() else None
    return place and (video, place[1], place[1] + _SECONDS) if place and place[0] == video else None


def _clip(name: str, labels: dict[str, str], places: dict[str, int]) -> SourceClip:
    heard, seen = (
        tuple(sorted((label for label, modality in labels.items() if kind in modality), key=places.__getitem__))
        for kind in "AV"
    )
    return SourceClip(name, "test", "test", "weak", heard, (), *_place(name), seen)
