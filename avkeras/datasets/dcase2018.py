"""DCASE 2018 task 4: 10 domestic sounds; weak and unlabelled training clips (R. Serizel et al., 2018).

The parts `weak`, `unlabel_in_domain` and `unlabel_out_of_domain` train, `test` (of development) validates and `eval`
tests. No training clip is strongly labelled: `--batch '[0, 12, 12]'` asks for batches without any. What the lists hold
beside clips and labels, and what is made of it:

* Names carry a leading Y before the id of the video, which itself may begin with Y, a dash or an underscore.
* 46 clips of the first `test.csv` are in `weak.csv` too. The organisers took them out in July 2018 and named them in
  `files_to_remove.csv`: the list of the address is the later one, and of an older one they are left out.
* Rows of `eval.csv` with three empty fields name clips without any event.
* Some rows of `weak.csv` name a class twice: it counts once.
* A few events end after their clip: they are kept.

`TaskLists.notes` counts these. `test` and `eval` together are the validation clips of DCASE 2020; `weak.csv` and
`unlabel_in_domain.csv` are its lists of these names, byte for byte.

The addresses are those of the organisers' repository at the commit that holds the lists.
"""

from collections.abc import Collection
from pathlib import Path

from avkeras.datasets.dcase2020 import CLASSES
from avkeras.datasets.desed_lists import DesedPart, read_desed
from avkeras.datasets.remote_lists import RemoteList
from avkeras.datasets.task_lists import TaskLists

NAME = "dcase2018"
_PARTS = {
    "weak": DesedPart("weak.csv", "train", "weak"),
    "unlabel_in_domain": DesedPart("unlabel_in_domain.csv", "train", "unlabelled"),
    "unlabel_out_of_domain": DesedPart("unlabel_out_of_domain.csv", "train", "unlabelled"),
    "test": DesedPart("test.csv", "validation", "strong", without="files_to_remove.csv"),
    "eval": DesedPart("eval.csv", "test", "strong"),
}
PARTS = {name: part.split for name, part in _PARTS.items()}
FILES = {name: tuple(filter(None, (part.file, part.without))) for name, part in _PARTS.items()}
CLIPS = {"weak": 1578, "unlabel_in_domain": 14412, "unlabel_out_of_domain": 39999, "test": 288, "eval": 880}
LICENCE = "Copyright 2018 N. Turpault, R. Serizel, H. Eghbal-zadeh, A. P. Shah. MIT, https://opensource.org/license/mit"
_CITATION = """\
R. Serizel, N. Turpault, H. Eghbal-Zadeh and A. P. Shah. Large-scale weakly labeled semi-supervised sound event
detection in domestic environments. Proc. DCASE 2018 Workshop."""
_REPOSITORY = "https://raw.githubusercontent.com/DCASE-REPO/dcase2018_baseline/5c5a0f6a/task4/dataset/metadata"

LISTS = (
    RemoteList(
        "weak.csv",
        "92e3c29539a274b4ad980b7536b0ac74f7676e434ccad9bb2df62199f65554f3",
        f"{_REPOSITORY}/train/weak.csv",
    ),
    RemoteList(
        "unlabel_in_domain.csv",
        "9c584dabde1f67e4252415b48ea9ab7461f2e5a7b938a3b11da0c83eaa39e056",
        f"{_REPOSITORY}/train/unlabel_in_domain.csv",
    ),
    RemoteList(
        "unlabel_out_of_domain.csv",
        "8c25d319fce649ab016c75978e5beeb8c6af8332ba1e46806a8121a9bf282621",
        f"{_REPOSITORY}/train/unlabel_out_of_domain.csv",
    ),
    RemoteList(
        "test.csv", "194e2ef6c7dc358b72202a13911a78ffa937d8440ded7dc68048e37fcad9e7d2", f"{_REPOSITORY}/test/test.csv"
    ),
    RemoteList(
        "files_to_remove.csv",
        "bc3a7de20da1ccc807a3e02d9e538fd48b8a144abac691432542024bd1ba1d82",
        f"{_REPOSITORY}/test/files_to_remove.csv",
    ),
    RemoteList(
        "eval.csv", "f000d9f352d2487f57a0e40c81ce5317e0bc3cb151b50a993f432e06de6b6705", f"{_REPOSITORY}/eval/eval.csv"
    ),
)


def read_lists(folder: str | Path, *, parts: Collection[str] = tuple(PARTS)) -> TaskLists:
    """Reads the lists of some or all parts in `folder`; `place_lists(LISTS, folder)` brings them there.

    Clip ids are the names of the lists without `.wav`.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect: unknown classes, times that are none, clips that
            stand there twice, names that are none.
    """
    return read_desed(folder, NAME, CLASSES, {name: part for name, part in _PARTS.items() if name in parts})


def validate(lists: TaskLists) -> list[str]:
    """Returns a line for each part that was read whose number of clips is not the official one; empty: all are.

    `read_lists` has refused duplicates and unknown classes already; `TaskLists.count` gives numbers per class.
    """
    return lists.compare(CLIPS)


def cite() -> str:
    """Returns what to cite when the data set is used."""
    return _CITATION
