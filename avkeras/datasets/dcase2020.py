"""DCASE 2020 task 4 (DESED): 10 domestic sounds; strong, weak and unlabelled clips (N. Turpault et al., 2019).

The parts `synthetic20`, `weak` and `unlabel_in_domain` train, `validation` validates, and `public` (the public
evaluation set) tests, as in the 2022 paper. What the lists hold beside clips and labels, and what is made of it:

* Rows of `validation.tsv` with three empty fields name clips without any event.
* Names of `public.tsv` carry no leading Y and have whole seconds; ids stay as they are in the lists.
* Some rows of `weak.tsv` name a class twice: it counts once.
* A few events end after their clip: they are kept, since the official scores were made with them.
* `validation.tsv` is the cleaned version of later years (4224 events); that of 2020 had 12 events more.
* One clip of `public` is in `unlabel_in_domain` too: it is kept in both.
* Synthetic soundscapes are made by the organisers' code and have no source video: they are adopted, never fetched.

`TaskLists.notes` counts these.

The addresses are those of public repositories at the commits given: DESED's own for the real parts, those of others for
`synthetic20.tsv` and the validation lists. SHA-256 are checked in any case.
"""

from collections.abc import Collection
from pathlib import Path

from avkeras.datasets.desed_lists import DesedPart, read_desed
from avkeras.datasets.remote_lists import RemoteList
from avkeras.datasets.task_lists import Defects, TaskLists, read_rows, stem

NAME = "dcase2020"
CLASSES = (
    "Alarm_bell_ringing",
    "Blender",
    "Cat",
    "Dishes",
    "Dog",
    "Electric_shaver_toothbrush",
    "Frying",
    "Running_water",
    "Speech",
    "Vacuum_cleaner",
)
PARTS = {
    "synthetic20": "train",
    "weak": "train",
    "unlabel_in_domain": "train",
    "validation": "validation",
    "public": "test",
}
_SUPERVISION = {"weak": "weak", "unlabel_in_domain": "unlabelled"}
FILES = {part: (f"{part}.tsv",) for part in PARTS} | {"validation": ("validation.tsv", "validation_durations.tsv")}
_PARTS = {
    part: DesedPart(FILES[part][0], split, _SUPERVISION.get(part, "strong"), synthetic=part == "synthetic20")
    for part, split in PARTS.items()
}
CLIPS = {"synthetic20": 2584, "weak": 1578, "unlabel_in_domain": 14412, "validation": 1168, "public": 692}
LICENCE = "Copyright 2019 N. Turpault, R. Serizel, J. Salamon, A. P. Shah. MIT, https://opensource.org/license/mit"
_CITATION = """\
N. Turpault, R. Serizel, A. Shah and J. Salamon. Sound event detection in domestic environments with weakly labeled data
and soundscape synthesis. Proc. DCASE 2019 Workshop.
R. Serizel, N. Turpault, A. Shah and J. Salamon. Sound event detection in synthetic domestic environments. Proc. ICASSP
2020, pp. 86-90."""
_DESED = "https://raw.githubusercontent.com/turpaultn/DESED/06861781/data/real/metadata"
_TASK = "https://raw.githubusercontent.com/DCASE-REPO/DESED_task"

LISTS = (
    RemoteList(
        "synthetic20.tsv",
        "d8da3926ecc2c50dc547441c7abd70a760ceaeda2a1a87b474d665b342be1519",
        "https://raw.githubusercontent.com/m-koichi/ConformerSED/d66dbc19479119f8917523c5a488423027884009/"
        "data/metadata/train/synthetic20.tsv",
    ),
    RemoteList(
        "weak.tsv",
        "92e3c29539a274b4ad980b7536b0ac74f7676e434ccad9bb2df62199f65554f3",
        f"{_DESED}/train/weak.tsv",
    ),
    RemoteList(
        "unlabel_in_domain.tsv",
        "9c584dabde1f67e4252415b48ea9ab7461f2e5a7b938a3b11da0c83eaa39e056",
        f"{_DESED}/train/unlabel_in_domain.tsv",
    ),
    RemoteList(
        "validation.tsv",
        "aa137f17507407ff08fd245ba63c2af4383c0a8fff9e5a89938df7de0c363871",
        f"{_TASK}/3e635558bab3cbd8b82e171611d5e46d1f438d97/PSDS_Eval/meta/validation.tsv",
    ),
    RemoteList(
        "validation_durations.tsv",
        "58e0699fde847d6abe27872df9f353aaefa8fd4fd49f109b1995661dba6f503b",
        f"{_TASK}/c8990debc724cb622fe55245fbfdbbb899f8e503/PSDS_Eval/meta/validation_durations.tsv",
    ),
    RemoteList(
        "public.tsv",
        "da3f978674311b6a7a86224a58ebab9e45d66c1d0b32ad3bd6c126cb4af76f5d",
        f"{_DESED}/eval/public.tsv",
    ),
)


def read_lists(folder: str | Path, *, parts: Collection[str] = tuple(PARTS)) -> TaskLists:
    """Reads the lists of some or all parts in `folder`; `place_lists(LISTS, folder)` brings them there.

    Clip ids are the names of the lists without `.wav`.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect: unknown classes, times that are none, clips that
            stand there twice, names that are none.
    """
    return read_desed(folder, NAME, CLASSES, {part: _PARTS[part] for part in PARTS if part in parts})


def validate(lists: TaskLists) -> list[str]:
    """Returns a line for each part that was read whose number of clips is not the official one; empty: all are.

    `read_lists` has refused duplicates and unknown classes already; `TaskLists.count` gives numbers per class.
    """
    return lists.compare(CLIPS)


def cite() -> str:
    """Returns what to cite when the data set is used."""
    return _CITATION


def read_durations(file: str | Path) -> dict[str, float]:
    """Reads the lengths in seconds of clips, by id, from a list such as `validation_durations.tsv`."""
    file, defects, durations = Path(file), Defects(), {}
    for number, (name, seconds) in read_rows(file, columns=2, header="filename\tduration"):
        try:
            durations[stem(name)] = float(seconds)
        except ValueError:
            defects.add(file, number, f"duration '{seconds}' is not a number")
    defects.raise_any()
    return durations
