"""`avkeras status`: what a fetch has brought so far."""

from pathlib import Path

HELP = "say what a fetch has brought so far"
EXAMPLES = """  avkeras status clips
  avkeras status clips --reasons
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("folder", type=Path, metavar="DIR", help="the --out of a fetch")
    parser.add_argument("--reasons", action="store_true", help="every reason, not only the most frequent")


def run(options) -> None:
    """Shows a row per part of the task's lists."""
    from avkeras.commands.fetch_view import show_status
    from avkeras.datasets.status import status

    show_status(status(options.folder), every_reason=options.reasons)
