"""`avkeras doctor`: is everything there that avkeras needs, and does it work."""

import dataclasses
import json
import sys
import warnings

HELP = "check that everything avkeras needs is there and works"
EXAMPLES = """  avkeras doctor
  avkeras doctor --json
  avkeras doctor --measure tagging          # once: how TensorFlow is best set for this model on this machine

A line per check: ok, missing or broken. Exit status 1 if something that avkeras cannot do without is not ok.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_argument("--json", action="store_true", help="one JSON object per check, on a line")
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="MODEL",
        help="time training steps of tagging, transformer, conformer (or of those named) with different settings of "
        "TensorFlow and keep the best for this machine: minutes each, while nothing else runs here; then check",
    )


def run(options) -> None:
    """Shows the checks as they are made."""
    from avkeras.commands.installation import run_checks
    from avkeras.errors import AvkerasError

    if options.measure is not None:
        _measure(options.measure)
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


def _measure(models) -> None:
    from avkeras.commands.measure_settings import measure_settings
    from avkeras.errors import AvkerasError
    from avkeras.runs.machine_settings import MODELS, label

    for model in models:
        if model not in MODELS:
            raise AvkerasError(f"--measure {model}: it is none of {', '.join(MODELS)}")

    def show(name, seconds):
        sys.stderr.write(f"  {1e3 * seconds:8.1f} ms a step  {name}\n")

    for model in models or MODELS:
        sys.stderr.write(f"{model}\n")
        found = measure_settings(model, progress=show)
        sys.stderr.write(f"  kept: {label(found.values)}\n")
