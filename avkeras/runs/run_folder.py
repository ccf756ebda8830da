"""What every experiment does with the folder of its run: values that must stay and that a resumed run takes up."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.runs.environment import record_environment
from avkeras.runs.files import write_json

CONFIG_FILE = "config.json"  # the run's values
INPUTS_FILE = "inputs.json"  # what its models take: data, features, embedders


def pin_values(values: Any, folder: Path, *, free: Sequence[str] = ("workers",)) -> None:
    """Writes a run's values to `config.json`, and refuses a folder that holds a run with others.

    `environment.jsonl` gets a line with versions, command line and machine, where they are not those of the last. A
    value that the run's version of avkeras did not have counts as its default.

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
    file = folder / CONFIG_FILE
    fields = _as_json(dataclasses.asdict(values))
    defaults = _as_json({field.name: field.default for field in dataclasses.fields(values)})
    for name in free:
        fields.pop(name, None)
    if file.exists():
        before = {name: value for name, value in defaults.items() if name in fields} | read_config(folder)
        changed = sorted(name for name in fields.keys() | before.keys() if before.get(name) != fields.get(name))
        if changed:
            raise AvkerasError(f"{folder}: holds a run with another {', '.join(changed)}; give another folder (out)")
    write_json(file, fields)
    record_environment(folder)


def values_of_run(folder: str | Path, kinds: Sequence[type]) -> Any:
    """Returns the values that a run was started with.

    Args:
        folder: the `out` of the run.
        kinds: dataclasses of experiments' values; the first that has all of the run's values is taken. Values that the
            run's version of avkeras did not have are the defaults.

    Raises:
        AvkerasError: the folder holds no run, or one that was started from another working directory.

    Example:
        >>> import tempfile
        >>> @dataclasses.dataclass
        ... class Values:
        ...     out: Path
        ...     seed: int = 0
        >>> folder = Path(tempfile.mkdtemp())
        >>> pin_values(Values(folder, seed=3), folder)
        >>> values_of_run(folder, [Values]).seed
        3
    """
    folder = Path(folder)
    given = read_config(folder)
    file = folder / CONFIG_FILE
    for kind in kinds:
        fields = {field.name for field in dataclasses.fields(kind)}
        if given.keys() <= fields:
            break
    else:
        unknown = sorted(given.keys() - fields)
        raise AvkerasError(f"{file}: no experiment has {', '.join(unknown)}; was it written by another version?")
    if "out" not in given:
        raise AvkerasError(f"{folder}: holds the runs of a table; give the command of avkeras reproduce again")
    if Path(given["out"]).resolve() != folder.resolve():
        raise AvkerasError(
            f"{folder}: its run was started as {given['out']}, from elsewhere or before it was moved; go there, "
            f"or start a new one from the values in {file} in another folder (out)"
        )
    # JSON has no tuples, and paths are text in it.
    paths = {name: Path(given[name]) for name in ("data", "out", "records", "teacher") if given.get(name) is not None}
    return kind(**{name: as_tuples(value) for name, value in given.items()} | paths)


def as_tuples(value: Any) -> Any:
    """Returns a value of a `config.json` with tuples for lists, as values of experiments have them.

    Example:
        >>> as_tuples([[2, 2], [1, 2]])
        ((2, 2), (1, 2))
    """
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def read_config(folder: str | Path) -> dict[str, Any]:
    """Returns the values in a run's `config.json`.

    Raises:
        AvkerasError: the folder holds none.
    """
    file = Path(folder) / CONFIG_FILE
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise AvkerasError(f"{folder}: holds no run ({file.name}: {error.strerror})") from error
    except ValueError as error:
        raise AvkerasError(f"{file}: is damaged: {error}") from error


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values, default=lambda value: None if value is dataclasses.MISSING else str(value)))
