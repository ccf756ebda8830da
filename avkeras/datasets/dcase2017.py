"""DCASE 2017 task 4: 17 warning and vehicle sounds in 52 763 YouTube clips of 1 to 10 s (A. Mesaros et al., 2017).

The official parts `training`, `testing` and `evaluation` are train, validation and test of the 2019 paper. What the
lists hold beside clips and labels, and what is made of it:

* `training_set.csv` and `testing_set.csv` have no header; two class names hold a comma, so the class codes (MIDs) are
  read instead of the names.
* `evaluation` has ground truth only: names, which carry no leading Y as audio files do, give video and times.
* Rows `0 0` of the strong lists say that a class of the weak labels was not heard: they are no event, the label stays.
* A few events of one class overlap or repeat: they are joined. Both are counted in `TaskLists.notes`.

The addresses are those of the organisers' repository at the commits that hold the lists. Each was compared by its
length in characters and its last rows; whole contents are checked by SHA-256 when they are downloaded.
"""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from avkeras.datasets.remote_lists import RemoteList
from avkeras.datasets.task_lists import (
    Defects,
    SourceClip,
    StrongList,
    TaskLists,
    check_ids,
    parse_name,
    read_rows,
    read_strong_list,
    stem,
)

NAME = "dcase2017"
MIDS = {
    "/m/0284vy3": "Train horn",
    "/m/05x_td": "Air horn, truck horn",
    "/m/02mfyn": "Car alarm",
    "/m/02rhddq": "Reversing beeps",
    "/m/0199g": "Bicycle",
    "/m/06_fw": "Skateboard",
    "/m/012n7d": "Ambulance (siren)",
    "/m/012ndj": "Fire engine, fire truck (siren)",
    "/m/0dgbq": "Civil defense siren",
    "/m/04qvtq": "Police car (siren)",
    "/m/03qc9zr": "Screaming",
    "/m/0k4j": "Car",
    "/t/dd00134": "Car passing by",
    "/m/01bjv": "Bus",
    "/m/07r04": "Truck",
    "/m/04_sv": "Motorcycle",
    "/m/07jdr": "Train",
}
CLASSES = tuple(MIDS.values())
PARTS = {"training": "train", "testing": "validation", "evaluation": "test"}
FILES = {
    "training": ("training_set.csv",),
    "testing": ("testing_set.csv", "groundtruth_strong_label_testing_set.csv"),
    "evaluation": ("groundtruth_weak_label_evaluation_set.csv", "groundtruth_strong_label_evaluation_set.csv"),
}
CLIPS = {"training": 51172, "testing": 488, "evaluation": 1103}
LICENCE = "Copyright 2017 CMU and INRIA. Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0"
_CITATION = """\
A. Mesaros, T. Heittola, A. Diment, B. Elizalde, A. Shah, E. Vincent, B. Raj and T. Virtanen. DCASE 2017 challenge
setup: tasks, datasets and baseline system. Proc. DCASE 2017 Workshop, pp. 85-92.
J. F. Gemmeke, D. P. W. Ellis, D. Freedman, A. Jansen, W. Lawrence, R. C. Moore, M. Plakal and M. Ritter. Audio Set: an
ontology and human-labeled dataset for audio events. Proc. ICASSP 2017, pp. 776-780."""
_REPOSITORY = (
    "https://raw.githubusercontent.com/ankitshah009/"
    "Task-4-Large-scale-weakly-supervised-sound-event-detection-for-smart-cars"
)

LISTS = (
    RemoteList(
        "training_set.csv",
        "d568baa9ca38ff014c5338497d58fcc11864e345e158577343ad678ffda6e695",
        f"{_REPOSITORY}/bd27031584ad7e7ca408fa0376368322daabad30/training_set.csv",
    ),
    RemoteList(
        "testing_set.csv",
        "35c72b068fe4d6ebd995a1cac3650f9fe89e574c51cf31840086312b2647686b",
        f"{_REPOSITORY}/e39f538c2bbfb583fb4204cba09bd739ed36ab40/testing_set.csv",
    ),
    RemoteList(
        FILES["testing"][1],
        "5a180633a891b2bc95365d6cca4b54de39ae8787115b33e664ccf3c772275514",
        f"{_REPOSITORY}/9ba53c200a092fada53ca0c973129314d7534b4d/groundtruth_release/{FILES['testing'][1]}",
    ),
    RemoteList(
        FILES["evaluation"][0],
        "a275dcfd040b77fa1e8bd2687e583988a9169ba2e02b97e633e5d2347011592a",
        f"{_REPOSITORY}/2127761812763b95f6c000a1a7db73992b489412/groundtruth_release/{FILES['evaluation'][0]}",
    ),
    RemoteList(
        FILES["evaluation"][1],
        "374d8d12aacd5bf91e4efe6bdec1d23e0585816859ac0f10b2d933c6a8930c3b",
        f"{_REPOSITORY}/933ae09032d6083001c06ef79d571dede6e6d536/groundtruth_release/{FILES['evaluation'][1]}",
    ),
)


def read_lists(folder: str | Path, *, parts: Collection[str] = tuple(PARTS)) -> TaskLists:
    """Reads the lists of some or all parts in `folder`; `place_lists(LISTS, folder)` brings them there.

    Clip ids are `<video>_<start>_<end>` as in the ground truth, labels the weak ones.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect: unknown classes, times that are none, clips that
            stand there twice, names that are none.
    """
    folder, defects, notes = Path(folder), Defects(), []
    clips: list[SourceClip] = []
    rows: dict[str, Counter] = {}
    parts = tuple(part for part in PARTS if part in parts)
    for part in parts:
        strong = None if part == "training" else _strong(folder, part, defects, notes)
        file = folder / FILES[part][0]
        read = _evaluation_clips if part == "evaluation" else _set_clips
        found = read(file, part, strong, defects)
        clips += found
        if strong is not None:
            rows[part] = strong.rows
            for name in strong.events.keys() - {clip.id for clip in found}:
                defects.lines.append(f"{folder / FILES[part][1]}: clip '{name}' is not in {file.name}")
    notes += check_ids(clips, {part: folder / FILES[part][0] for part in parts}, defects)
    defects.raise_any()
    return TaskLists(NAME, CLASSES, parts, tuple(clips), rows, tuple(notes))


def validate(lists: TaskLists) -> list[str]:
    """Returns a line for each part that was read whose number of clips is not the official one; empty: all are.

    `read_lists` has refused duplicates and unknown classes already; `TaskLists.count` gives numbers per class.
    """
    return lists.compare(CLIPS)


def cite() -> str:
    """Returns what to cite when the data set is used."""
    return _CITATION


def _strong(folder: Path, part: str, defects: Defects, notes: list[str]) -> StrongList:
    name = FILES[part][1]
    found = read_strong_list(folder / name, classes=CLASSES, defects=defects)
    if found.zero:
        notes.append(f"{name}: rows '0 0', a class that was not heard: {found.zero}, no event")
    if found.merged:
        notes.append(f"{name}: events that overlap one of their class: {found.merged}, joined with it")
    return found


def _set_clips(file: Path, part: str, strong: StrongList | None, defects: Defects) -> list[SourceClip]:
    clips = []
    for number, (video, start, end, _, mids) in read_rows(file, columns=5, delimiter=","):
        name = f"{video}_{start}_{end}"
        unknown = [mid for mid in mids.split(",") if mid not in MIDS]
        if parse_name(name) is None:
            defects.add(file, number, f"'{video},{start},{end}' is not a video and its times")
        elif unknown:
            defects.add(file, number, f"class '{unknown[0]}' is not in the class list")
        else:
            clips.append(_clip(name, part, {MIDS[mid] for mid in mids.split(",")}, strong))
    return clips


def _evaluation_clips(file: Path, part: str, strong: StrongList, defects: Defects) -> list[SourceClip]:
    labels: dict[str, set[str]] = {}
    for number, (name, _, _, label) in read_rows(file, columns=4):
        if parse_name(stem(name)) is None:
            defects.add(file, number, f"'{name}' is not of the form <video>_<start>_<end>.wav")
        elif label not in CLASSES:
            defects.add(file, number, f"class '{label}' is not in the class list")
        elif label in labels.setdefault(stem(name), set()):
            defects.add(file, number, f"'{name}' has the class '{label}' twice")
        else:
            labels[stem(name)].add(label)
    return [_clip(name, part, heard, strong) for name, heard in labels.items()]


def _clip(name: str, part: str, labels: set[str], strong: StrongList | None) -> SourceClip:
    video, start, end = parse_name(name)
    return SourceClip(
        id=name,
        part=part,
        split=PARTS[part],
        supervision="weak" if strong is None else "strong",
        labels=tuple(label for label in CLASSES if label in labels),
        events=() if strong is None else tuple(strong.events.get(name, ())),
        video=video,
        start=start,
        end=end,
    )
