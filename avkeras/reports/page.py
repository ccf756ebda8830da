"""Pages that are one file: a template with its style, its scripts and its data in it, and nothing from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from avkeras.runs.files import write_text

# Nothing is loaded from anywhere, whatever a name in the data says.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(path: str | Path, template: str, *, title: str, data: Any, scripts: Sequence[str] = ()) -> Path:
    """Write a page, whole or not at all.

    The page's script reads `data` and puts what comes from users into it as text, never as HTML.

    Args:
        path: the file.
        template: name of `pages/NAME.html`, to which `pages/NAME.js` belongs.
        title: of the page.
        data: what JSON can hold; NaN and infinity become null.
        scripts: further ones, by the names of `pages/NAME.js`, that come before the template's.

    Returns:
        The file.

    Raises:
        AvkerasError: the file cannot be written.
    """
    parts = {
        "policy": _POLICY,
        "title": html.escape(title),
        "style": _read("page.css"),
        "script": "\n".join(_read(f"{name}.js") for name in ("page", *scripts, template)),
        "data": to_script(data),
    }
    # Cut at the marks rather than replaced one after the other: what was put in may look like a mark.
    pieces = _read(f"{template}.html").split("%%")
    text = "".join(piece if place % 2 == 0 else parts[piece] for place, piece in enumerate(pieces))
    write_text(path, text)
    return Path(path)


def to_script(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in.

    Example:
        >>> to_script({"name": "</script>", "f1": float("nan")})
        '{"name":"\\\\u003c/script>","f1":null}'
    """
    text = json.dumps(_without_nan(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _without_nan(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(name): _without_nan(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_nan(value) for value in data]
    if hasattr(data, "tolist"):  # an array, or a number of numpy's
        return _without_nan(data.tolist())
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return None
    return data


def _read(name: str) -> str:
    return resources.files("avkeras.reports").joinpath("pages", name).read_text(encoding="utf-8")
