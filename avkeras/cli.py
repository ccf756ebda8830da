"""The `avkeras` command. Nothing heavy is loaded before a subcommand needs it."""

import importlib
import io
import sys
from collections.abc import Sequence

import avkeras

# In the order of a project; each is a module of `avkeras.commands`.
COMMANDS = (
    "doctor",
    "demo",
    "fetch",
    "status",
    "extract",
    "systems",
    "train",
    "evaluate",
    "score",
    "predict",
    "visualize",
    "reproduce",
    "export",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one subcommand; a user's error ends it with one line and status 1, wrong usage with one and status 2."""
    from avkeras.commands.parser import UsageError
    from avkeras.commands.terminal import one_line_errors

    _escape_what_cannot_be_shown()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = build_parser(arguments)
    options = parser.parse_args(arguments)
    with one_line_errors(parser.options()):
        try:
            importlib.import_module(f"avkeras.commands.{options.command}").run(options[options.command])
        except UsageError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(2)


def _escape_what_cannot_be_shown() -> None:
    """Lets a terminal that lacks a character show its escape, rather than end the command."""
    if sys.stdout is None:
        sys.exit("error: standard output is closed; send it to a file or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def build_parser(arguments: Sequence[str]):
    """Returns the parser of `avkeras`, which names every subcommand and has the options of the one that is chosen.

    Args:
        arguments: the command line.
    """
    from avkeras.commands.parser import CommandParser

    chosen = next((word for word in arguments if not word.startswith("-")), None)
    parser = CommandParser(avkeras.__doc__.split("\n")[0], prog="avkeras")
    parser.add_argument("--version", action="version", version=f"avkeras {avkeras.__version__}")
    commands = parser.add_subcommands(dest="command", metavar="command", title="commands", description=None)
    for name in COMMANDS:
        module = importlib.import_module(f"avkeras.commands.{name}")
        command = CommandParser(f"{module.HELP[0].upper()}{module.HELP[1:]}.", examples=module.EXAMPLES)
        commands.add_subcommand(name, command, help=module.HELP)
        command.prog = f"avkeras {name}"
        if name == chosen:
            parser.children.append(command)
            command.arguments = arguments
            module.add_arguments(command)
    return parser
