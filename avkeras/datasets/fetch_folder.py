"""The folder of a fetch: which task it holds, its lists, and which files of a clip are there."""

import importlib
import json
from pathlib import Path

from avkeras.datasets.ledger import Entry
from avkeras.datasets.task_lists import TaskLists
from avkeras.errors import AvkerasError
from avkeras.runs.files import write_json

TASKS = ("dcase2017", "dcase2018", "dcase2020", "audioset", "vggsounder")
_TASK = "fetch.json"


def task_module(task: str):
    """Returns the module of a task, by its name."""
    if task not in TASKS:
        raise AvkerasError(f"'{task}' is none of {', '.join(TASKS)}")
    return importlib.import_module(f"avkeras.datasets.{task}")


def claim(folder: Path, task: str) -> None:
    """Says which task a folder holds; one that holds another is refused."""
    if (held := _held_task(folder)) not in (None, task):
        raise AvkerasError(f"{folder}: holds clips of {held}; give another folder for {task}")
    write_json(folder / _TASK, {"task": task})


def _held_task(folder: Path) -> str | None:
    """Returns which task a folder holds; None: nothing was ever fetched into it."""
    file = folder / _TASK
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_bytes())["task"]
    except (ValueError, TypeError, KeyError):
        raise AvkerasError(f"{file}: is damaged; delete it, and fetch the same task again: its clips stay") from None


def read_placed(folder: str | Path) -> TaskLists:
    """Reads the lists that a fetch has brought into its folder.

    Raises:
        AvkerasError: nothing was ever fetched into that folder, or it is damaged.
    """
    folder = Path(folder)
    task = _held_task(folder)
    if task is None:
        raise AvkerasError(f"{folder}: holds no fetched clips; give a fetch's folder, or fetch into it first")
    module = task_module(task)
    there = [part for part, names in module.FILES.items() if all((folder / "lists" / name).is_file() for name in names)]
    return module.read_lists(folder / "lists", parts=there)


def present(folder: Path, entry: Entry | None) -> tuple[Path | None, Path | None]:
    """Returns the files of a clip's sound and pictures that are there."""
    names = (entry.audio, entry.video) if entry is not None and entry.state == "done" else ("", "")
    audio, video = (folder / name if name and (folder / name).is_file() else None for name in names)
    return audio, video
