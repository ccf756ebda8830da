"""Classes of one data set in terms of another's, so that a model of the one can be scored on the other.

A map is a table `class,from,reason`: a row per class of a model that stands for a class of the data set. `dcase2017`
and `dcase2020` map Audio Set's classes to those of the tasks (2017: 17, 2018 and 2020: 10). Each row tells why it is
there, with how often both labels meet: Audio Set's balanced and evaluation lists label some clips of the tasks, too. On
these its own labels, mapped, agree with the task's to a micro-F1 of 83.5 % (2017, 733 clips) and 83.7 % (2018 and 2020,
845 clips: precision 93.8 %, recall 75.7 %; it names speech in 262 of the 491 clips that hold it).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from avkeras.data.manifest import read_text
from avkeras.errors import AvkerasError

CLASS_MAPS = ("dcase2017", "dcase2020")
_HEADER = ["class", "from", "reason"]


@dataclass(frozen=True)
class ClassMap:
    """Which classes of a model stand for each class of a data set; a class gets the highest of their probabilities.

    Args:
        name: of the map.
        sources: by class of the data set, in order, the model's classes.

    Example:
        >>> pets = ClassMap("pets", {"Dog": ("Bark", "Howl"), "Cat": ("Meow",)})
        >>> pets.apply([[0.1, 0.2, 0.7]], ["Meow", "Bark", "Howl"]).tolist()
        [[0.7, 0.1]]
    """

    name: str
    sources: Mapping[str, tuple[str, ...]]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the data set."""
        return tuple(self.sources)

    def only(self, classes: Sequence[str]) -> ClassMap:
        """Returns the map of some of the classes, in their order.

        Raises:
            AvkerasError: the map does not have one.
        """
        if lacking := [name for name in classes if name not in self.sources]:
            raise AvkerasError(f"class map {self.name}: has no row for '{lacking[0]}'")
        return ClassMap(self.name, {name: self.sources[name] for name in classes})

    def apply(self, probabilities, classes: Sequence[str]) -> np.ndarray:
        """Returns the probabilities of the data set's classes.

        Args:
            probabilities: `(..., model's classes)`.
            classes: names of the model's classes; those that a map names and the model lacks are left out.

        Returns:
            `(..., data set's classes)`.

        Raises:
            AvkerasError: the model has none of the classes that stand for one.
        """
        probabilities = np.asarray(probabilities)
        places = self._places(classes)
        return np.stack([probabilities[..., one].max(axis=-1) for one in places], axis=-1)

    def _places(self, classes: Sequence[str]) -> list[list[int]]:
        place = {name: number for number, name in enumerate(classes)}
        places = [[place[name] for name in names if name in place] for names in self.sources.values()]
        for target, found in zip(self.sources, places, strict=True):
            if not found:
                wanted = ", ".join(self.sources[target])
                raise AvkerasError(f"class map {self.name}: the model has no class for '{target}' ({wanted})")
        return places


def class_map(name: str | Path) -> ClassMap:
    """Returns the map of a name, or reads one from a table of the user's own, `class,from,reason`.

    Args:
        name: `"dcase2017"` or `"dcase2020"` (of Audio Set's classes; DCASE 2018 has the same ones), or a file.

    Raises:
        AvkerasError: there is none, or the table has defects.

    Example:
        >>> class_map("dcase2020").sources["Cat"]
        ('Cat', 'Meow', 'Caterwaul', 'Purr')
    """
    if str(name) in CLASS_MAPS:
        file = resources.files("avkeras.data").joinpath("class_tables", f"{name}.csv")
        return _read(str(name), file.read_text(encoding="utf-8"))
    try:
        return _read(str(name), read_text(Path(name)))
    except OSError:
        raise AvkerasError(f"class map '{name}' is none of {', '.join(CLASS_MAPS)}, and no file") from None


def find_class_map(classes: Sequence[str], targets: Sequence[str]) -> ClassMap | None:
    """Returns what turns a model's classes into those of a data set; None: the model has them under these names.

    Args:
        classes: of the model.
        targets: of the data set.

    Raises:
        AvkerasError: no known map does, and the names are others.

    Example:
        >>> find_class_map(["Cat", "Meow"], ["Cat"]) is None
        True
    """
    lacking = [name for name in targets if name not in set(classes)]
    if not lacking:
        return None
    for known in map(class_map, CLASS_MAPS):
        if set(targets) <= set(known.classes):
            return known.only(targets)
    raise AvkerasError(
        f"the model has no class '{lacking[0]}'; give a table 'class,from,reason' of its classes that stand for "
        f"those of the data set (classes), or one of {', '.join(CLASS_MAPS)}"
    )


def _read(name: str, text: str) -> ClassMap:
    rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    if not rows or [field.strip() for field in rows[0]] not in (_HEADER, _HEADER[:2]):
        raise AvkerasError(f"{name}:1: the first line must be: {','.join(_HEADER)}")
    sources: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(field.strip() for field in row):
            continue
        fields = [field.strip() for field in row]
        if not 2 <= len(fields) <= 3 or not all(fields[:2]):
            raise AvkerasError(f"{name}:{number}: must be class, model's class, reason; names with commas in quotes")
        if fields[1] in sources.get(fields[0], ()):
            raise AvkerasError(f"{name}:{number}: '{fields[1]}' stands for '{fields[0]}' already")
        sources[fields[0]] = (*sources.get(fields[0], ()), fields[1])
    if not sources:
        raise AvkerasError(f"{name}: holds no rows")
    return ClassMap(name, sources)
