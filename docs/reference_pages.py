"""Pages of the API reference for `mkdocs build`: one per room of avkeras, made from its docstrings."""

import ast
from pathlib import Path

from mkdocs.structure.files import File

ROOMS = (
    *("models", "layers", "data", "media", "features", "training", "systems", "evaluation", "experiments", "serving"),
    "reports",
)
PACKAGE = Path(__file__).parents[1] / "avkeras"


def on_files(files, config):
    """Adds the pages, and to the navigation a section that lists them."""
    pages = {"avkeras": "# avkeras\n\n::: avkeras\n", **{f"avkeras.{room}": _room(room) for room in ROOMS}}
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    config.nav.append({"API reference": [{name: f"reference/{name}.md"} for name in pages]})
    return files


def _room(room: str) -> str:
    """Returns a page with a section per file that holds something public."""
    folder = PACKAGE / room
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    files = [file for file in sorted(folder.rglob("*.py")) if file.name != "__init__.py" and _public(file)]
    modules = [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]
    return f"# avkeras.{room}\n\n{doc}\n\n" + "\n".join(f"## {module}\n\n::: {module}\n" for module in modules)


def _public(file: Path) -> bool:
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(node, kinds) and not node.name.startswith("_") for node in body)
