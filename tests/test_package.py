"""What an import of avkeras loads, and which way imports go."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import avkeras

ROOT = Path(avkeras.__file__).parent
MODULES = sorted(info.name for info in pkgutil.walk_packages([str(ROOT)], "avkeras."))
# Each package may import itself and those named here (and the modules of none, such as avkeras.errors).
MAY_IMPORT = {
    "layers": set(),
    "models": {"layers"},
    "media": set(),
    "data": {"media"},
    "datasets": {"data", "media"},
    "features": {"data", "media", "runs"},
    "training": {"layers", "models", "data"},
    "evaluation": {"data"},
    "runs": {"features"},
    "experiments": {
        "layers",
        "models",
        "training",
        "data",
        "features",
        "evaluation",
        "datasets",
        "runs",
        "serving",
        "reports",
    },
    "serving": {
        "layers",
        "models",
        "data",
        "features",
        "evaluation",
        "media",
        "runs",
        "experiments",
        "tables",
        "reports",
    },
    "reports": {"models", "data", "features", "evaluation", "media", "runs", "experiments", "serving", "training"},
    "tables": {"data", "features", "evaluation", "runs", "experiments", "training", "models", "datasets", "serving"},
    "commands": {"data", "datasets", "evaluation", "experiments", "features", "runs", "serving", "reports", "tables"},
}
HEAVY = {"tensorflow", "keras", "tensorflow_hub", "tensorflow_io", "av", "librosa", "matplotlib", "pandas", "sed_eval"}


def imported(path):
    """Names of the modules of avkeras that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_by(*statements):
    code = "; ".join([*statements, "import json, sys", "print(json.dumps(sorted(sys.modules)))"])
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_import_loads_nothing_heavy():
    assert not HEAVY & loaded_by("import avkeras")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports(module):
    importlib.import_module(module)


ROOMS = [name for name in avkeras.__all__ if (ROOT / name / "__init__.pyi").is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_there(room):
    """`__init__.pyi` of a room says which module has each public name; mend it when a name moves."""
    module = importlib.import_module(f"avkeras.{room}")
    assert module.__all__
    assert set(module.__all__) == set(dir(module))
    for name in module.__all__:
        assert getattr(module, name).__name__.split(".")[-1] == name


def test_every_registered_class_is_public():
    """Else Keras could not find it after `import avkeras` alone."""
    keras = importlib.import_module("keras")
    for module in MODULES:
        importlib.import_module(module)
    registered = {name for name, value in keras.saving.get_custom_objects().items() if isinstance(value, type)}
    public = {name for room in ("layers", "models", "training") for name in dir(getattr(avkeras, room))}
    assert {name.split(">")[1] for name in registered if name.startswith("avkeras>")} <= public


def packages():
    return sorted(path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file())


def test_every_package_has_its_place():
    assert set(packages()) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package):
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imported(path)
        if name.startswith("avkeras.") and name.split(".")[1] in MAY_IMPORT and name.split(".")[1] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["layers", "models"])
def test_layers_and_models_load_no_backend(package):
    """One backend's shortcut may be imported where it is taken, never on top."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {ast.unparse(node)}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {"tensorflow", "torch", "jax"} & set(ast.unparse(node).split())
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_tests_share_a_name():
    """Under pytest's importlib mode helpers are found by name, so names are unique across folders."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names))
