"""The command line of a recipe: its presets, with options over their values."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from avkeras.errors import AvkerasError


def run_recipe(presets: Mapping[str, Any], *, description: str, arguments: Sequence[str] | None = None) -> None:
    """Reads the command line over a recipe's presets, runs the experiment and shows its table.

    Args:
        presets: values of an experiment by name; the first is the default without `--data`, `paper` with it.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    from avkeras.commands.finish_run import run_experiment
    from avkeras.commands.terminal import one_line_errors

    fields = {field.name for values in presets.values() if values for field in dataclasses.fields(values)}
    with one_line_errors(f"--{name}" for name in fields):
        run_experiment(recipe_values(presets, description=description, arguments=arguments))


def recipe_values(presets: Mapping[str, Any], *, description: str, arguments: Sequence[str] | None = None) -> Any:
    """Returns the values of the chosen preset with the command line and `--config` laid over them.

    Args:
        presets: as for `run_recipe`.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    from avkeras.commands.parser import CommandParser, did_you_mean
    from avkeras.commands.values import add_values, values_of

    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--data")
    peek.add_argument("--preset")
    seen, rest = peek.parse_known_args(arguments)
    chosen = seen.preset or ("paper" if seen.data else next(iter(presets)))
    if chosen not in presets:
        raise AvkerasError(f"--preset: '{chosen}' is none of {', '.join(presets)}{did_you_mean(chosen, presets)}")
    values = presets[chosen]
    parser = CommandParser(description.strip())
    parser.add_config()
    # For `--help`; it is no value, so that the values can be given to `avkeras train`.
    parser.add_argument(
        "--preset", default=argparse.SUPPRESS, help=f"one of {', '.join(presets)}; paper is meant for --data"
    )
    add_values(parser, values)
    return values_of(type(values), parser.parse_args([*rest, *(["--data", seen.data] if seen.data else [])]))
