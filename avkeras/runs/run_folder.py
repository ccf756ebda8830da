"""What every experiment does with the folder of its run: values that must stay, tables that are whole or absent."""

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.features.extract import Summary
from avkeras.runs.environment import record_environment


def pin_values(values: Any, folder: Path, *, free: Sequence[str] = ("workers",)) -> None:
    """Writes a run's values to `config.json`, and refuses a folder that holds a run with others.

    `environment.jsonl` gets a line with versions, command line and machine, where they are not those of the last.

    Args:
        values: dataclass of the experiment's values.
        folder: of the run; made if need be.
        free: values that change no result and may differ.

    Raises:
        AvkerasError: the folder holds a run with other values; it names them.

    Example:
        >>> import tempfile
        >>> @dataclasses.dataclass
        ... class Values:
        ...     seed: int = 0
        >>> folder = Path(tempfile.mkdtemp())
        >>> pin_values(Values(), folder)
        >>> json.loads((folder / "config.json").read_text())
        {'seed': 0}
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    fields = json.loads(json.dumps(dataclasses.asdict(values), default=str))
    for name in free:
        fields.pop(name, None)
    if file.exists():
        before = json.loads(file.read_text())
        changed = sorted(name for name in fields.keys() | before.keys() if before.get(name) != fields.get(name))
        if changed:
            raise AvkerasError(f"{folder}: holds a run with another {', '.join(changed)}; give another --out")
    write_text(file, json.dumps(fields, indent=1) + "\n")
    record_environment(folder)


def write_extraction(path: Path, summary: Summary) -> None:
    """Writes a row for every clip that was padded, cut, lacks something or failed."""
    kinds = (("note", summary.notes), ("error", summary.errors))
    write_rows(path, [{"clip": clip, "kind": kind, "text": text} for kind, lines in kinds for clip, text in lines])


def write_rows(path: Path, rows: Sequence[dict], *, delimiter: str = ",") -> None:
    """Writes a table, whole or not at all."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, fieldnames=list(rows[0]) if rows else ["none"], delimiter=delimiter, lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
