"""The folder of a fetch: which task it holds, its lists, and which files of a clip are there."""

import importlib
import json
from pathlib import Path

from avkeras.datasets.ledger import Entry
from avkeras.datasets.task_lists import TaskLists
from avkeras.errors import AvkerasError
from avkeras.runs.files import write_json

TASKS = ("dcase2017", "dcase2018", "dcase2020", "audioset", "vggsounder")


def task_module(task: str):
    """Returns the module of a task, by its name."""
    if task not in TASKS:
        raise AvkerasError(f"'{task}' is none of {', '.join(TASKS)}")
    return importlib.import_module(f"avkeras.datasets.{task}")


def claim(folder: Path, task: str) -> None:
    """Says which task a folder holds; one that holds another is refused."""
    file = folder / "fetch.json"
    if file.is_file():
        held = json.loads(file.read_text())["task"]
        if held != task:
            raise AvkerasError(f"{folder}: holds clips of {held}; give another folder for {task}")
    write_json(file, {"task": task})


def read_placed(folder: str | Path) -> TaskLists:
    """Reads the lists that a fetch has brought into its folder.

    Raises:
        AvkerasError: nothing was ever fetched into that folder.
    """
    folder = Path(folder)
    try:
        task = json.loads((folder / "fetch.json").read_text())["task"]
    except (OSError, ValueError, KeyError):
        raise AvkerasError(f"{folder}: holds no fetched clips; give a fetch's folder, or fetch into it first") from None
    module = task_module(task)
    there = [part for part, names in module.FILES.items() if all((folder / "lists" / name).is_file() for name in names)]
    return module.read_lists(folder / "lists", parts=there)


def present(folder: Path, entry: Entry | None) -> tuple[Path | None, Path | None]:
    """Returns the files of a clip's sound and pictures that are there."""
    names = (entry.audio, entry.video) if entry is not None and entry.state == "done" else ("", "")
    audio, video = (folder / name if name and (folder / name).is_file() else None for name in names)
    return audio, video
