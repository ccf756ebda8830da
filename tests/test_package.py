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
# The rooms and root modules, from the lowest to the highest: each may import those before it, and none after.
ORDER = (
    "errors",
    "registration",
    "saved_models",
    "runs",
    "media",
    "data",
    "datasets",
    "features",
    "evaluation",
    "layers",
    "models",
    "training",
    "systems",
    "experiments",
    "serving",
    "reports",
    "tables",
    "commands",
    "cli",
    "__main__",
)
FILES = {
    ".".join(("avkeras", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
HEAVY = {"tensorflow", "keras", "tensorflow_hub", "tensorflow_io", "av", "librosa", "matplotlib", "pandas", "sed_eval"}


def imported(path):
    """Returns the modules of avkeras that a file imports: in functions and for type checks too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & set(FILES)) or {node.module}
    return {name for name in found if name.split(".")[0] == "avkeras"}


def room(module):
    return [*module.split("."), ""][1]


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


def test_every_room_and_root_module_has_its_place():
    there = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    there |= {path.stem for path in ROOT.glob("*.py") if path.stem != "__init__"}
    assert there == set(ORDER)


@pytest.mark.parametrize("module", [name for name in FILES if name != "avkeras"])
def test_imports_go_one_way(module):
    allowed = {"", *ORDER[: ORDER.index(room(module)) + 1]}  # "": avkeras itself, which holds its version
    assert not [name for name in imported(FILES[module]) if room(name) not in allowed]


def test_no_files_import_each_other_in_a_circle():
    graph = {name: imported(path) & set(FILES) - {name} for name, path in FILES.items()}
    left = dict(graph)
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these files, or some of them, import each other: {', '.join(left)}"


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
