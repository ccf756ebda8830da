"""The parser of the commands: YAML by `--config`, and one line, with the nearest known word, for what is not known."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser

from avkeras.errors import AvkerasError


class UsageError(AvkerasError):
    """A command line that cannot be meant: exit status 2."""


class CommandParser(ArgumentParser):
    """An `ArgumentParser` whose usage errors are one line, with exit status 2.

    Args:
        description: for `--help`.
        examples: command lines, shown last in `--help`.
        prog: how the command is called.

    Example:
        >>> parser = CommandParser("Tags clips.", prog="tag")
        >>> _ = parser.add_argument("--model")
        >>> parser.parse_args(["--model", "m"]).model
        'm'
    """

    def __init__(self, description: str | None = None, *, examples: str = "", prog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.children: list[CommandParser] = []
        self.arguments: Sequence[str] = ()  # the command line, where options depend on its words

    def add_config(self) -> None:
        """Adds `--config` and `--print_config`."""
        self.add_argument("--config", action=_ConfigFile, metavar="FILE", help="YAML or JSON with any of these options")

    def error(self, message: str, ex: Exception | None = None) -> None:
        """Ends the program with one line on standard error."""
        sys.stderr.write(f"error: {self._one_line(message)}; see {self.prog} --help\n")
        sys.exit(2)

    def _one_line(self, message: str) -> str:
        if found := re.match(r"unrecognized arguments: (.*)", message, flags=re.IGNORECASE):
            words = found[1].split()
            option = next((word.split("=")[0] for word in words if word.startswith("-")), None)
            if option is None:
                return f"unexpected argument '{words[0]}'"
            if Path(option).exists():
                return f"{option} begins with a dash: to name that file write ./{option}"
            if os.path.lexists(option):
                return f"{option} is a file, but its name begins as an option does: write ./{option}"
            return f"unknown option {option}{did_you_mean(option, self.options())}"
        if found := re.search(r"invalid choice: '?([^']*?)'? \(choose from (.*)\)", message):
            name = message.removeprefix("argument ").split(":")[0].split(".")[-1]
            choices = [choice.strip(" '") for choice in found[2].split(",")]
            return f"{name.lower()}: '{found[1]}' is none of {', '.join(choices)}{did_you_mean(found[1], choices)}"
        if found := re.search(r"does not accept (?:nested key|option) '([^']+)'", message):
            known = [option.removeprefix("--") for option in self.options()]
            return f"unknown option '{found[1]}'{did_you_mean(found[1], known)}"
        if found := re.search(r"required: (.*)", message):
            names = [name.split(".")[-1] for name in found[1].split(", ")]
            return f"missing: {', '.join(f'--{name}' if f'--{name}' in self.options() else name for name in names)}"
        if found := re.match(r"expected \"(\w+)\" to be one of", message):
            return f"no {found[1]} given"
        return " ".join(re.sub(r"Parser key \"([\w.]+)\"", r"--\1", message).split()).rstrip(".")

    def options(self) -> list[str]:
        """Returns the long options of this parser and of the subcommand that was chosen."""
        own = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        return own + [option for child in self.children for option in child.options()]


class _ConfigFile(ActionConfigFile):
    """Reads a file of options; of one that is something else, nothing is shown: it may be private, or no text."""

    def __call__(self, parser, cfg, values, option_string=None) -> None:
        if Path(values).is_file() and (problem := _config_defect(Path(values))):
            parser.error(f"--config: {values} {problem}; give a file of lines `option: value`")
        super().__call__(parser, cfg, values, option_string)


def _config_defect(path: Path) -> str:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text (byte {error.start})"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return f"is no YAML or JSON{f' (line {mark.line + 1})' if mark else ''}"
    return "" if isinstance(found, dict) else "holds no options by name"


def option_in_file(path: Path, name: str) -> str | None:
    """Returns an option's text in a file of options; None: it is not there, or the file is none, as its parser says."""
    import yaml

    if not path.is_file() or _config_defect(path):
        return None
    value = yaml.safe_load(path.read_text(encoding="utf-8")).get(name)
    return value if isinstance(value, str) else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean ...?` with the nearest known word, or nothing if none is near.

    Example:
        >>> did_you_mean("--modle", ["--model", "--json"])
        '; did you mean --model?'
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
