"""`avkeras systems`: the published systems that can be trained beside the papers' own."""

import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.systems.system import PublishedSystem

HELP = "list the published systems that the papers compare with"
EXAMPLES = """  avkeras systems
  avkeras systems gccaps
  avkeras train tagging --system gccaps --data my.tsv
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one, to be told all of it")


def run(options) -> None:
    """Shows a row per system, or all of one."""
    from avkeras.systems.registry import NAMES, find_system

    if options.name:
        sys.stdout.write(description(find_system(options.name)))
        return
    rows = [("name", "task", "input", "parameters", "published, on other clips (source)")]
    rows += [_row(find_system(name)) for names in NAMES.values() for name in names]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
        sys.stdout.write("  ".join([*words, row[3].rjust(widths[3]), row[4]]) + "\n")


def _row(system: "PublishedSystem") -> tuple[str, ...]:
    figures = "; ".join(f"{one.metric} {one.value:g} % ({one.source})" for one in system.published)
    return system.name, system.task, system.inputs, f"{system.parameters:,}", figures or "none found"


def description(system: "PublishedSystem") -> str:
    """Returns all that is to be told of a system."""
    lines = [f"{system.name}: {system.title}, for {system.task}", system.paper, f"input: {system.inputs}"]
    lines += [f"parameters: {system.parameters:,}"]
    lines += [f"published: {one.metric} {one.value:g} %, {one.on}; {one.source}" for one in system.published]
    lines += [f"read: {system.read}"]
    lines += [f"--{name} {_shown(value)}" for name, value in system.values.items()]
    lines += [f"--options {name}={_shown(value)}" for name, value in system.options.items()]
    lines += list(system.notes)
    wrapped = (textwrap.fill(line, 116, subsequent_indent="    ", break_on_hyphens=False) for line in lines)
    return "\n".join(wrapped) + "\n"


def _shown(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
