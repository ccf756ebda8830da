"""Audio Set: 527 sounds in 10 s of YouTube videos, weakly labelled (J. F. Gemmeke et al., 2017).

The parts `balanced` and `unbalanced` train, `evaluation` tests; there is no validation set, so hold clips of your own
choice out before a recipe tunes on them. The unbalanced list (two million clips, 100 MB) is never downloaded: give
yours, the whole list or any rows of it, as `unbalanced_train_segments.csv` in a folder (`lists`). What the lists hold
beside clips and labels, and what is made of it:

* Published by Google, they have three lines of comments first, with the header in the third, and a space after each
  comma; copies that went through a table program have neither. Both are read, and known for the same list.
* Rows name classes by their codes (MIDs), several in one quoted field; the names, of which many hold commas, are those
  of `avkeras.data.audioset_classes`.
* Ids of videos begin with a dash in one of fifty rows, with an underscore in one of seventy.
* Most clips last 10 s; those at the end of a video are shorter, down to 1 s.
* Google's page tells 22176 and 20383 clips; the lists have 22160 and 20371, as their own comments say.

Clip ids are `<video>_<start>_<end>`, with three decimals. Files that go round under a video's id alone, with or without
a leading Y, or with times in milliseconds, are adopted, too, where a video has one clip.

The addresses are those of a public repository at the commit given, which holds both lists without comments.
"""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from avkeras.data.audioset import audioset_classes, audioset_mids
from avkeras.datasets.remote_lists import RemoteList
from avkeras.datasets.task_lists import Defects, SourceClip, TaskLists, check_ids, parse_name, read_rows

NAME = "audioset"
CLASSES = audioset_classes()
PARTS = {"balanced": "train", "unbalanced": "train", "evaluation": "test"}
FILES = {
    "balanced": ("balanced_train_segments.csv",),
    "unbalanced": ("unbalanced_train_segments.csv",),
    "evaluation": ("eval_segments.csv",),
}
CLIPS = {"balanced": 22160, "evaluation": 20371}  # of the unbalanced list anybody may give a part
LICENCE = "Made available by Google Inc. under CC BY 4.0, https://creativecommons.org/licenses/by/4.0"
_CITATION = """\
J. F. Gemmeke, D. P. W. Ellis, D. Freedman, A. Jansen, W. Lawrence, R. C. Moore, M. Plakal and M. Ritter. Audio Set: an
ontology and human-labeled dataset for audio events. Proc. ICASSP 2017, pp. 776-780."""
_REPOSITORY = "https://raw.githubusercontent.com/jarammm/DrummerNet/6aacf820d9e742abf3d0c298e0767a707efaa166"


def plain(content: bytes) -> bytes:
    """Brings a list into one form: its rows, without comments, header, and spaces between fields.

    Example:
        >>> plain(b'# YTID, start_seconds, end_seconds, positive_labels\\n-a, 0.000, 1.000, "/m/a,/m/b"\\n')
        b'-a|0.000|1.000|/m/a,/m/b\\n'
    """
    text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
    rows = csv.reader((line for line in text if not line.startswith(("#", "YTID,"))), skipinitialspace=True)
    return "".join(f"{'|'.join(field.strip() for field in row)}\n" for row in rows if row).encode()


LISTS = (
    RemoteList(
        "balanced_train_segments.csv",
        "263790fc35a9646e2d5e6acdef7ef596b63463e65ed46f2b8ff7499a6069f8d9",
        f"{_REPOSITORY}/balanced_train_segments.csv",
        same=plain,
        same_sha256="72fdb80221f26e1c1175290015e9816faa2076677f8b9e146409d2c8eb986a28",
    ),
    RemoteList(
        "eval_segments.csv",
        "bb91ec095c37a491dde375fc95e839de0ca5b84d1020100d030559d3e015336e",
        f"{_REPOSITORY}/eval_segments.csv",
        same=plain,
        same_sha256="52f597c7024556c0cd1de08756374e2d455f46c155485b37742d46b8c636fdb9",
    ),
    RemoteList("unbalanced_train_segments.csv", ""),
)


def read_lists(folder: str | Path, *, parts: Collection[str] = tuple(PARTS)) -> TaskLists:
    """Reads the lists of some or all parts in `folder`; `place_lists(LISTS, folder)` brings them there.

    Raises:
        AvkerasError: with a line `file:row: what is wrong` per defect: unknown classes, times that are none, clips that
            stand there twice, ids that are none.
    """
    folder, defects, notes = Path(folder), Defects(), []
    files = {part: folder / FILES[part][0] for part in PARTS if part in parts}
    clips = [clip for part, file in files.items() for clip in _clips(file, part, defects)]
    notes += check_ids(clips, files, defects)
    defects.raise_any()
    return TaskLists(NAME, CLASSES, tuple(files), tuple(clips), {part: Counter() for part in files}, tuple(notes))


def validate(lists: TaskLists) -> list[str]:
    """Returns a line for each official part that was read whose number of clips is another one; empty: none is."""
    return lists.compare(CLIPS)


def cite() -> str:
    """Returns what to cite when the data set is used."""
    return _CITATION


def other_names(clip: SourceClip) -> tuple[str, ...]:
    """Returns names, without extension, under which files of a clip go round beside its id.

    Example:
        >>> other_names(SourceClip("-a_1.000_2.000", "balanced", "train", "weak", video="-a", start=1.0, end=2.0))
        ('-a', 'Y-a', '-a_1', '-a_1000_2000')
    """
    name = f"{clip.video}_{clip.start:g}"
    return (clip.video, f"Y{clip.video}", name, f"{clip.video}_{clip.start * 1000:.0f}_{clip.end * 1000:.0f}")


def _clips(file: Path, part: str, defects: Defects) -> Iterator[SourceClip]:
    names = audioset_mids()
    places = {name: place for place, name in enumerate(CLASSES)}
    split = PARTS[part]
    for number, (video, start, end, mids) in read_rows(file, columns=4, delimiter=",", comment="#"):
        if video == "YTID":  # the header
            continue
        place = parse_name(f"{video}_{start}_{end}")
        found = {mid.strip() for mid in mids.split(",")}
        if place is None or place[0] != video or not place[1] < place[2]:
            defects.add(file, number, f"'{video},{start},{end}' is not a video and its times")
        elif unknown := sorted(found - names.keys()):
            defects.add(file, number, f"class '{unknown[0]}' is none of Audio Set's 527")
        else:
            labels = tuple(sorted((names[mid] for mid in found), key=places.__getitem__))
            name = f"{video}_{place[1]:.3f}_{place[2]:.3f}"
            yield SourceClip(name, part, split, "weak", labels, (), video, place[1], place[2])
