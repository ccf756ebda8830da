"""`avkeras doctor`: is everything there that avkeras needs, and does it work."""

import dataclasses
import json
import sys
import warnings

HELP = "check that everything avkeras needs is there and works"
EXAMPLES = """  avkeras doctor
  avkeras doctor --json

A line per check: ok, missing or broken. Exit status 1 if something that avkeras cannot do without is not ok.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_argument("--json", action="store_true", help="one JSON object per check, on a line")


def run(options) -> None:
    """Shows the checks as they are made."""
    from avkeras.commands.installation import run_checks
    from avkeras.errors import AvkerasError

    warnings.simplefilter("ignore")  # other packages', of what is to change in them
    failing = []
    for check in run_checks():
        failing += [check.name] if check.fails else []
        if options.json:
            sys.stdout.write(json.dumps(dataclasses.asdict(check)) + "\n")
        else:
            sys.stdout.write(f"{check.state:<8}{check.name:<30}{check.text}\n")
        sys.stdout.flush()
    if failing:
        raise AvkerasError(f"needed and not ok: {', '.join(failing)}")
