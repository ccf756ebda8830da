"""avkeras' classes, known to Keras by name before anything of them is imported.

Keras finds the classes of a saved model by their registered names and imports no module on a file's word. A class
registers itself where it is defined, but `import avkeras` defines none, as that would import Keras. So when Keras is
imported, before or after avkeras, every public class gets an entry that imports it when a file asks for it.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "avkeras"  # of registered names: "avkeras>TransformerEncoderBlock"
_ROOMS = ("layers", "models", "training")


def register_classes(keras: ModuleType) -> None:
    """Registers the public classes of layers, models and training; those that are registered already stay.

    Args:
        keras: the imported package.
    """
    registered = keras.saving.get_custom_objects()
    for room in _ROOMS:
        for name in importlib.import_module(f"{PACKAGE}.{room}").__all__:
            if name[0].isupper():  # a class
                registered.setdefault(f"{PACKAGE}>{name}", _NotYetImported(f"{PACKAGE}.{room}", name))


def register_with_keras() -> None:
    """Registers the classes now if Keras is imported, and when it will be if it is not."""
    if "keras" in sys.modules:
        register_classes(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _KerasFinder())


class _NotYetImported:
    """Has the one method that Keras calls to make an object from a file; the class itself takes its place then."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def from_config(self, config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(self.module), self.name).from_config(config)


class _KerasFinder:
    """Finds Keras where the other finders do, and registers the classes when it has been imported.

    The package wrapt has such hooks, too; importing it takes ten times as long as importing avkeras.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_register(keras: ModuleType) -> None:
                execute(keras)
                register_classes(keras)

            spec.loader.exec_module = execute_and_register
        return spec
