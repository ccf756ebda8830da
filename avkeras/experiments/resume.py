"""The values of a run, from what its folder holds."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.experiments.detection import SoundEventDetection
from avkeras.experiments.tagging import AudioTagging


def values_of_run(folder: str | Path) -> Any:
    """Returns the values that a run was started with.

    Args:
        folder: the `out` of the run.

    Returns:
        `AudioTagging` or `SoundEventDetection`. Values that the run's version of avkeras did not have are the defaults.

    Raises:
        AvkerasError: the folder holds no run, or one that was started from another working directory.

    Example:
        >>> import tempfile
        >>> from avkeras.runs.run_folder import pin_values
        >>> folder = Path(tempfile.mkdtemp())
        >>> pin_values(AudioTagging(out=folder, seed=3), folder)
        >>> values_of_run(folder).seed
        3
    """
    folder = Path(folder)
    given = read_config(folder)
    file = folder / "config.json"
    for kind in (AudioTagging, SoundEventDetection):
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
            f"or start a new one with --config {file} --out ANOTHER"
        )
    # JSON has no tuples, and paths are text in it.
    paths = {name: Path(given[name]) for name in ("data", "out", "records") if given.get(name) is not None}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return kind(**given | paths | lists)


def read_config(folder: str | Path) -> dict[str, Any]:
    """Returns the values in a run's `config.json`.

    Raises:
        AvkerasError: the folder holds none.
    """
    file = Path(folder) / "config.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise AvkerasError(f"{folder}: holds no run ({file.name}: {error.strerror})") from error
    except ValueError as error:
        raise AvkerasError(f"{file}: is damaged: {error}") from error
